import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { identityToRecipient } from 'age-encryption';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import type { InitInputs } from '../../../src/interface/inputs/setup-types.ts';
import { init } from '../../../src/operations/init/init.ts';
import { schedule } from '../../../src/operations/schedule/schedule.ts';
import { renderText } from '../../../src/report/text.ts';
import type { Question } from '../../../src/runtime/context.ts';
import { createContext } from '../../support/context.ts';

const root = await mkdtemp(path.join(tmpdir(), 'init-'));
afterAll(() => rm(root, { recursive: true }));

const action = 'octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567';
let made = 0;

/** A checkout with a remote, and a home beside it. */
async function makeCheckout() {
  const checkout = path.join(root, `checkout-${made}`);
  const home = path.join(root, `home-${made++}`);
  await mkdir(path.join(checkout, '.git'), { recursive: true });
  await mkdir(home);
  await writeFile(
    path.join(checkout, '.git', 'config'),
    '[remote "origin"]\n\turl = git@github.com:octo-org/shop.git\n',
  );
  const policy = path.join(checkout, '.github', 'supabase-backup.yml');
  const workflows = path.join(checkout, '.github', 'workflows');
  const parseGiven = (given: Partial<Record<InputName, string>>) =>
    parseInputs((name) => ({ operation: 'init', policy, workflows, ...given })[name], {}) as InitInputs;
  const asked: Question[] = [];
  return {
    ...{ checkout, home, policy, workflows, asked },
    keyFile: path.join(home, '.config', 'supabase-backup', 'octo-org-shop.key'),
    run(given: Partial<Record<InputName, string>>, answers?: string[], env: NodeJS.ProcessEnv = {}) {
      const ask = async (question: Question) => {
        asked.push(question);
        const answer = answers?.[asked.length - 1];
        if (answer === undefined) throw new Error(`asked once more: ${question.text}`);
        return answer;
      };
      const context = createContext({ env: { HOME: home, ...env }, ...(answers && { ask }) });
      return init(parseGiven(given), context);
    },
    readPolicy: async () => parse(await readFile(policy, 'utf8')),
    listFiles: () => readdir(path.join(checkout, '.github'), { recursive: true }).catch(() => []),
  };
}

const given = {
  action,
  databases: 'production',
  storage: 's3://bucket/production',
  's3-region': 'eu-central-1',
};

describe('what init writes', () => {
  test('is a policy whose workflows are what schedule makes of it, and a key outside of the checkout', async () => {
    const { run, readPolicy, policy, workflows, keyFile, home } = await makeCheckout();
    const outcome = await run(given);
    const written = await readPolicy();
    const recipient = await identityToRecipient(
      /^AGE-SECRET-KEY-.*$/m.exec(await readFile(keyFile, 'utf8'))?.[0] ?? '',
    );
    expect(written).toEqual({
      action,
      databases: {
        production: {
          'database-url': 'DATABASE_URL',
          storage: 's3://bucket/production',
          's3-region': 'eu-central-1',
          'encryption-recipients': recipient,
          'encryption-identity': 'BACKUP_IDENTITY',
        },
      },
      alarms: { issues: true, 'rpo-target': '26h' },
    });
    const context = createContext({ env: { HOME: home } });
    const common = { policy, workflows, dryRun: false, githubToken: undefined };
    const checked = await schedule(
      { operation: 'schedule', ...common, check: true, recordsUrl: undefined, sslrootcert: undefined },
      context,
    );
    expect(checked.exitCode).toBe(0);
    expect(outcome.outputs).toMatchObject({
      recipient,
      'key-file': keyFile,
      workflows: checked.outputs.workflows,
    });
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  });

  test('is told with each command that is left, and no secret in it', async () => {
    const { run, keyFile } = await makeCheckout();
    const ref = 'abcdefghijklmnopqrst';
    const text = renderText((await run({ ...given, 'project-ref': ref, notify: 'issues,slack' })).report);
    for (const line of [
      'gh secret set DATABASE_URL ',
      `https://supabase.com/dashboard/project/${ref}?showConnect=true`,
      `gh secret set BACKUP_IDENTITY < ${keyFile} `,
      'gh secret set AWS_ACCESS_KEY_ID ',
      'gh secret set AWS_SECRET_ACCESS_KEY ',
      'gh secret set SUPABASE_ACCESS_TOKEN ',
      'gh secret set SLACK_WEBHOOK_URL ',
      'gh workflow run supabase-backup.yml ',
    ])
      expect(text).toContain(line);
    expect(text).toMatch(/^Free +2,000 +1,\d{3} +fits/m);
    expect(text).not.toContain('AGE-SECRET-KEY-');
    const sheet = await readFile(keyFile.replace('.key', '-recovery-sheet.md'), 'utf8');
    for (const told of ['octo-org/shop', 's3://bucket/production', ref, 'AGE-SECRET-KEY-1'])
      expect(sheet).toContain(told);
  });

  test('of several databases gives each a place and a secret of its own', async () => {
    const { run, readPolicy } = await makeCheckout();
    await run({ ...given, databases: 'shop, billing-eu', storage: 's3://bucket/all/' });
    const { databases } = await readPolicy();
    expect(databases).toMatchObject({
      shop: { 'database-url': 'DATABASE_URL_SHOP', storage: 's3://bucket/all/shop' },
      'billing-eu': { 'database-url': 'DATABASE_URL_BILLING_EU', storage: 's3://bucket/all/billing-eu' },
    });
  });

  test('into an artifact keeps it for a week, and tells what fits into the quota', async () => {
    const { run, readPolicy } = await makeCheckout();
    const text = renderText((await run({ action, databases: 'shop', storage: 'artifact://shop' })).report);
    const { databases, schedules } = await readPolicy();
    expect(databases.shop).toMatchObject({ storage: 'artifact://shop', 'artifact-retention-days': 7 });
    expect(schedules).toMatchObject({ incremental: false });
    // A backup and a cleanup a day, the definitions of a Sunday, and the drill of the month
    expect(text).toContain('up to 16 are kept at once');
    expect(text).not.toContain('gh secret set AWS_');
  });

  test('with recipients that were given is no key', async () => {
    const { run, readPolicy, home } = await makeCheckout();
    const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
    const outcome = await run({ ...given, 'encryption-recipients': recipient });
    expect((await readPolicy()).databases.production['encryption-recipients']).toBe(recipient);
    expect(outcome.outputs).toMatchObject({ recipient: '', 'key-file': '' });
    expect(renderText(outcome.report)).toContain('gh secret set BACKUP_IDENTITY < identity.txt');
    expect(await readdir(home)).toEqual([]);
  });

  test('for a folder runs on a runner of its own', async () => {
    const { run, readPolicy } = await makeCheckout();
    await run({ action, databases: 'shop', storage: '/srv/backups' });
    expect(await readPolicy()).toMatchObject({ 'runs-on': 'self-hosted' });
  });

  test('is nothing in a dry run, which shows the policy', async () => {
    const { run, listFiles, home } = await makeCheckout();
    const outcome = await run({ ...given, 'dry-run': 'true' });
    const text = renderText(outcome.report);
    expect(text).toContain('Dry run: the policy, ');
    expect(text).toContain('storage: s3://bucket/production');
    expect(text).toContain('encryption-recipients: age1…');
    expect(outcome.outputs.recipient).toBe('');
    expect(await listFiles()).toEqual([]);
    expect(await readdir(home)).toEqual([]);
  });
});

describe('where somebody can be asked', () => {
  test('init asks for what was not given, again where an answer is wrong, and takes what it offers for nothing', async () => {
    const { run, readPolicy, asked } = await makeCheckout();
    const answers = [
      ...['Shop', 'shop', 's3://bucket/shop', 'https://account.r2.cloudflarestorage.com', ''],
      ...['', 'mail', 'Backups <backups@example.com>', 'a@example.com, b@example.com', action],
    ];
    await run({}, answers);
    expect(asked).toHaveLength(answers.length);
    expect(asked.map(({ fallback }) => fallback).slice(0, 6)).toEqual([
      ...['production', 'production', 'artifact://database-backups', '-', 'auto', '-'],
    ]);
    expect(await readPolicy()).toMatchObject({
      databases: { shop: { 's3-endpoint': 'https://account.r2.cloudflarestorage.com', 's3-region': 'auto' } },
      alarms: { issues: false, 'mail-from': 'Backups <backups@example.com>', 'smtp-url': 'SMTP_URL' },
    });
  });
});

describe('is refused before anything is written', () => {
  const refused = async (
    { run, listFiles, home }: Awaited<ReturnType<typeof makeCheckout>>,
    inputs: Partial<Record<InputName, string>>,
    env: NodeJS.ProcessEnv = {},
  ) => {
    const before = await listFiles();
    const error = await run(inputs, undefined, env).then(
      () => new Error('was accepted'),
      (error: Error) => error,
    );
    expect(error).toMatchObject({ exitCode: 2 });
    expect(await listFiles()).toEqual(before);
    expect(await readdir(home)).toEqual([]);
    return `${error.message} → ${(error as Error & { next: string }).next}`;
  };

  test('what is missing, all at once, where there is no terminal', async () => {
    const told = await refused(await makeCheckout(), { storage: 's3://bucket/shop' });
    expect(told).toContain('init: databases, s3-region, action are not given, and there is no terminal');
    expect(told).toContain('--databases <names> --s3-region <region> --action <pin>');
    expect(await refused(await makeCheckout(), { ...given, notify: 'mail' })).toContain(
      'mail-from, mail-to are',
    );
  });

  test('a policy that is there', async () => {
    const checkout = await makeCheckout();
    await mkdir(path.dirname(checkout.policy));
    await writeFile(checkout.policy, 'mine');
    expect(await refused(checkout, given)).toContain(
      'supabase-backup.yml already exists and is not overwritten',
    );
    expect(await readFile(checkout.policy, 'utf8')).toBe('mine');
  });

  test('a workflow of that name that somebody else wrote', async () => {
    const checkout = await makeCheckout();
    await mkdir(checkout.workflows, { recursive: true });
    await writeFile(path.join(checkout.workflows, 'supabase-backup.yml'), 'name: mine\n');
    expect(await refused(checkout, given)).toContain('supabase-backup.yml was not generated by `schedule`');
  });

  test('a key inside of the checkout', async () => {
    const checkout = await makeCheckout();
    const file = path.join(checkout.checkout, 'backup.key');
    expect(await refused(checkout, { ...given, 'key-file': file })).toContain('`git add` could publish it');
  });

  test('a step of a workflow', async () => {
    const env = { GITHUB_ACTIONS: 'true' };
    expect(await refused(await makeCheckout(), given, env)).toContain('init must run on your own machine');
  });

  test('a repository that nothing names', async () => {
    const checkout = await makeCheckout();
    await rm(path.join(checkout.checkout, '.git', 'config'));
    expect(await refused(checkout, given)).toContain('github-repository is not given');
  });
});

test('several channels and none are refused together', async () => {
  const { run } = await makeCheckout();
  expect(() => run({ ...given, notify: 'none, issues' })).toThrow('cannot be none together with others');
});
