import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Receiver, startReceiver } from '../alarm/receiver.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeGitHub, startFakeGitHub } from '../support/fake-github.ts';
import { type FakeS3, type S3Request, startFakeS3 } from '../support/fake-s3.ts';
import { type Finished, type Running, startBundle, succeed } from '../support/run-cli.ts';
import { waitUntil } from './processes.ts';
import { listBackups, listFolder } from './repository-folder.ts';
import { createDatabase, createShop, query } from './shop.ts';

/**
 * A workflow run that somebody cancels: the runner interrupts the step, terminates it when it has not ended a while later, kills it at last,
 * and runs its post part.
 */

/** milliseconds; a runner waits for 7500 and for 2500 */
const patience = { afterInterrupt: 6000, afterTerminate: 2500 };

let source: Cluster;
/** Has none of the source's roles. */
let other: Cluster;
let shop: string;
let folder: string;
let backups: string;
let github: FakeGitHub;
let receiver: Receiver;
let stateFile: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cancelled-'));
  stateFile = join(folder, 'state');
  backups = join(folder, 'backups');
  [source, other] = await Promise.all([startCluster(), startCluster()]);
  shop = await createShop(source.superuserUrl(), 'shop');
  await query(
    shop,
    `CREATE ROLE accountant; ALTER TABLE private.notes OWNER TO accountant;
     CREATE FUNCTION sales.wait() RETURNS int LANGUAGE plpgsql
       AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN 1; END';
     CREATE MATERIALIZED VIEW sales.slow AS SELECT sales.wait()`,
  );
  await succeed(['backup', '--storage', backups], { env: { SUPABASE_BACKUP_DATABASE_URL: shop } });
}, 120_000);
afterAll(async () => {
  await Promise.all([source?.stop(), other?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  writeFileSync(stateFile, '');
  github = await startFakeGitHub();
  receiver = await startReceiver();
  return async () => {
    await github.close();
    await receiver.close();
  };
});

type Inputs = Readonly<Record<string, string>>;

function start(file: 'index.cjs' | 'post.cjs', inputs: Inputs, state: Inputs = {}): Running {
  const given = {
    'allow-unencrypted': 'true',
    'failure-issues': 'true',
    'github-token': github.token,
    'notify-url': `${receiver.url}/notify`,
    'heartbeat-url': `${receiver.url}/heartbeat`,
    ...inputs,
  };
  return startBundle(file, [], {
    env: {
      GITHUB_ACTIONS: 'true',
      GITHUB_API_URL: github.url,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: github.repository,
      GITHUB_RUN_ID: '7',
      GITHUB_STATE: stateFile,
      RUNNER_TEMP: folder,
      ...Object.fromEntries(
        Object.entries(given).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
      ),
      ...state,
    },
  });
}

/** As a runner does; says which signals it took. */
async function cancel(running: Running): Promise<Finished & { signals: readonly string[] }> {
  const signals: string[] = [];
  let ended = false;
  running.finished.then(() => {
    ended = true;
  });
  for (const [signal, wait] of [
    ['SIGINT', patience.afterInterrupt],
    ['SIGTERM', patience.afterTerminate],
    ['SIGKILL', 10_000],
  ] as const) {
    signals.push(signal);
    running.child.kill(signal);
    await Promise.race([running.finished, sleep(wait, undefined, { ref: false })]);
    if (ended) break;
  }
  return { ...(await running.finished), signals };
}

async function runPost(inputs: Inputs): Promise<string> {
  const saved = readFileSync(stateFile, 'utf8').matchAll(/^(\w+)<<(\S+)\n(.*)\n\2$/gm);
  const state = Object.fromEntries([...saved].map(([, name, , value = '']) => [`STATE_${name}`, value]));
  const run = await start('post.cjs', inputs, state).finished;
  expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
  return run.stdout.replaceAll(/^::add-mask::.*\n/gm, '');
}

/** In good order, by itself, told once, and nothing is left to do for the post part. */
async function expectOrderly(run: Finished & { signals: readonly string[] }, inputs: Inputs): Promise<void> {
  expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 1, signal: null, signals: ['SIGINT'] });
  expect(run.stdout).toMatch(/^::error::stopped by SIGINT/m);
  expect(run.stdout).not.toContain('unexpected:');
  expect(github.issues).toMatchObject([
    { state: 'open', body: expect.stringContaining('stopped by SIGINT') },
  ]);
  expect(receiver.requests.map(({ path }) => path)).toEqual(['/notify']);
  expect(await runPost(inputs)).toBe('');
  expect(github.issues).toHaveLength(1);
  expect(receiver.requests).toHaveLength(1);
}

/** Whoever is connected to a server, but for us; `blocker` is the name of a test's own connection. */
const sessions = (server: Cluster) =>
  query<{ query: string }>(
    server.superuserUrl(),
    `SELECT datname, query FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> 'blocker'`,
  );
const isAsked = async (server: Cluster, words: string) =>
  (await sessions(server)).some((session) => session.query.includes(words));
const expectNobody = (server: Cluster) => expect.poll(() => sessions(server), { timeout: 5000 }).toEqual([]);

/** A restore waits for the end of the returned connection when it comes to the contents of `sales.slow`. */
async function holdView(database: string): Promise<pg.Client> {
  const blocker = new pg.Client({ connectionString: database, application_name: 'blocker' });
  await blocker.connect();
  await blocker.query('SELECT pg_advisory_lock(7)');
  return blocker;
}

describe('a backup', () => {
  const inputs = (): Inputs => ({
    operation: 'backup',
    storage: join(folder, 'stopped'),
    'database-url': shop,
    'lock-timeout': '600',
  });
  let blocker: pg.Client;

  beforeEach(async () => {
    blocker = new pg.Client({ connectionString: shop, application_name: 'blocker' });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE sales.customers IN ACCESS EXCLUSIVE MODE');
    return () => blocker.end();
  });

  async function startBlocked(): Promise<Running> {
    const running = start('index.cjs', inputs());
    await waitUntil('it waits for a table', async () => {
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
      return (await query(shop, waiting)).length > 0;
    });
    expect(readdirSync(join(folder, 'stopped', 'locks'))).toHaveLength(1);
    return running;
  }

  test('gives its lock back, ends its sessions and its dump, and stores no backup', async () => {
    const run = await cancel(await startBlocked());
    await expectOrderly(run, inputs());
    expect(readdirSync(join(folder, 'stopped', 'locks'))).toEqual([]);
    expect(listBackups(join(folder, 'stopped'))).toEqual([]);
    // Those that wait for the table do not wait for whoever holds it.
    await expectNobody(source);
  }, 60_000);

  test('that cannot tell anybody ends all the same, before it is killed', async () => {
    receiver.answer = () => 'hang';
    const run = await cancel(await startBlocked());
    expect(run.signals).not.toContain('SIGKILL');
    expect(run.exitCode).not.toBe(0);
    expect(readdirSync(join(folder, 'stopped', 'locks'))).toEqual([]);
    expect(await runPost(inputs())).not.toContain('::error::');
    await expectNobody(source);
  }, 60_000);
});

describe('a cleanup', () => {
  let s3: FakeS3;
  beforeEach(async () => {
    s3 = await startFakeS3();
    return () => s3.close();
  });

  const inputs = (more: Inputs): Inputs => ({
    storage: `s3://${s3.bucket}/shop`,
    's3-endpoint': s3.endpoint,
    's3-region': 'auto',
    ...more,
  });
  const keys = (part: string) => [...s3.values.keys()].filter((key) => key.startsWith(`shop/${part}/`));

  async function backUp(times: number): Promise<void> {
    for (let made = 0; made < times; made++) {
      const run = await start('index.cjs', inputs({ operation: 'backup', 'database-url': shop })).finished;
      expect(run, run.stdout).toMatchObject({ exitCode: 0 });
    }
    expect(keys('backups')).toHaveLength(times);
    receiver.requests.length = 0;
    writeFileSync(stateFile, '');
  }

  const cleanup = (): Inputs => inputs({ operation: 'cleanup', retention: 'last=1 verified=1' });
  const isRemoval = ({ method, key }: S3Request) =>
    (method === 'POST' && key === '') || (method === 'DELETE' && key.includes('/backups/'));

  /** What is left is whole, and the next cleanup does the rest. */
  async function expectSound(): Promise<void> {
    expect(keys('locks')).toEqual([]);
    const validate = inputs({ operation: 'validate', 'backup-id': 'all' });
    for (const wanted of [validate, cleanup()]) {
      const run = await start('index.cjs', wanted).finished;
      expect(run, run.stdout).toMatchObject({ exitCode: 0 });
    }
    expect(keys('backups')).toHaveLength(1);
  }

  test('stops after the backups that it was removing, gives its lock back, and records what it removed', async () => {
    await backUp(4);
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<Awaited<ReturnType<typeof cancel>>>();
    s3.fault = (request) => {
      if (!isRemoval(request)) return undefined;
      // The lock is given back by a removal, too.
      s3.fault = () => undefined;
      begun.resolve(ended.resolve(cancel(running)));
      return undefined;
    };
    const running = start('index.cjs', cleanup());
    await begun.promise;
    await expectOrderly(await ended.promise, cleanup());
    expect(keys('locks')).toEqual([]);
    // They went together; nothing was begun after them.
    expect(keys('backups')).toHaveLength(1);
    expect(keys('garbage')).toEqual([]);
    expect(keys('records/prunes')).toHaveLength(1);
    await expectSound();
  }, 60_000);

  test('whose storage has fallen silent ends before it is terminated, and the post part gives its lock back', async () => {
    await backUp(2);
    const asked = Promise.withResolvers<void>();
    s3.fault = (request) => {
      if (!isRemoval(request)) return undefined;
      asked.resolve();
      return { kind: 'hang' };
    };
    const running = start('index.cjs', cleanup());
    await asked.promise;
    const run = await cancel(running);
    expect(run, run.stdout).toMatchObject({ exitCode: 130, signals: ['SIGINT'] });
    expect(keys('locks')).toHaveLength(1);
    s3.fault = () => undefined;
    expect(await runPost(cleanup())).toContain('1 lock that it had left is released');
    await expectSound();
  }, 60_000);
});

describe('a drill', () => {
  const describeServer = async () => [
    await query(other.superuserUrl(), 'SELECT datname FROM pg_database ORDER BY 1'),
    await query(other.superuserUrl(), 'SELECT rolname FROM pg_roles ORDER BY 1'),
  ];

  test('drops the scratch database and its roles, and says nothing about the backup', async () => {
    const before = await describeServer();
    const files = listFolder(backups);
    const endless = 'SELECT pg_sleep(600) IS NULL';
    const inputs = {
      ...{ operation: 'drill', storage: backups, checks: endless },
      'target-url': other.superuserUrl(),
    };
    const running = start('index.cjs', inputs);
    await waitUntil('it asks', () => isAsked(other, endless), 30_000);
    expect(await describeServer()).not.toEqual(before);
    await expectOrderly(await cancel(running), inputs);
    expect(await describeServer()).toEqual(before);
    await expectNobody(other);
    expect(listFolder(backups)).toEqual(files);
  }, 60_000);
});

describe('a restore', () => {
  test('leaves its mark, by which the next one knows the target and empties it only when told to', async () => {
    const target = await createDatabase(other.superuserUrl(), 'target');
    const inputs = { operation: 'restore', storage: backups, 'target-url': target };
    const blocker = await holdView(target);
    const running = start('index.cjs', inputs);
    await waitUntil('it waits', () => isAsked(other, 'REFRESH MATERIALIZED VIEW'), 30_000);
    await expectOrderly(await cancel(running), inputs);
    await expectNobody(other);
    await blocker.end();
    const [mark] = await query<{ mark: object }>(
      target,
      'SELECT mark FROM supabase_backup.unfinished_restore',
    );
    expect(mark?.mark).toMatchObject({ backup: listBackups(backups)[0], wasEmpty: true });

    const refused = await start('index.cjs', inputs).finished;
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toMatch(/^::error::.*a restore of backup .* that stopped at the step .*clean/m);
    const restored = await start('index.cjs', { ...inputs, clean: 'true' }).finished;
    expect(restored, restored.stdout).toMatchObject({ exitCode: 0 });
    expect(await query(target, `SELECT to_regclass('supabase_backup.unfinished_restore') AS mark`)).toEqual([
      { mark: null },
    ]);
  }, 90_000);
});
