import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type MailReceiver, startMailServer } from '../alarm/mail-server.ts';
import { type Receiver, startReceiver } from '../alarm/receiver.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeGitHub, startFakeGitHub } from '../support/fake-github.ts';
import { makeAuthority, type PrivateAuthority } from '../support/private-authority.ts';
import { type ActionRun, runAction } from '../support/run-action.ts';
import { runCli } from '../support/run-cli.ts';
import { createShop } from './shop.ts';

/** A failure is told, and its end, by the bundle as a runner starts it. */

const password = 'p@ss word/with%signs';

let cluster: Cluster;
let folder: string;
let source: string;
let github: FakeGitHub;
let receiver: Receiver;
let runNumber = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'alarms-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  github = await startFakeGitHub();
  receiver = await startReceiver();
  return async () => {
    await github.close();
    await receiver.close();
  };
});

function step(inputs: Record<string, string>, env: Record<string, string> = {}): Promise<ActionRun> {
  runNumber += 1;
  return runAction(
    {
      operation: 'backup',
      storage: join(folder, 'repository'),
      database: 'shop of acme',
      'failure-issues': 'true',
      'github-token': github.token,
      'notify-url': `${receiver.url}/notify?key=of-the-hook`,
      'heartbeat-url': `${receiver.url}/heartbeat`,
      'rpo-target': '24h',
      ...inputs,
    },
    {
      env: {
        GITHUB_API_URL: github.url,
        GITHUB_SERVER_URL: 'https://github.example',
        GITHUB_REPOSITORY: github.repository,
        GITHUB_RUN_ID: String(7000 + runNumber),
        GITHUB_RUN_NUMBER: String(runNumber),
        GITHUB_RUN_ATTEMPT: '1',
        GITHUB_WORKFLOW: 'Nightly backup',
        GITHUB_WORKFLOW_REF: `${github.repository}/.github/workflows/backup.yml@refs/heads/main`,
        GITHUB_ACTOR: 'mona',
        ...env,
      },
    },
  );
}

const paths = () => receiver.requests.map(({ path }) => path);

test('a backup that fails opens an issue and tells the webhook; the next that succeeds closes it with its evidence', async () => {
  const wrong = reconnect(source, { password });
  const failed = await step({ 'database-url': wrong });
  expect(failed.exitCode).toBe(1);
  expect(github.issues).toHaveLength(1);
  const [issue] = github.issues;
  expect(issue).toMatchObject({ state: 'open', title: expect.stringContaining('shop of acme') });
  expect(issue?.labels).toEqual(expect.arrayContaining(['supabase-backup', 'backup-failure']));
  expect(issue?.body).toContain('https://github.example/acme/shop/actions/runs/7001');
  expect(paths()).toEqual(['/notify?key=of-the-hook']);

  const again = await step({ 'database-url': wrong });
  expect(again.exitCode).toBe(1);
  expect(github.issues).toHaveLength(1);
  expect(issue?.comments).toEqual([]);

  const succeeded = await step({ 'database-url': source });
  expect(succeeded, succeeded.stdout).toMatchObject({ exitCode: 0 });
  expect(issue?.state).toBe('closed');
  expect(issue?.comments.join('\n')).toContain(succeeded.outputs.get('backup-id'));
  expect(paths().slice(2).sort()).toEqual(['/heartbeat', '/notify?key=of-the-hook']);

  const sent = JSON.stringify([github.requests, receiver.requests]) + failed.stdout + failed.stderr;
  for (const secret of [password, encodeURIComponent(password), Buffer.from(password).toString('base64')]) {
    // Of a runner's log only the command that masks it may hold it.
    expect(sent.replaceAll(/^::add-mask::.*$/gm, '').includes(secret), secret).toBe(false);
  }
});

test('a check that fails is told as an answer, not as an error, and a dry run is told to nobody', async () => {
  await step({ 'database-url': source });
  const status = { operation: 'status', 'max-age': '1s', 'heartbeat-url': '' };
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const broken = await step(status);
  expect(broken.exitCode).toBe(1);
  expect(github.issues).toMatchObject([
    { state: 'open', title: expect.stringMatching(/status|stale|limit/i) },
  ]);
  const rehearsal = await step({ operation: 'cleanup', 'dry-run': 'true' });
  expect(rehearsal, rehearsal.stdout).toMatchObject({ exitCode: 0 });
  expect(github.issues).toHaveLength(1);
  await step({ ...status, 'max-age': '1h' });
  expect(github.issues).toMatchObject([{ state: 'closed' }]);
});

test('without the permission the operation ends as it would, and a warning names the line to add', async () => {
  github.permission = 'none';
  const run = await step({ 'database-url': source, storage: join(folder, 'other') });
  expect(run.exitCode).toBe(0);
  expect(run.lines.filter((line) => line.startsWith('::warning')).join('\n')).toContain('issues: write');
});

test('a mistake in the inputs is told, too, and one in those of the alarm before anything is read', async () => {
  const run = await step({ 'database-url': 'postgresql://u:p@db.example:6543/postgres' });
  expect(run.exitCode).toBe(1);
  expect(github.issues).toMatchObject([{ state: 'open' }]);
  const wrong = await runCli(
    ['backup', '--storage', join(folder, 'none'), '--notify-url', 'http://example.com/x'],
    {
      env: { SUPABASE_BACKUP_DATABASE_URL: source },
    },
  );
  expect(wrong).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('notify-url: has the scheme http:'),
  });
});

describe('mail and heartbeat, by the bundle', () => {
  const login = 'm@il pass/word';
  let mails: MailReceiver;
  let authority: PrivateAuthority;
  beforeAll(() => {
    authority = makeAuthority(folder, ['localhost']);
  });
  beforeEach(async () => {
    mails = await startMailServer(authority, { secure: false });
    return () => mails.close();
  });
  const told = (inputs: Record<string, string>) =>
    step(
      {
        'smtp-url': `smtp://me:${encodeURIComponent(login)}@localhost:${mails.port}`,
        'mail-from': 'Backups <backups@example.com>',
        'mail-to': 'ops@example.com',
        'heartbeat-signals': 'start, fail',
        'database-url': source,
        ...inputs,
      },
      { SSL_CERT_FILE: authority.file },
    );

  test('a failure and the recovery from it are one thread of mail, and a switch hears of start and end', async () => {
    const failed = await told({ 'database-url': reconnect(source, { password }) });
    expect(failed.exitCode).toBe(1);
    const recovered = await told({});
    expect(recovered, recovered.stdout).toMatchObject({ exitCode: 0 });
    const [first, second] = mails.received.map(({ mail }) => mail);
    expect(first?.subject).toMatch(/^\[failed\] shop of acme: backup/);
    expect(second?.subject).toMatch(/^\[recovered\] shop of acme: backup, after /);
    expect(second?.inReplyTo).toBe(first?.messageId);
    expect(mails.logins).toEqual([
      { user: 'me', password: login, secure: true },
      { user: 'me', password: login, secure: true },
    ]);
    const beats = receiver.requests.filter(({ path }) => path.startsWith('/heartbeat'));
    const ids = beats.map(({ path }) => new URL(path, receiver.url).searchParams.get('rid'));
    expect(beats.map(({ path }) => path.split('?')[0])).toEqual([
      ...['/heartbeat/start', '/heartbeat/fail', '/heartbeat/start', '/heartbeat'],
    ]);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
    expect([ids[1] === ids[0], ids[2] === ids[0], ids[3] === ids[2]]).toEqual([true, false, true]);
    for (const output of [failed.stdout, recovered.stdout, ...mails.received.map(({ raw }) => String(raw))])
      expect(output.replaceAll(/^::add-mask::.*$/gm, '')).not.toContain(login);
  });

  test('a digest comes from the repository, and names what a cleanup would remove', async () => {
    const storage = join(folder, 'digested');
    const taken = [];
    for (const _ of [1, 2, 3]) taken.push((await told({ storage })).outputs.get('backup-id'));
    const digest = {
      operation: 'status',
      storage,
      digest: 'true',
      retention: 'last=1',
      'keep-changes': '1h',
    };
    const run = await told({ ...digest, 'database-url': '', 'time-zone': 'UTC' });
    expect(run, run.stdout).toMatchObject({ exitCode: 0 });
    const [mail] = mails.received.map((each) => each.mail);
    expect(mail?.subject).toBe('[digest] shop of acme: 3 backups, 100% of runs succeeded');
    const cleanup = await told({ ...digest, 'database-url': '', operation: 'cleanup', 'dry-run': 'true' });
    for (const [index, id = ''] of taken.entries()) {
      const removal = mail?.text?.split('What the next cleanup removes')[1]?.split('\n\n')[0];
      const isRemoved = new RegExp(`${id}.*remove`).test(cleanup.stdout);
      expect([removal?.includes(id), isRemoved], id).toEqual([index < 2, index < 2]);
    }
  });

  test('a switch that does not answer the start holds nothing up for long', async () => {
    receiver.answer = ({ path }) => (path.startsWith('/heartbeat/start') ? 'hang' : { status: 200 });
    const begun = performance.now();
    const run = await told({ operation: 'list', 'smtp-url': '' });
    const usual = performance.now() - begun;
    expect(run.exitCode, run.stdout).toBe(0);
    expect(receiver.requests).toEqual([]);
    const status = await told({ operation: 'status', 'database-url': '' });
    expect(status.exitCode, status.stdout).toBe(0);
    expect(performance.now() - begun - usual).toBeLessThan(usual + 6000);
    expect(status.stdout).toContain(
      'the heartbeat was not sent: the operation ended before it was announced',
    );
    expect(receiver.requests.map(({ path }) => path.split('?')[0])).toEqual([
      '/heartbeat/start',
      '/heartbeat',
    ]);
  });

  test('a mail server that is not set is a warning, and so is one that does not answer', async () => {
    const unset = await told({ 'smtp-url': '' });
    expect(unset.exitCode).toBe(0);
    expect(unset.stdout).toContain('::warning::alarm: no mail is sent: mail-to is set, and smtp-url is not');
    const gone = { 'database-url': reconnect(source, { password }), 'smtp-url': 'smtps://u:p@localhost:1' };
    const failed = await told(gone);
    expect(failed.exitCode).toBe(1);
    expect(failed.stdout).toMatch(/::warning::alarm: the mail was not sent: localhost:1 did not accept mail/);
  });
});

describe('a job that ended before its operation could', () => {
  const needs = (result: string, outputs: Record<string, string> = {}) =>
    JSON.stringify({ backup: { result, outputs } });
  const raise = (given: string) =>
    step({ operation: 'alarm', 'alarm-of': 'backup', needs: given, 'heartbeat-url': '' });

  test('opens the issue of the operation, with what is known, and its next success closes it', async () => {
    const good = await step({ 'database-url': source });
    const raised = await raise(needs('failure', { announced: '', 'backup-id': '' }));
    expect(raised.exitCode).toBe(1);
    const [issue] = github.issues;
    expect(issue).toMatchObject({ state: 'open', title: expect.stringMatching(/shop of acme/) });
    expect(issue?.body).toContain(
      'backup did not start: its job backup ended as failure, without any output',
    );
    expect(issue?.body).toContain('Initialize containers');
    expect(issue?.body).toContain(good.outputs.get('backup-id'));
    expect(issue?.body).toContain('its job ended before it could begin, or tell how it went');
    const [message] = receiver.requests.filter(({ path }) => path.startsWith('/notify'));
    expect(JSON.parse(message?.body ?? '')).toMatchObject({
      ...{ kind: 'failed', operation: 'backup', failureClass: 'JobError', database: 'shop of acme' },
    });
    await step({ 'database-url': source });
    expect(issue?.state).toBe('closed');
  });

  test('that had begun, and was killed, is told apart', async () => {
    const raised = await raise(needs('failure', { announced: '', 'backup-id': '20261120T021700Z-7f3a' }));
    expect(raised.stdout).toContain('backup ended without reporting: its job backup ended as failure');
  });

  test.each([
    ['has told it by itself', needs('failure', { announced: 'true' })],
    ['passed', needs('success')],
    ['was not meant to run', needs('skipped')],
  ])('is not told where it %s, nor taken for a success', async (_, given) => {
    await raise(needs('failure'));
    const before = receiver.requests.length;
    const quiet = await raise(given);
    expect(quiet.exitCode, quiet.stdout).toBe(0);
    expect(quiet.stdout).toContain('No alarm');
    expect(github.issues).toMatchObject([{ state: 'open' }]);
    expect(receiver.requests).toHaveLength(before);
  });

  test('says in an output that it has told it, and nothing of a success', async () => {
    const failed = await step({ 'database-url': reconnect(source, { password }) });
    expect(failed.outputs.get('announced')).toBe('true');
    await step({ 'database-url': source });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const answered = await step({ operation: 'status', 'max-age': '1s' });
    expect([answered.exitCode, answered.outputs.get('announced')]).toEqual([1, 'true']);
    const passed = await step({ 'database-url': source });
    expect(passed.outputs.get('announced')).toBeUndefined();
  });
});
