import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { planJobs, planRanges } from '../../../src/postgres/catalog/ranges.ts';
import type { TableInfo } from '../../../src/postgres/catalog/tables.ts';
import { ServerError } from '../../../src/postgres/session/server-error.ts';
import { SourceError } from '../../../src/runtime/errors.ts';
import { countRanges } from '../../../src/source/incremental/range-counts.ts';
import { BufferPool } from '../../../src/source/rows/buffer-pool.ts';
import { copyRows } from '../../../src/source/rows/copy.ts';
import { explainUnreadable, joinSnapshot } from '../../../src/source/snapshot/joined.ts';
import { explainFullLockTable } from '../../../src/source/snapshot/locks.ts';
import { type Snapshot, takeSnapshot } from '../../../src/source/snapshot/snapshot.ts';
import { connect, createDatabase, type Database, until } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { CollectingLog } from '../../support/context.ts';

let cluster: Cluster;
let database: Database;
/** Another user of the database: the one who migrates while a backup begins. */
let other: pg.Client;
let log: CollectingLog;
let taken: Snapshot[];

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});
beforeEach(async () => {
  database = await createDatabase(cluster);
  other = await connect(database.url);
  log = new CollectingLog();
  taken = [];
  await database.run(`
    CREATE TABLE t (id int, text text);
    INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 100) AS i;
    CREATE TABLE u AS SELECT 1 AS id;`);
});
afterEach(async () => {
  for (const snapshot of taken) snapshot.lead.destroy();
  await other.end();
  await database.close();
});

async function take(
  options: { lockTimeoutSeconds?: number; wanted?: (table: TableInfo) => boolean; signal?: AbortSignal } = {},
): Promise<Snapshot> {
  const snapshot = await takeSnapshot(database.settings, options.wanted ?? (() => true), {
    lockTimeoutSeconds: options.lockTimeoutSeconds ?? 30,
    signal: options.signal ?? new AbortController().signal,
    log,
  });
  taken.push(snapshot);
  return snapshot;
}

/** Resolves when a session of the tool waits for a lock on one of these tables. */
const toolWaits = (table = 't') =>
  until(async () => {
    const waiting = await database.rows(`
      SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
      WHERE NOT l.granted AND l.relation = '${table}'::regclass::oid AND a.application_name = 'supabase-backup'`);
    return waiting.length > 0;
  });

async function readRows(
  snapshot: Snapshot,
): Promise<{ tables: string[]; rows: Record<string, number>; text: string }> {
  const texts: string[] = [];
  let named = 0;
  const slices = await copyRows(
    snapshot,
    database.settings,
    planJobs(snapshot.tables.flatMap((table) => planRanges(table, 0, 1 << 25))),
    {
      workers: 2,
      pool: new BufferPool(5, 1 << 20),
      store: async (plaintext) => {
        texts.push(plaintext.toString());
        return { name: String(named++) };
      },
      signal: snapshot.signal,
      onProgress: () => {},
    },
  );
  const rows = Object.fromEntries(slices.map((copied) => [copied.rowRange.table.name, copied.rows]));
  return { tables: snapshot.tables.map((table) => table.name), rows, text: texts.join('') };
}

const countRows = (snapshot: Snapshot) =>
  countRanges(
    snapshot,
    database.settings,
    snapshot.tables.flatMap((table) => planRanges(table, 0, 1 << 25)),
    1n,
    { workers: 1, signal: snapshot.signal, onProgress: () => {} },
  );

describe('a snapshot', () => {
  it('shows every worker the same rows, whatever is committed after it', async () => {
    const snapshot = await take();
    await database.run('DELETE FROM t WHERE id > 10; INSERT INTO u VALUES (2)');
    expect((await readRows(snapshot)).rows).toEqual({ t: 100, u: 1 });
    expect(log.warnings).toEqual([]);
    await snapshot.close();
  });

  it('holds the wanted tables against changes, and no others', async () => {
    const snapshot = await take({ wanted: (table) => table.name === 't' });
    expect(snapshot.tables.map((table) => table.name)).toEqual(['t']);
    expect(snapshot.leftOut.map((table) => table.name)).toEqual(['u']);
    await database.run("SET lock_timeout = '100ms'");
    await expect(database.run('TRUNCATE t')).rejects.toMatchObject({ code: '55P03' });
    await database.run('TRUNCATE u');
    await snapshot.close();
    await database.run('TRUNCATE t');
  });

  it('keeps no transaction open once it is closed', async () => {
    const snapshot = await take();
    await snapshot.close();
    await until(async () => {
      const left = await database.rows(
        "SELECT FROM pg_stat_activity WHERE application_name = 'supabase-backup' AND datname = current_database()",
      );
      return left.length === 0;
    });
    expect(snapshot.signal.aborted).toBe(false);
  });
});

describe('what is committed between the snapshot and the lock', () => {
  it.each<[string, string, { rows: Record<string, number>; contains?: string }]>([
    ['a TRUNCATE', 'TRUNCATE t', { rows: { t: 0, u: 1 } }],
    [
      'a TRUNCATE and new rows',
      "TRUNCATE t; INSERT INTO t VALUES (1, 'new')",
      { rows: { t: 1, u: 1 }, contains: '1\tnew\n' },
    ],
    [
      'a column added',
      "ALTER TABLE t ADD more text DEFAULT 'added'",
      { rows: { t: 100, u: 1 }, contains: '1\trow 1\tadded\n' },
    ],
    [
      'a column of another type',
      'ALTER TABLE t ALTER id TYPE text USING id + 1000',
      { rows: { t: 100, u: 1 }, contains: '1001\trow 1\n' },
    ],
    ['a column dropped', 'ALTER TABLE t DROP id', { rows: { t: 100, u: 1 }, contains: 'row 1\n' }],
    ['a column renamed', 'ALTER TABLE t RENAME id TO number', { rows: { t: 100, u: 1 } }],
    [
      'a table dropped and made again',
      'DROP TABLE t; CREATE TABLE t AS SELECT 7 AS id',
      { rows: { t: 1, u: 1 }, contains: '7\n' },
    ],
    ['a table dropped', 'DROP TABLE t', { rows: { u: 1 } }],
    ['a table renamed', 'ALTER TABLE t RENAME TO s', { rows: { s: 100, u: 1 } }],
    [
      'a table moved',
      'CREATE SCHEMA elsewhere; ALTER TABLE t SET SCHEMA elsewhere',
      { rows: { t: 100, u: 1 } },
    ],
    [
      'two tables swapped',
      'ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u',
      { rows: { u: 100, t: 1 } },
    ],
  ])('makes another snapshot: %s', async (_what, sql, expected) => {
    await other.query('BEGIN');
    await other.query('LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    await other.query(sql);
    const taking = take();
    await toolWaits();
    await other.query('COMMIT');
    const snapshot = await taking;
    expect(log.warnings).toHaveLength(1);
    expect(log.warnings[0]).toContain('taking a new snapshot');
    const { rows, text } = await readRows(snapshot);
    expect(rows).toEqual(expected.rows);
    if (expected.contains !== undefined) expect(text).toContain(expected.contains);
    await snapshot.close();
  });

  it('makes another snapshot: a VACUUM FULL', async () => {
    await other.query('BEGIN; LOCK TABLE t IN ACCESS SHARE MODE');
    const vacuum = database.client.query('VACUUM FULL t');
    const watcher = await connect(database.url);
    const count = async (sql: string) => (await watcher.query(sql)).rows.length;
    await until(
      async () =>
        (await count(
          'SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
        )) === 1,
    );
    // The tool queues behind VACUUM FULL, which goes first when the reader is done.
    const taking = take();
    await until(
      async () =>
        (await count(
          'SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
        )) === 2,
    );
    await other.query('COMMIT');
    await vacuum;
    const snapshot = await taking;
    expect(log.warnings).toHaveLength(1);
    expect((await readRows(snapshot)).rows).toEqual({ t: 100, u: 1 });
    await watcher.end();
    await snapshot.close();
  });

  it('leaves the snapshot as it is when nothing changed under the lock', async () => {
    await other.query('BEGIN');
    await other.query('LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    const taking = take();
    await toolWaits();
    await other.query('COMMIT');
    const snapshot = await taking;
    expect(log.warnings).toEqual([]);
    expect((await readRows(snapshot)).rows).toEqual({ t: 100, u: 1 });
    await snapshot.close();
  });
});

describe('what is committed between the snapshot and the look at the catalog', () => {
  // Of the catalog only the look at all tables reads this, so whoever has it locked says when that is.
  const catalog = 'pg_catalog.pg_partitioned_table';
  it.each([
    [
      'a table dropped and made again',
      'DROP TABLE t; CREATE TABLE t AS SELECT 7 AS id',
      { t: 1, u: 1, v: 1 },
    ],
    ['a table dropped', 'DROP TABLE t', { u: 1, v: 1 }],
    [
      'a schema dropped and made again',
      'DROP SCHEMA s CASCADE; CREATE SCHEMA s; CREATE TABLE s.v ()',
      { t: 100, u: 1, v: 0 },
    ],
  ])('makes another snapshot, and is no want of rights: %s', async (_what, sql, expected) => {
    await database.run('CREATE SCHEMA s; CREATE TABLE x (); CREATE TABLE s.v AS SELECT 1 AS id');
    await other.query(`BEGIN; LOCK TABLE ${catalog} IN ACCESS EXCLUSIVE MODE`);
    // One that is not wanted may be dropped at any time.
    const taking = take({ wanted: ({ name }) => name !== 'x' });
    await toolWaits(catalog);
    await other.query(`DROP TABLE x; ${sql}`);
    await other.query('COMMIT');
    const snapshot = await taking;
    expect(log.warnings).toEqual([expect.stringMatching(/: dropped since .*; taking a new snapshot/)]);
    expect((await readRows(snapshot)).rows).toEqual(expected);
    await snapshot.close();
  });
});

describe('a table that stays locked', () => {
  const blocked = async () => {
    const error = await take({ lockTimeoutSeconds: 0.3 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SourceError);
    return (error as SourceError).message;
  };

  it('fails the backup after its attempts, and the error names who holds the lock', async () => {
    const [{ pid }] = (await other.query('SELECT pg_backend_pid() AS pid')).rows;
    await other.query("BEGIN; SET LOCAL application_name = 'the migration'");
    await other.query('LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    const message = await blocked();
    expect(message).toContain(`t is locked by process ${pid} (supabase_admin, the migration`);
    // Not all of the query: it may hold somebody's data.
    expect(message).toContain(': LOCK TABLE)');
    expect(log.warnings).toHaveLength(2);
  });

  it('is named, too, when the one in the way is itself waiting for the lock', async () => {
    await other.query('BEGIN; SELECT FROM t');
    const migration = await connect(database.url);
    const [{ pid }] = (await migration.query('SELECT pg_backend_pid() AS pid')).rows;
    const altering = migration.query('ALTER TABLE t ADD more int');
    await until(
      async () =>
        (
          await database.rows(
            'SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
          )
        ).length === 1,
    );
    expect(await blocked()).toContain(`process ${pid} (`);
    await other.query('ROLLBACK');
    await altering;
    await migration.end();
  });

  it('does not matter when its rows are not wanted', async () => {
    await other.query('BEGIN');
    await other.query('LOCK TABLE u IN ACCESS EXCLUSIVE MODE');
    const snapshot = await take({ lockTimeoutSeconds: 0.3, wanted: (table) => table.name === 't' });
    expect((await readRows(snapshot)).rows).toEqual({ t: 100 });
    await snapshot.close();
  });
});

describe('when the session that holds the snapshot dies', () => {
  const kill = async (snapshot: Snapshot) => {
    const [row] = await snapshot.lead.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await database.rows('SELECT pg_terminate_backend($1)', [row?.pid]);
  };

  it('the signal aborts and tells', async () => {
    const snapshot = await take();
    const aborted = new Promise((resolve) => snapshot.signal.addEventListener('abort', resolve));
    await kill(snapshot);
    await aborted;
    expect(snapshot.signal.reason).toBeInstanceOf(SourceError);
    expect(snapshot.signal.reason.message).toContain('the session that holds the snapshot was lost');
  });

  it('no worker goes on', async () => {
    await database.run(
      'CREATE TABLE more AS SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 5000) AS i',
    );
    const snapshot = await take();
    const midway = Promise.withResolvers<void>();
    const copying = copyRows(
      snapshot,
      database.settings,
      planJobs(snapshot.tables.flatMap((table) => planRanges(table, 0, 1 << 20))),
      {
        workers: 2,
        pool: new BufferPool(5, 1 << 20),
        store: async () => {
          midway.resolve();
          // No object is stored any more until everything has been told to stop.
          await new Promise((resolve) => snapshot.signal.addEventListener('abort', resolve, { once: true }));
          return { name: '' };
        },
        signal: snapshot.signal,
        onProgress: () => {},
      },
    );
    const rejected = expect(copying).rejects.toThrow('the session that holds the snapshot was lost');
    await midway.promise;
    await kill(snapshot);
    await rejected;
    await until(async () => {
      const left = await database.rows(
        "SELECT FROM pg_stat_activity WHERE application_name = 'supabase-backup' AND datname = current_database()",
      );
      return left.length === 0;
    });
    // A snapshot that is gone is joined by nobody.
    await expect(joinSnapshot(snapshot, database.settings, new AbortController().signal)).rejects.toThrow(
      /snapshot/,
    );
  });
});

it('an abort while rows are copied ends every session', async () => {
  const controller = new AbortController();
  const snapshot = await take({ signal: controller.signal });
  const copying = copyRows(
    snapshot,
    database.settings,
    planJobs(snapshot.tables.flatMap((table) => planRanges(table, 0, 1 << 25))),
    {
      workers: 1,
      pool: new BufferPool(4, 1 << 20),
      store: async () => {
        controller.abort(new Error('the user asked'));
        return { name: '' };
      },
      signal: snapshot.signal,
      onProgress: () => {},
    },
  );
  await expect(copying).rejects.toThrow('the user asked');
  await until(async () => {
    const left = await database.rows(
      "SELECT FROM pg_stat_activity WHERE application_name = 'supabase-backup' AND datname = current_database()",
    );
    return left.length === 0;
  });
});

describe('a server with too few locks for the tables', () => {
  let small: Cluster;
  beforeAll(async () => {
    small = await startCluster({
      settings: { max_locks_per_transaction: '10', max_connections: '20', max_prepared_transactions: '0' },
    });
  });
  afterAll(async () => {
    await small?.stop();
  });
  beforeEach(async () => {
    await other.end();
    await database.close();
    database = await createDatabase(small);
    other = await connect(database.url);
    await database.run(`
      CREATE TABLE t AS SELECT i AS id, 'row ' || i AS text FROM generate_series(1, 100) AS i;
      CREATE TABLE u AS SELECT 1 AS id, 'other' AS text;
      DO $$ BEGIN FOR n IN 1..150 LOOP EXECUTE format('CREATE TABLE more_%s (id int)', n); END LOOP; END $$`);
  });

  it('keeps none of them locked, says so, and reads the rows all the same', async () => {
    const snapshot = await take();
    expect(snapshot.isLocked).toBe(false);
    expect(log.warnings).toEqual([
      expect.stringMatching(/too few locks .*152 tables.*max_locks_per_transaction/),
    ]);
    await database.run('DELETE FROM t');
    const { rows, tables } = await readRows(snapshot);
    expect(tables).toHaveLength(152);
    expect(rows.t).toBe(100);
    await snapshot.close();
  });

  it.each([
    ['emptied', 'TRUNCATE t'],
    ['emptied and filled again', "TRUNCATE t; INSERT INTO t SELECT 1, 'new'"],
    ['dropped and made again', 'DROP TABLE t; CREATE TABLE t (id int, text text)'],
    ['rewritten', 'ALTER TABLE t ALTER id TYPE bigint'],
    [
      'in the place of another',
      'ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u',
    ],
  ])('finds a table that is %s before it is read', async (_what, sql) => {
    const snapshot = await take();
    await database.run(sql);
    await expect(readRows(snapshot)).rejects.toThrow(SourceError);
    await expect(countRows(snapshot)).rejects.toThrow(SourceError);
  });

  it('finds one that was in the place of another while it was read, and no longer is', async () => {
    const swap = 'ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u';
    const snapshot = await take({ wanted: ({ name }) => name !== 'u' });
    await database.run(swap);
    await expect(readRows(snapshot)).rejects.toThrow('public.t: changed by TRUNCATE, DROP or ALTER TABLE');
    await database.run(swap);
    expect((await readRows(snapshot)).rows.t).toBe(100);
    await snapshot.close();
  });

  it('finds one that is emptied after it was read', async () => {
    const snapshot = await take();
    await readRows(snapshot);
    await database.run('TRUNCATE t');
    await expect(snapshot.close()).rejects.toThrow(
      'public.t: changed by TRUNCATE, DROP or ALTER TABLE while',
    );
  });

  it('is told with the setting and a value that will do when pg_dump finds it so', async () => {
    const error = await explainFullLockTable(database.settings, 1500, new Error('out of shared memory'));
    expect(error.message).toContain('too few locks for 1500 tables');
    expect(error.next).toContain('max_locks_per_transaction on the server from 10 to 150');
  });
});

describe('a row that is larger than the server can send', () => {
  it.each([
    ['invalid memory alloc request size 1200000003', undefined],
    ['out of memory', 'Cannot enlarge string buffer containing 1073741805 bytes by 30 more bytes.'],
    ['string buffer exceeds maximum allowed length (1073741823 bytes)', undefined],
  ])('is called that, and no damage: %s', async (message, detail) => {
    const snapshot = await take();
    const error = new ServerError('XX000', message, { detail });
    const told = await explainUnreadable(
      error,
      'table public.t',
      snapshot.tables,
      snapshot,
      database.settings,
    );
    expect(told.message).toContain('table public.t: a row of it is larger than the server can send as text');
    expect(told.next).toContain('exclude');
    expect(`${told.message} ${told.next}`).not.toContain('damaged');
    await snapshot.close();
  });
});
