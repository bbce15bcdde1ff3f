import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeS3, type Fault, startFakeS3 } from '../support/fake-s3.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, type Running, startCli, succeed } from '../support/run-cli.ts';
import { Watcher, waitUntil } from './processes.ts';
import { expectRefusal } from './refusal.ts';
import { createShop, query } from './shop.ts';

/**
 * What a server, and those who work on it, do to a backup that runs, beyond what faults.test.ts has. Each ends with no manifest or a
 * sound one, and is followed by a backup that succeeds.
 */

const database = 'shop';
const slowDown: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };

let cluster: Cluster;
let source: string;
let watcher: Watcher;
let s3: FakeS3;
let other: pg.Client;
/** Apart from `other`, for within a transaction the view of the sessions stands still. */
let looker: pg.Client;

beforeAll(async () => {
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), database);
  watcher = await Watcher.open(cluster.superuserUrl());
});
afterAll(async () => {
  await watcher?.close();
  await cluster?.stop();
});
beforeEach(async () => {
  s3 = await startFakeS3();
  other = await connect();
  looker = await connect();
});
afterEach(async () => {
  await other.end();
  await looker.end();
  await s3.close();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: source });
  client.on('error', () => {});
  await client.connect();
  return client;
}

const isObject = (key: string): boolean => key.startsWith('shop/objects/');
const s3Words = (): string[] => ['--storage', `s3://${s3.bucket}/shop`, '--s3-endpoint', s3.endpoint];
const environment = (url = source) => ({ SUPABASE_BACKUP_DATABASE_URL: url });
const manifests = (): string[] => [...s3.values.keys()].filter((key) => key.startsWith('shop/backups/'));
const start = (...words: string[]): Running =>
  startCli(['backup', ...s3Words(), '--json', ...words], { env: environment() });

/** From now on no object can be stored, until what it returns is called. */
function hold(): () => void {
  s3.requests.length = 0;
  s3.fault = ({ method, key }) => (method === 'PUT' && isObject(key) ? slowDown : undefined);
  return () => {
    s3.fault = () => undefined;
  };
}

const isSent = () => s3.requests.some(({ method, key }) => method === 'PUT' && isObject(key));

/** Different objects that were offered so far. */
const countSent = () =>
  new Set(s3.requests.filter(({ method, key }) => method === 'PUT' && isObject(key)).map(({ key }) => key))
    .size;

function expectSourceError(run: Finished, says: RegExp | RegExp[]): void {
  expectRefusal(run, { exitCode: 1, says });
  expect(readPrinted(run.stdout).error?.kind).toBe('SourceError');
}

/** Nothing was recorded beyond `before` backups, nothing is held at the server, and the next run is whole. */
async function expectNextSucceeds(before = 0, words: readonly string[] = []): Promise<void> {
  expect(manifests()).toHaveLength(before);
  await watcher.until(database, (sessions) => sessions.length === 0);
  s3.fault = () => undefined;
  await succeed(['backup', ...s3Words(), ...words], { env: environment() });
  expect(await succeed(['validate', ...s3Words()])).toMatchObject({ backups: before + 1, damaged: 0 });
}

async function findBackend(where: string): Promise<number> {
  let pid: number | undefined;
  await waitUntil(`a backend of ${where}`, async () => {
    const { rows } = await looker.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = '${database}' AND pid <> pg_backend_pid() AND ${where}`,
    );
    pid = rows[0]?.pid;
    return pid !== undefined;
  });
  return pid ?? 0;
}

/** Returns when so many sessions wait for a lock. */
function waiters(count: number): Promise<void> {
  return waitUntil(`${count} sessions wait for a lock`, async () => {
    const { rows } = await looker.query(
      `SELECT FROM pg_stat_activity WHERE datname = '${database}' AND wait_event_type = 'Lock'`,
    );
    return rows.length === count;
  });
}

/** pg_dump uses the name of ours; nobody else of us locks tables without ONLY. */
const lockingDump = `application_name = 'supabase-backup' AND query ~ '^LOCK TABLE (?!ONLY)'`;

/** Kills a run that hangs, so that the test says what it hangs at. */
async function endOf(run: Running): Promise<Finished> {
  const late = setTimeout(() => run.child.kill('SIGKILL'), 12_000);
  try {
    return await run.finished;
  } finally {
    clearTimeout(late);
  }
}

describe('somebody', () => {
  test('cancels the COPY of a worker: the backup fails and names the table', async () => {
    // More text than there are buffers for: its COPY stands in the middle for as long as nothing can be stored.
    await query(
      source,
      `CREATE TABLE public.large (id int, text text);
       INSERT INTO public.large SELECT n, repeat(md5('large ' || n), 2000) FROM generate_series(1, 3000) n`,
    );
    hold();
    const run = start('--jobs', '1');
    const pid = await findBackend(
      `state = 'active' AND query ~ '^COPY .*"large"' AND wait_event = 'ClientWrite'`,
    );
    await other.query('SELECT pg_cancel_backend($1)', [pid]);
    expectSourceError(await endOf(run), /table public\.large.*: canceling statement due to user request/);
    await query(source, 'DROP TABLE public.large');
    await expectNextSucceeds();
  });

  test('cancels what the session of the snapshot does, which is nothing: the backup is whole', async () => {
    const release = hold();
    const run = start();
    await waitUntil('an object is sent', isSent);
    const [lead] = await watcher.sessions(database);
    await other.query('SELECT pg_cancel_backend($1)', [lead?.pid]);
    release();
    expect(await endOf(run)).toMatchObject({ exitCode: 0 });
    expect(await succeed(['validate', ...s3Words()])).toMatchObject({ backups: 1, damaged: 0 });
  });

  test.each([
    ['ends', 'pg_terminate_backend', /pg_dump .*(terminating connection|server closed the connection)/s],
    ['cancels', 'pg_cancel_backend', /pg_dump .*canceling statement due to user request/s],
  ])('%s the session of pg_dump: the backup fails and says what pg_dump said', async (_, action, says) => {
    // A table that is left out is locked by pg_dump and by nobody else of ours.
    await other.query('BEGIN; LOCK TABLE public.settings IN ACCESS EXCLUSIVE MODE');
    const run = start('--exclude', 'public.settings');
    const pid = await findBackend(`${lockingDump} AND wait_event_type = 'Lock'`);
    await other.query(`SELECT ${action}($1)`, [pid]);
    expectSourceError(await endOf(run), says);
    await other.query('ROLLBACK');
    await expectNextSucceeds();
  });

  test('locks a table that only pg_dump wants for longer than lock-timeout: the backup fails and names it', async () => {
    await other.query('BEGIN; LOCK TABLE public.settings IN ACCESS EXCLUSIVE MODE');
    const run = start('--exclude', 'public.settings', '--lock-timeout', '1');
    expectSourceError(
      await endOf(run),
      /pg_dump .*timeout.*could not lock a table within lock-timeout; public\.settings is locked by process/s,
    );
    await other.query('ROLLBACK');
    await expectNextSucceeds();
  });
});

describe('an ALTER TABLE that comes while the backup runs waits for it, and', () => {
  test('what of the backup would wait behind it in turn gives up: the backup fails and names both', async () => {
    const words = ['--rollback-token', 'true'];
    await succeed(['backup', ...s3Words(), ...words], { env: environment() });
    // Between its snapshot and the reading of rows a backup leaves its token.
    await other.query('BEGIN; LOCK TABLE supabase_backup.tokens IN EXCLUSIVE MODE');
    const run = start(...words, '--jobs', '1', '--lock-timeout', '2');
    await waiters(1);
    const migration = await connect();
    const altering = migration.query('ALTER TABLE public.settings ADD more int');
    await waiters(2);
    await other.query('ROLLBACK');
    const finished = await endOf(run);
    await altering;
    await migration.end();
    // Whichever meets the lock first: the worker, or pg_dump.
    expectSourceError(finished, [
      /table \S+.* another session waits to lock it|pg_dump could not lock a table/,
      /settings is waited for by process \d+ .*: ALTER TABLE/,
    ]);
    await query(source, 'ALTER TABLE public.settings DROP more');
    await expectNextSucceeds(1, words);
  });

  test('so does an incremental that looks for changes', async () => {
    const words = ['--backup-type', 'incremental', '--rollback-token', 'true'];
    await succeed(['backup', ...s3Words(), ...words], { env: environment() });
    await query(source, `INSERT INTO public.settings VALUES ('more', 'than before')`);
    // Between its snapshot and its look for changes a backup leaves its token.
    await other.query('BEGIN; LOCK TABLE supabase_backup.tokens IN EXCLUSIVE MODE');
    const run = start(...words, '--lock-timeout', '2');
    await waiters(1);
    const migration = await connect();
    const altering = migration.query('ALTER TABLE public.readings ADD more int');
    await waiters(2);
    await other.query('ROLLBACK');
    const finished = await endOf(run);
    await altering;
    await migration.end();
    // Whichever meets the lock first: a look for changes, or pg_dump.
    expectSourceError(
      finished,
      /(another session waits to lock it|pg_dump could not lock a table).*readings is waited for/s,
    );
    await query(source, 'ALTER TABLE public.readings DROP more');
    await expectNextSucceeds(1, words);
  });
});

describe('an incremental', () => {
  const words = ['--backup-type', 'incremental', '--rollback-token', 'true'];

  test.each([
    // The first one sees the present.
    ['the session that holds the snapshot', 1],
    ['the session that leaves the token', 2],
  ])(
    'loses %s before it has looked for changes: it fails, and the next one builds on the same base',
    async (_, which) => {
      await succeed(['backup', ...s3Words(), ...words], { env: environment() });
      await other.query('BEGIN; LOCK TABLE supabase_backup.tokens IN EXCLUSIVE MODE');
      const run = start(...words);
      await waiters(1);
      const sessions = await watcher.sessions(database);
      await watcher.terminate(sessions[which]?.pid ?? 0);
      await watcher.until(database, (left) => left.length < sessions.length);
      await other.query('ROLLBACK');
      expectSourceError(await endOf(run), /lost|terminating connection|ended/);
      await expectNextSucceeds(1, words);
      expect(readNewest()).toMatchObject({ kind: 'incremental', fullBecause: null });
    },
  );

  test('with timeouts set on its role is none the worse', async () => {
    await query(
      source,
      `CREATE ROLE hasty LOGIN SUPERUSER PASSWORD 'hasty';
       ALTER ROLE hasty SET statement_timeout = '2ms';
       ALTER ROLE hasty SET idle_in_transaction_session_timeout = '2ms';
       ALTER ROLE hasty SET lock_timeout = '2ms'`,
    );
    const env = environment(reconnect(source, { user: 'hasty', password: 'hasty' }));
    await succeed(['backup', ...s3Words(), ...words], { env });
    await query(source, `UPDATE public.events SET text = 'changed' WHERE id = 7`);
    let refusals = 0;
    s3.fault = ({ method, key }) =>
      method === 'PUT' && isObject(key) && refusals++ < 4 ? slowDown : undefined;
    await succeed(['backup', ...s3Words(), ...words, '--recheck', '100%'], { env });
    expect(refusals).toBeGreaterThan(4);
    expect(readNewest()).toMatchObject({ kind: 'incremental', fullBecause: null });
    expect(await succeed(['validate', ...s3Words()])).toMatchObject({ backups: 2, damaged: 0 });
  });

  test('is ended by a restart of the server: it fails, and the next one reads everything and says why', async () => {
    await succeed(['backup', ...s3Words(), ...words], { env: environment() });
    // An archive holds the second of its making: without another definition, one of the same second would be stored already.
    await query(
      source,
      `UPDATE public.readings SET text = upper(text); COMMENT ON TABLE public.readings IS 'in capitals'`,
    );
    const release = hold();
    const run = start(...words);
    // The archive's object and one of rows: the look for changes is over, and every session is open.
    await waitUntil('two objects are sent', () => countSent() >= 2);
    await watcher.close();
    await Promise.all([other.end(), looker.end()]);
    await restart();
    release();
    watcher = await Watcher.open(cluster.superuserUrl());
    other = await connect();
    looker = await connect();
    // Whichever session notices first, and how far the server has come by then.
    expectSourceError(
      await endOf(run),
      /lost|terminating connection|ended|closed the connection|shutting down|starting up/,
    );
    await expectNextSucceeds(1, words);
    expect(readNewest()).toMatchObject({
      kind: 'full',
      fullBecause: expect.stringContaining('the server was started again'),
    });
  });
});

/** As an operator does it: sessions are ended, and a checkpoint is taken. */
async function restart(): Promise<void> {
  const pid = Number(readFileSync(join(cluster.folder, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(pid, 'SIGINT');
  await waitUntil('the server has ended', () => !existsSync(`/proc/${pid}`));
  // It waits until the server is seen to have ended; there is nothing left to crash.
  await cluster.crash();
  await cluster.start();
}

function readNewest(): { kind: string; fullBecause: string | null } {
  const newest = manifests().sort().at(-1) ?? '';
  return JSON.parse(s3.values.get(newest)?.bytes.toString() ?? '');
}
