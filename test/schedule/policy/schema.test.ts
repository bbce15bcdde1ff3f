import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { findContradictions } from '../../../src/schedule/policy/contradictions.ts';
import { parsePolicy } from '../../../src/schedule/policy/parse.ts';
import { alarmsSchema, databaseSchema, policySchema } from '../../../src/schedule/policy/schema.ts';
import { timeZones } from '../../../src/schedule/policy/time-zones.ts';
import { refusalOf, smallPolicy } from '../setting.ts';
import { rightPolicies } from './right-policies.ts';
import { beyondSchema, identity, noYaml, recipient, secrets, wrongPolicies } from './wrong-policies.ts';

/* Right and wrong policies, before the published schema, judged by a validator of others, and before the program. */

const published = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '../../../schema/policy.schema.json'), 'utf8'),
);
const isOfSchema = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false }).compile(
  published,
);
const hasFile = (file: string) => file === 'checks/some.sql';
const read = (text: string) => parsePolicy(text, 'policy.yml', 'workflows', hasFile);
const messageOf = async (text: string) => (await refusalOf(() => read(text))).message;
const beyond = Object.values(beyondSchema).flat();

describe('a wrong policy', () => {
  test('is one of many', () => {
    expect(Object.keys(wrongPolicies).length).toBeGreaterThan(80);
    expect(beyond.length).toBeLessThan(12);
    expect(beyond.filter((name) => wrongPolicies[name] === undefined)).toEqual([]);
  });

  test.each(Object.entries(wrongPolicies))('with %s is refused', async (name, [text, at, says]) => {
    const message = await messageOf(text);
    expect(message).toContain(
      at === 'the policy' ? 'policy.yml:1:1: the policy: ' : ` ${at.replace('the policy.', '')}: `,
    );
    expect(message).toContain(says);
    for (const line of message.split('\n').filter((one) => one.includes('policy.yml')))
      expect(line).toMatch(/^(?:- )?policy\.yml:\d+:\d+: [^:]+: .+(?:\. |\? ?|: )\S/);
    for (const secret of secrets) expect(message).not.toContain(secret);
    expect(isOfSchema(parse(text)), JSON.stringify(isOfSchema.errors)).toBe(beyond.includes(name));
  });

  test.each(Object.entries(noYaml))('with %s is no YAML', async (_, text) => {
    const message = await messageOf(text);
    expect(message).toMatch(
      /policy\.yml:\d+:\d+: is no YAML: .+\. Correct the line, or put the text into quotes/,
    );
    for (const secret of secrets) expect(message).not.toContain(secret);
  });
});

describe('a right policy', () => {
  test('is one of those that are shown, and more', () => {
    const names = Object.keys(rightPolicies);
    expect(names.filter((name) => name.startsWith('docs/')).length).toBeGreaterThan(4);
    expect(names.length).toBeGreaterThan(20);
  });

  test.each(Object.entries(rightPolicies))('%s is accepted by both', (_, text) => {
    expect(read(text).policy.databases).not.toEqual({});
    expect(isOfSchema(parse(text)), JSON.stringify(isOfSchema.errors)).toBe(true);
  });
});

describe('keys that are right by themselves', () => {
  const maybe = <T>(...values: readonly T[]) => fc.constantFrom(undefined, ...values);
  const switches = fc.constantFrom(undefined, undefined, true, false, 'auto 2 * * *');
  const schedules = fc.option(
    fc.record({
      full: switches,
      incremental: switches,
      archive: switches,
      capture: switches,
      drill: switches,
      cleanup: switches,
      mirror: switches,
      watch: switches,
    }),
    { nil: undefined },
  );
  const role = 'arn:aws:iam::123456789012:role/backup';
  const holder = {
    'aws-role': maybe(role),
    'aws-role-seconds': maybe(900),
    'aws-access-key-id': maybe('KEY_ID'),
    'aws-secret-access-key': maybe('KEY'),
  };
  const database = (name: string) =>
    fc.record({
      'database-url': fc.constant('DATABASE_URL'),
      storage: fc.constantFrom(`s3://backups/${name}`, `artifact://${name}`, `/srv/${name}`, `s3://${name}`),
      's3-region': maybe('auto', 'eu-central-1'),
      's3-endpoint': maybe('https://s3.eu-central-1.amazonaws.com', 'https://s3.example.com'),
      'encryption-recipients': maybe(recipient),
      'encryption-identity': maybe('IDENTITY'),
      environment: maybe('backups'),
      copies: maybe('COPIES'),
      'project-ref': maybe('abcdefghijklmnopqrst'),
      'supabase-access-token': maybe('TOKEN'),
      'artifact-retention-days': maybe(7),
      'heartbeat-url': maybe('HEARTBEAT'),
      ...holder,
      schedules,
    });
  const policy = fc.record({
    action: fc.constant(`octo-org/supabase-backup@${'0'.repeat(40)}`),
    'runs-on': maybe('backup-host', 'ubuntu-24.04'),
    databases: fc.record({ one: database('one'), two: fc.option(database('two'), { nil: undefined }) }),
    schedules,
    cleanup: fc.option(fc.record(holder), { nil: undefined }),
    alarms: fc.option(
      fc.record({
        'mail-from': maybe('a@example.com'),
        'mail-to': maybe('b@example.com'),
        'smtp-url': maybe('SMTP'),
        'heartbeat-url': maybe('HEARTBEAT'),
      }),
      { nil: undefined },
    ),
  });

  test('work together, or not, by the schema as by the program', () => {
    // Most of what chance makes is wrong in many ways; what is left after a mistake is mended tells more.
    const mended = policy.map((given) => JSON.parse(JSON.stringify(given)));
    const verdicts = { right: 0, wrong: 0 };
    fc.assert(
      fc.property(mended, (given) => {
        for (let rounds = 0; rounds < 40; rounds += 1) {
          const found = findContradictions(given);
          expect(isOfSchema(given), JSON.stringify([given, found, isOfSchema.errors])).toBe(
            found.length === 0,
          );
          verdicts[found.length === 0 ? 'right' : 'wrong'] += 1;
          const [first] = found;
          if (first === undefined) return;
          mend(given, first.path);
        }
      }),
      { numRuns: 300 },
    );
    expect(verdicts.right).toBeGreaterThan(100);
    expect(verdicts.wrong).toBeGreaterThan(300);
  });

  /** Takes back what is wrong, or says what is missing. */
  function mend(given: Record<string, unknown>, path: readonly string[]): void {
    const part = path.slice(0, -1).reduce((value, key) => value[key] as typeof given, given);
    const key = path.at(-1) ?? '';
    if (key === 'storage') Object.assign(part, { storage: `s3://backups/${path[1]}` });
    else if (key === 's3-region') Object.assign(part, { 's3-region': 'eu-central-1' });
    else if (key === 'schedules') Object.assign(part, { schedules: { capture: false, mirror: false } });
    else delete part[key];
  }
});

describe('a right policy with another letter', () => {
  type Place = readonly [holder: Record<string, unknown>, key: string];
  const listTexts = (value: object): Place[] =>
    Object.entries(value).flatMap(([key, part]): Place[] => {
      if (typeof part === 'string') return [[value as Record<string, unknown>, key]];
      return typeof part === 'object' && part !== null ? listTexts(part) : [];
    });
  const alphabet = [...' ,.:/@-_*"\'=0159azAZ\n$&{<%#?é'];

  test('is refused by the schema where the program refuses it, checksums aside', () => {
    const verdicts = { right: 0, wrong: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(rightPolicies)),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('', ...alphabet),
        fc.boolean(),
        (text, which, where, letter, isReplaced) => {
          const policy = parse(text);
          const texts = listTexts(policy).filter(([holder, key]) => !hasChecksum(holder[key]));
          const [holder, key] = texts[which % texts.length] as Place;
          const before = String(holder[key]);
          const at = where % (before.length + 1);
          holder[key] = before.slice(0, at) + letter + before.slice(isReplaced ? at + 1 : at);
          const isAccepted = tryTo(() => parsePolicy(stringify(policy), 'policy.yml'));
          verdicts[isAccepted ? 'right' : 'wrong'] += 1;
          if (!isAccepted) expect(isOfSchema(policy), `${key}: ${holder[key]}`).toBe(false);
        },
      ),
      // Of a seed, because chance may hit upon two numbers that a pattern cannot compare.
      { numRuns: 500, seed: 15 },
    );
    expect(verdicts.right).toBeGreaterThan(100);
    expect(verdicts.wrong).toBeGreaterThan(100);
  });

  const hasChecksum = (value: unknown) => /^age1|BEGIN CERTIFICATE/.test(String(value));
  function tryTo(attempt: () => unknown): boolean {
    try {
      attempt();
      return true;
    } catch (error) {
      if (error instanceof ConfigurationError) return false;
      throw error;
    }
  }
});

describe('a secret', () => {
  const places = [
    ...Object.keys(databaseSchema.entries).map((key) => ['databases', 'production', key]),
    ...Object.keys(alarmsSchema.entries).map((key) => ['alarms', key]),
    ...Object.keys(policySchema.entries).map((key) => [key]),
    ['drill', 'checks'],
    ['cleanup', 'grace-period'],
    ['schedules', 'full'],
    ['schedules', 'archive', 'label'],
  ].filter(([key]) => key !== '$schema');

  test.each(places.map((keys) => [keys.join('.'), keys] as const))(
    'at %s is refused, and told to nobody',
    async (_, keys) => {
      for (const secret of [identity, 'postgresql://u:hunter2@db.example.com/postgres']) {
        const policy = parse(smallPolicy);
        const holder = keys.slice(0, -1).reduce((part, key) => (part[key] ??= {}), policy);
        holder[keys.at(-1) ?? ''] = secret;
        const message = await messageOf(stringify(policy));
        for (const one of secrets) expect(message).not.toContain(one);
        expect(isOfSchema(policy)).toBe(false);
      }
    },
  );
});

describe('the time zones', () => {
  test('are known to Node, and are all that it would write itself', () => {
    for (const timeZone of timeZones) expect(() => new Intl.DateTimeFormat('en', { timeZone })).not.toThrow();
    expect(Intl.supportedValuesOf('timeZone').filter((zone) => !timeZones.includes(zone))).toEqual([]);
  });
});
