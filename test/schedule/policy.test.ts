import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../src/schedule/policy.ts';
import { policySchema } from '../../src/schedule/policy-schema.ts';
import { toJsonSchema } from './json-schema.ts';
import { refusalOf, smallPolicy } from './setting.ts';

const parse = (text: string) => parsePolicy(text, 'policy.yml');
const messageOf = async (text: string) => (await refusalOf(() => parse(text))).message;

describe('a policy', () => {
  test('needs an action, a database, its secret and its storage', () => {
    const { policy, actionVersion } = parse(smallPolicy);
    expect(actionVersion).toBe('v1.2.3');
    expect(policy.databases.production).toEqual({
      'database-url': 'DATABASE_URL',
      storage: 's3://octo-backups/production',
    });
  });

  test('may pin the action without a comment', () => {
    expect(parse(smallPolicy.replace(' # v1.2.3', '')).actionVersion).toBe('');
  });

  test('has a JSON Schema for editors', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'The policy of supabase-backup',
      ...toJsonSchema(policySchema),
    };
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
      '../../schema/policy.schema.json',
    );
  });
});

describe('a wrong policy is refused', () => {
  test.each([
    ['an unknown key', 'timezone: UTC', '7:1: timezone: is no key of a policy. Did you mean time-zone?'],
    [
      'an unknown key that is like no other',
      'drill: { colour: red }',
      '7:10: drill.colour: is no key of a policy. Here stand backup-id, fallback, rto-target, checks or image.',
    ],
    [
      'an unknown kind of job',
      'schedules: { ful: true }',
      '7:14: schedules.ful: is no key of a policy. Did you mean full?',
    ],
    [
      'an unknown key of a job',
      "schedules:\n  archive:\n    labl: x\n    cron: 'auto 2 * * *'",
      '9:5: schedules.archive.labl: is no key of a policy. Did you mean label?',
    ],
    [
      'a wrong cron expression in a list',
      "schedules: { full: ['auto 2 * * *', '5 25 * * *'] }",
      '7:37: schedules.full.1: cannot have "25" as its hour. Write numbers from 0 to 23, with * , - and / only',
    ],
    [
      'a wrong cron expression in a job with settings',
      "schedules: { archive: { cron: 'auto/7 2 * * *' } }",
      '7:31: schedules.archive.cron: cannot have "auto/7" as its minute. Write auto, or auto/<minutes> with 5, 6, 10, 12, 15, 20, 30',
    ],
    [
      'a schedule that is no schedule',
      'schedules: { full: 7 }',
      '7:20: schedules.full: is not true or false, a text, a list or keys and values',
    ],
    ['a number out of range', 'drill: { fallback: 101 }', '7:20: drill.fallback: is above 100'],
    [
      'a time zone that there is not',
      'time-zone: Mars/Olympus',
      '7:12: time-zone: is no time zone: "Mars/Olympus". Write a name of the IANA database, such as Europe/Berlin, or UTC',
    ],
    [
      'an expression, which GitHub would evaluate',
      'runs-on: ${' + '{ secrets.X }}',
      '7:10: runs-on: holds an expression (${' + '{). Write the value itself',
    ],
    ['an empty text', "runs-on: ''", '7:10: runs-on: is empty. Leave the key out instead'],
  ])('with %s', async (_, line, message) => {
    expect(await messageOf(`${smallPolicy}${line}\n`)).toBe(`policy.yml:${message.replace(/\.$/, '')}`);
  });

  test.each([
    ['v1', 'a tag, which can be moved'],
    ['0123456', 'a short hash'],
  ])('with an action at %s, %s', async (ref) => {
    const text = smallPolicy.replace('0123456789abcdef0123456789abcdef01234567', ref);
    expect(await messageOf(text)).toContain('policy.yml:1:9: action: is not OWNER/REPO@COMMIT');
  });

  test('without what is required, at the place where it is missing', async () => {
    const text = smallPolicy.replace('    database-url: DATABASE_URL\n', '');
    expect(await messageOf(text)).toBe('policy.yml:5:5: databases.production.database-url: is required');
    expect(await messageOf('')).toBe('policy.yml:1:1: the policy: is not keys and values');
  });

  test('with a connection string in place of the name of a secret, which is not repeated', async () => {
    const message = await messageOf(smallPolicy.replace('DATABASE_URL', 'postgresql://u:hunter2@h/d'));
    expect(message).toContain(
      'policy.yml:5:19: databases.production.database-url: is not the name of a secret',
    );
    expect(message).not.toContain('hunter2');
  });

  test('with a folder as the storage of a hosted runner, but not of one of its own', async () => {
    const text = smallPolicy.replace('s3://octo-backups/production', '/srv/backups');
    expect(await messageOf(text)).toContain(
      '6:14: databases.production.storage: is a folder, and the disk of',
    );
    expect(parse(`${text}runs-on: backup-host\n`).policy['runs-on']).toBe('backup-host');
  });

  test('with one storage for two databases', async () => {
    const second = '  staging:\n    database-url: OTHER\n    storage: s3://octo-backups/production/\n';
    expect(await messageOf(smallPolicy + second)).toContain(
      '9:14: databases.staging.storage: is that of production, and a repository holds one database',
    );
  });

  test('with drills of encrypted backups that they cannot open', async () => {
    const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
    const text = `${smallPolicy}    encryption-recipients: ${recipient}\n`;
    expect(await messageOf(text)).toContain(
      '7:28: databases.production.encryption-recipients: makes backups that',
    );
    expect(parse(`${text}    encryption-identity: IDENTITY\n`).actionVersion).toBe('v1.2.3');
    expect(parse(`${text}schedules: { drill: false }\n`).actionVersion).toBe('v1.2.3');
  });

  test('with all its mistakes at once, in the order of the file', async () => {
    const message = await messageOf(`${smallPolicy}time-zone: X\nretention: dayly=4\nalarm: {}\n`);
    expect(message.split('\n').map((line) => /^(?:- )?([^ ]+)/.exec(line)?.[1])).toEqual([
      '3',
      'policy.yml:7:12:',
      'policy.yml:8:12:',
      'policy.yml:9:1:',
    ]);
  });

  test('when it is no YAML', async () => {
    expect(await messageOf('databases: [1\nx: 2\n')).toMatch(/policy\.yml:2:1: is no YAML: Flow sequence/);
    expect(await messageOf(`${smallPolicy}drill: *nowhere\n`)).toMatch(/is no YAML: Unresolved alias/);
    expect(await messageOf('action: &here [*here]\n')).toContain('policy.yml:1:15: action: is not a text');
  });
});
