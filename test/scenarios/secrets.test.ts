import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Receiver, startReceiver } from '../alarm/receiver.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeGitHub, startFakeGitHub } from '../support/fake-github.ts';
import { cacheCalls, type FakeResults, startFakeResults } from '../support/fake-results.ts';
import { type ActionRun, runAction } from '../support/run-action.ts';
import { type Finished, type Running, startCli } from '../support/run-cli.ts';
import { findProcesses, hasProc } from './processes.ts';
import { expectNoSecret, formsOf } from './refusal.ts';
import { listFolder, modeOf } from './repository-folder.ts';
import { createDatabase, createShop, query } from './shop.ts';

/** Secrets full of what shells, URLs, JSON, Markdown and regular expressions take for their own. */
const password = `p@ss:w/o?r#d%41 &"quo'te\\$(id)\`*_<b>|é+=`;
const awsSecret = 'aws/secret+with=signs&more';
const repositoryKey = 'c0ffee00'.repeat(8);

let cluster: Cluster;
let folder: string;
let identity: string;
let recipient: string;
let secrets: string[];
let sourceUrl: string;
let targets = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  cluster = await startCluster();
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  secrets = [password, awsSecret, repositoryKey, identity];
  const shop = await createShop(cluster.superuserUrl(), 'shop');
  await query(shop, `CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '${password.replaceAll("'", "''")}'`);
  sourceUrl = asKeeper(shop);
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** With the password percent-encoded to the last sign, as the message about a wrong URL asks for. */
function asKeeper(url: string): string {
  const changed = new URL(reconnect(url, { user: 'keeper' }));
  changed.password = '';
  const encoded = encodeURIComponent(password).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return changed.href.replace('keeper@', `keeper:${encoded}@`);
}

async function createTarget(): Promise<string> {
  targets += 1;
  return asKeeper(await createDatabase(cluster.superuserUrl(), `target_${targets}`));
}

const secretEnvironment = (): NodeJS.ProcessEnv => ({
  SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
  SUPABASE_BACKUP_REPOSITORY_KEY: repositoryKey,
  AWS_SECRET_ACCESS_KEY: awsSecret,
});

function expectClean(...texts: string[]): void {
  for (const text of texts) expectNoSecret(text, [...secrets, sourceUrl]);
}

/** Every byte of every file below a folder, as text that keeps them. */
function readAll(path: string): string {
  return Object.keys(listFolder(path))
    .map((file) => `${file}\n${readFileSync(join(path, file), 'latin1')}`)
    .join('\n');
}

const expectCleanFolder = (path: string): void => {
  const text = readAll(path);
  for (const secret of [...secrets, sourceUrl]) {
    for (const form of formsOf(secret))
      expect(text.includes(Buffer.from(form).toString('latin1'))).toBe(false);
  }
};

/** Looks at all processes of a run, and at its temporary files, again and again until it has ended. */
async function observe(run: Running, mark: string) {
  const seen = { arguments: new Set<string>(), modes: new Map<string, number>() };
  let ended = false;
  const finished = run.finished.finally(() => {
    ended = true;
  });
  while (!ended) {
    if (hasProc) for (const found of findProcesses(mark)) seen.arguments.add(found.arguments);
    try {
      for (const entry of readdirSync(run.temporaryFolder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        seen.modes.set(entry.isDirectory() ? `${path}/` : path, modeOf(path));
      }
    } catch {
      // Removed between two looks.
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return { ...(await finished), ...seen };
}

describe('on the command line', () => {
  const storage = () => join(folder, 'repository');

  async function runObserved(words: readonly string[], env: NodeJS.ProcessEnv) {
    const mark = `mark-${Math.random()}`;
    const temporaryFolder = mkdtempSync(join(folder, 'tmp-'));
    const run = startCli([...words, '--verbose'], {
      env: { ...secretEnvironment(), ...env, LC_SCENARIO: mark },
      temporaryFolder,
    });
    const observed = await observe(run, mark);
    expectClean(observed.stdout, observed.stderr, ...observed.arguments);
    expect(readdirSync(temporaryFolder)).toEqual([]);
    for (const [path, mode] of observed.modes) {
      // A file of COPY text or of a schema is as private as the database.
      expect(mode & 0o077, `${path} is ${mode.toString(8)}`).toBe(0);
    }
    return observed;
  }

  const succeeded = (run: Finished) => expect(run, run.stderr).toMatchObject({ exitCode: 0 });

  test('a backup tells none of them to anyone', async () => {
    const run = await runObserved(['backup', '--storage', storage(), '--encryption-recipients', recipient], {
      SUPABASE_BACKUP_DATABASE_URL: sourceUrl,
    });
    succeeded(run);
    if (hasProc) expect([...run.arguments].join('\n')).toContain('pg_dump');
    expectCleanFolder(storage());
    expect(modeOf(storage())).toBe(0o700);
    for (const file of Object.keys(listFolder(storage()))) expect(modeOf(join(storage(), file))).toBe(0o600);
  });

  test('a validation tells none of them to anyone', async () => {
    succeeded(await runObserved(['validate', '--storage', storage()], {}));
  });

  test('a restore tells none of them to anyone', async () => {
    const run = await runObserved(['restore', '--storage', storage()], {
      SUPABASE_BACKUP_TARGET_URL: await createTarget(),
    });
    succeeded(run);
    if (hasProc) expect([...run.arguments].join('\n')).toContain('pg_restore');
    expect([...run.modes.keys()].some((path) => path.endsWith('.dump'))).toBe(true);
  });

  test('a capture, and a restore to a point in time, tell none of them to anyone, nor any value of a row', async () => {
    const value = `v4lue of a r0w ${Math.random()}`;
    const captured = join(folder, 'captured');
    const capture = () =>
      runObserved(
        ['capture', '--storage', captured, '--encryption-recipients', recipient, '--unlimited-wal'],
        {
          SUPABASE_BACKUP_DATABASE_URL: sourceUrl,
        },
      );
    succeeded(await capture());
    await query(cluster.superuserUrl('shop'), 'UPDATE public.settings SET value = $1', [value]);
    const run = await capture();
    succeeded(run);
    expect(run.stdout).toContain('public.settings');
    const restored = await runObserved(
      ['restore', '--storage', captured, '--recovery-target-time', 'latest'],
      {
        SUPABASE_BACKUP_TARGET_URL: await createTarget(),
      },
    );
    succeeded(restored);
    expect(restored.stdout).toContain('Brought to');
    for (const { stdout, stderr } of [run, restored]) expectNoSecret(`${stdout}${stderr}`, [value]);
    expectCleanFolder(captured);
    expect(readAll(captured).includes(value)).toBe(false);
    for (const file of Object.keys(listFolder(captured))) expect(modeOf(join(captured, file))).toBe(0o600);
    await query(
      cluster.superuserUrl('shop'),
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots',
    );
  });

  test.each([
    ['a password that the server refuses', () => `${sourceUrl}`.replace('keeper:', 'supabase_admin:')],
    ['a port where nobody answers', () => sourceUrl.replace(/:\d+\//, ':1/')],
    ['a URL broken by the password', () => `postgresql://keeper:${password}@127.0.0.1:${cluster.port}/shop`],
    ['a URL broken by a slash', () => `postgresql://keeper:123/${password}@127.0.0.1:${cluster.port}/shop`],
    ['a database that is not there', () => sourceUrl.replace('/shop', '/nowhere')],
  ])('%s is told without the password, on stderr and as JSON', async (_, url) => {
    for (const words of [[], ['--json']]) {
      const run = await runObserved(['backup', '--storage', join(folder, 'none'), ...words], {
        SUPABASE_BACKUP_DATABASE_URL: url(),
      });
      expect(run.exitCode).toBe(2);
    }
  });

  test('a password from PGPASSWORD, an identity from a file', async () => {
    const file = join(folder, 'identity.txt');
    writeFileSync(file, `# created: today\n# public key: ${recipient}\n${identity}\n`, { mode: 0o600 });
    const run = await runObserved(['backup', '--storage', storage()], {
      PGHOST: '127.0.0.1',
      PGPORT: String(cluster.port),
      PGUSER: 'keeper',
      PGDATABASE: 'shop',
      PGPASSWORD: password,
      SUPABASE_BACKUP_ENCRYPTION_IDENTITY: file,
      SUPABASE_BACKUP_ENCRYPTION_RECIPIENTS: recipient,
    });
    succeeded(run);
    expectCleanFolder(storage());
  });
});

/** What the runner is told to mask, which it must be before anything else, and the rest of the log as the runner reads it. */
function splitLog({ lines }: ActionRun): { masks: string[]; rest: string } {
  const command = '::add-mask::';
  const first = lines.findIndex((line) => !line.startsWith(command));
  // Of a command, signs that would end it are escaped.
  const read = lines.map((line) =>
    line.startsWith('::') ? line.replace(/%(25|0D|0A)/g, (code) => decodeURIComponent(code)) : line,
  );
  return {
    masks: read.slice(0, first).map((line) => line.slice(command.length)),
    rest: [...read.slice(first), ...lines.slice(first)].join('\n'),
  };
}

describe('on a runner', () => {
  const storage = () => join(folder, 'of-the-action');
  const inputs = (operation: string, more: Record<string, string>) => ({
    operation,
    storage: storage(),
    'encryption-identity': identity,
    'repository-key': repositoryKey,
    ...more,
  });

  function expectMasked(run: ActionRun, urls: readonly string[]): void {
    const { masks, rest } = splitLog(run);
    expect(masks).toEqual(expect.arrayContaining([identity, repositoryKey, awsSecret, ...urls]));
    if (urls.length > 0) expect(masks).toContain(password);
    expect(rest).not.toContain('::add-mask::');
    expectClean(rest, run.stderr, run.outputText, run.summary);
    expect(run.leftInRunnerTemp).toEqual([]);
  }

  test('masks come first, and neither log, outputs nor summary hold a secret', async () => {
    mkdirSync(storage(), { recursive: true });
    const env = { AWS_SECRET_ACCESS_KEY: awsSecret };
    const backedUp = await runAction(
      inputs('backup', { 'database-url': sourceUrl, 'encryption-recipients': recipient }),
      { env },
    );
    expect(backedUp, backedUp.stdout).toMatchObject({ exitCode: 0 });
    expectMasked(backedUp, [sourceUrl]);
    const validated = await runAction(inputs('validate', {}), { env });
    expect(validated).toMatchObject({ exitCode: 0 });
    expectMasked(validated, []);
    const target = await createTarget();
    const restored = await runAction(inputs('restore', { 'target-url': target }), { env });
    expect(restored, restored.stdout).toMatchObject({ exitCode: 0 });
    expectMasked(restored, [target]);
    expectCleanFolder(storage());
  });

  test('a failure tells none of them either', async () => {
    const wrong = sourceUrl.replace('/shop', '/nowhere');
    const run = await runAction(inputs('backup', { 'database-url': wrong }), {
      env: { AWS_SECRET_ACCESS_KEY: awsSecret, RUNNER_DEBUG: '1' },
    });
    expect(run.exitCode).toBe(1);
    expectMasked(run, [wrong]);
  });
});

describe('on a runner that tells others', () => {
  let receiver: Receiver;
  let github: FakeGitHub;
  let results: FakeResults;
  let hooks: Record<string, string>;

  beforeEach(async () => {
    receiver = await startReceiver();
    // Whoever is called may say it again.
    receiver.answer = ({ path, body }) => ({ status: 200, body: `${path} ${body}` });
    github = await startFakeGitHub();
    results = await startFakeResults();
    hooks = Object.fromEntries(
      ['notify-url', 'slack-webhook-url', 'heartbeat-url'].map((name) => [
        name,
        `${receiver.url}/${name}/T0${name}B0/hook+${name}%2Fs3cret?key=of%20${name}%26more`,
      ]),
    );
    return async () => {
      for (const server of [receiver, github, results]) await server.close();
    };
  });

  /** The paths of the webhooks are as secret as their addresses, which may travel as a part of another. */
  const all = () => [
    ...[...secrets, sourceUrl, encodeURIComponent(sourceUrl), github.token, results.token],
    ...Object.values(hooks).flatMap((url) => {
      const { pathname, search } = new URL(url);
      return [url, encodeURIComponent(url), pathname, search.slice(1)];
    }),
  ];

  /** Runs a step, looks at the arguments of all its processes meanwhile, and at everything that it told afterwards. */
  async function step(inputs: Record<string, string>, env: NodeJS.ProcessEnv = {}): Promise<ActionRun> {
    const mark = `mark-${Math.random()}`;
    const seen = new Set<string>();
    const looking = setInterval(() => {
      if (hasProc) for (const found of findProcesses(mark)) seen.add(found.arguments);
    }, 5);
    const run = await runAction(
      { 'repository-key': repositoryKey, 'issue-labels': 'database', ...hooks, ...inputs },
      {
        env: {
          ...{ AWS_SECRET_ACCESS_KEY: awsSecret, RUNNER_DEBUG: '1', LC_SCENARIO: mark },
          ...{ GITHUB_ACTIONS: 'true', GITHUB_RUN_ID: '7', GITHUB_SERVER_URL: 'https://github.example' },
          ...{ GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository },
          ...env,
        },
      },
    ).finally(() => clearInterval(looking));
    if (hasProc) expect([...seen].join('\n')).toContain('index.cjs');
    const { masks, rest } = splitLog(run);
    const given = ['github-token', 'staging-url'].flatMap((name) => inputs[name] ?? []);
    expect(masks).toEqual(expect.arrayContaining([...Object.values(hooks), ...given]));
    const texts = [rest, run.stderr, run.outputText, run.summary, ...seen];
    for (const text of texts) expectNoSecret(text, all());
    expectNothingSent();
    return run;
  }

  /** Whoever is told something gets its own address and its own token, and nothing else. */
  function expectNothingSent(): void {
    for (const { body, path, headers } of receiver.requests) {
      const others = Object.values(hooks).filter((url) => !url.endsWith(path));
      expect(others).toHaveLength(2);
      expectNoSecret(body, all());
      expectNoSecret(JSON.stringify(headers), all());
    }
    for (const { body, path, headers } of github.requests) {
      const { authorization, ...rest } = headers;
      expect(authorization).toBe(`Bearer ${github.token}`);
      for (const text of [body, path, JSON.stringify(rest)]) expectNoSecret(text, all());
    }
    expectNoSecret(JSON.stringify(github.issues), all());
  }

  const withIssues = () => ({ 'failure-issues': 'true', 'github-token': github.token });
  const storage = () => join(folder, 'told');
  const reading = () => ({ storage: storage(), 'encryption-identity': identity });
  const backup = () => ({
    ...{ operation: 'backup', storage: storage() },
    ...{ 'database-url': sourceUrl, 'encryption-recipients': recipient },
  });

  function expectFolderClean(path: string): void {
    const text = readAll(path);
    for (const form of all().flatMap(formsOf))
      expect(text.includes(Buffer.from(form).toString('latin1')), form.slice(0, 4)).toBe(false);
  }

  test('a failure, its issue, its messages, and the recovery from it', async () => {
    const wrong = sourceUrl.replace('/shop', '/nowhere');
    const failed = await step({ ...backup(), ...withIssues(), 'database-url': wrong });
    expect(failed.exitCode).toBe(1);
    expect(github.issues).toMatchObject([{ state: 'open' }]);
    expect(receiver.requests).toHaveLength(2);
    const succeeded = await step({ ...backup(), ...withIssues() });
    expect(succeeded, succeeded.stdout).toMatchObject({ exitCode: 0 });
    expect(github.issues).toMatchObject([{ state: 'closed' }]);
    expect(receiver.requests.map(({ path }) => path.split('/')[1]).sort()).toEqual([
      'heartbeat-url',
      'notify-url',
      'notify-url',
      'slack-webhook-url',
      'slack-webhook-url',
    ]);
    expectFolderClean(storage());
  }, 60_000);

  test('addresses that refuse, and a token that GitHub refuses', async () => {
    receiver.answer = ({ path }) => ({ status: 404, body: `nothing at ${path}` });
    github.fault = () => ({ kind: 'answer', status: 401, message: 'Bad credentials' });
    const run = await step({ ...backup(), ...withIssues() });
    expect(run, run.stdout).toMatchObject({ exitCode: 0 });
    for (const name of ['heartbeat-url', 'github-token']) expect(run.stdout).toContain(name);
    for (const [name, url] of Object.entries(hooks))
      hooks[name] = url.replace(receiver.url, 'http://127.0.0.1:1');
    const unheard = await step(backup());
    expect(unheard).toMatchObject({ exitCode: 0 });
    expect(unheard.stdout).toContain('::warning::alarm:');
  }, 60_000);

  test('a restore that is tried on staging first, a drill, and the folders of their reports', async () => {
    expect(await step(backup())).toMatchObject({ exitCode: 0 });
    const reports = join(folder, 'reports');
    const target = await createTarget();
    const restored = await step({
      ...{ ...reading(), operation: 'restore', 'report-folder': join(reports, 'restore') },
      ...{ 'target-url': target, 'staging-url': sourceUrl },
    });
    expect(restored, restored.stdout).toMatchObject({ exitCode: 0 });
    const drilled = await step({
      ...{ ...reading(), operation: 'drill', 'report-folder': join(reports, 'drill') },
      ...{ 'target-url': sourceUrl, checks: 'SELECT count(*) = 0 FROM sales.customers' },
    });
    expect(drilled, drilled.stdout).toMatchObject({ exitCode: 1 });
    expect(Object.keys(listFolder(reports))).toEqual(
      expect.arrayContaining([
        'drill/parity.json',
        'drill/parity.md',
        'restore/parity.json',
        'restore/parity.md',
      ]),
    );
    const nowhere = sourceUrl.replace(/:\d+\//, ':1/');
    const unstaged = await step({
      ...{ ...reading(), operation: 'restore' },
      ...{ 'target-url': await createTarget(), 'staging-url': nowhere },
    });
    expect(unstaged.exitCode).toBe(1);
    expect(unstaged.stdout).toMatch(/^::error::staging-url/m);
    for (const path of [reports, storage()]) expectFolderClean(path);
  }, 120_000);

  test('an artifact; and nothing asks for the cache', async () => {
    const env: NodeJS.ProcessEnv = { ...results.environment('7'), GITHUB_SERVER_URL: 'https://github.com' };
    const inputs = { storage: 'artifact://db', 'github-token': results.token };
    const event = join(folder, 'event.json');
    writeFileSync(event, JSON.stringify({ repository: { private: true, visibility: 'private' } }));
    for (const operation of ['backup', 'list', 'validate', 'restore', 'status', 'cleanup']) {
      const reads = operation === 'backup' ? backup() : { ...reading(), operation };
      const target = operation === 'restore' ? { 'target-url': await createTarget() } : {};
      const run = await step({ ...reads, ...target, ...inputs }, { ...env, GITHUB_EVENT_PATH: event });
      expect(run, run.stdout).toMatchObject({ exitCode: 0 });
      // The runner shows no line that says what to mask.
      const shown = run.stdout.replace(/^::add-mask::.*$/gm, '');
      expectNoSecret(`${shown}${run.stderr}`, [env.ACTIONS_RUNTIME_TOKEN ?? '']);
    }
    expect(results.artifacts.length).toBeGreaterThan(0);
    // Its zip file holds the files as they are.
    expect(results.artifacts[0]?.bytes.toString('latin1')).toContain('"format":');
    for (const { bytes } of results.artifacts) {
      const text = bytes.toString('latin1');
      for (const form of all().flatMap(formsOf))
        expect(text.includes(Buffer.from(form).toString('latin1')), form.slice(0, 4)).toBe(false);
    }
    const asked = results.requests.map(({ what }) => what);
    expect(asked).toContain('CreateArtifact');
    expect(asked.filter((what) => cacheCalls.includes(what))).toEqual([]);
    expect(results.cache).toEqual([]);
  }, 120_000);
});
