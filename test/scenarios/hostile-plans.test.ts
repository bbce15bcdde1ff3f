import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readSequences } from '../../src/postgres/catalog/facts.ts';
import { planJobs, planRanges } from '../../src/postgres/catalog/ranges.ts';
import { openSession } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { countRanges } from '../../src/source/incremental/range-counts.ts';
import { BufferPool } from '../../src/source/rows/buffer-pool.ts';
import { copyRows } from '../../src/source/rows/copy.ts';
import { type Snapshot, takeSnapshot } from '../../src/source/snapshot/snapshot.ts';
import { connect } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { CollectingLog, emptyContext } from '../support/context.ts';
import { runCli } from '../support/run-cli.ts';
import { query } from './shop.ts';
import { createHostileDatabase, type HostileDatabase, prepareServer } from './tenant.ts';

/*
 * To plan a query on a table, PostgreSQL calls functions of its indexes, statistics, checks and partition key, as whoever asks. Here a tenant
 * has such a table wherever a backup asks for something by a query, and brings one when the backup has looked already.
 */

const minute = 60_000;
let cluster: Cluster;
let folder: string;
let hostile: HostileDatabase;
let made = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostile-plans-'));
  cluster = await startCluster();
  await prepareServer(cluster);
}, minute);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  made += 1;
  hostile = await createHostileDatabase(cluster, `plans_${made}`);
});

const trap = (schema: string) =>
  `CREATE FUNCTION ${schema}.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note('trap'); RETURN 1; END $$`;

/** A table that is read in many parts */
const large = (name: string) =>
  `CREATE TABLE ${name} (id int, v text); INSERT INTO ${name} SELECT g, repeat('x', 500) FROM generate_series(1, 20000) AS g`;

async function backUp(url: string, ...words: string[]): Promise<void> {
  const run = await runCli(['backup', '--storage', join(folder, `${made}`), ...words], {
    env: { SUPABASE_BACKUP_DATABASE_URL: url },
  });
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
  // All workers ask one session, one after another.
  expect(run.stderr).not.toContain('Deprecation');
}

/** The tenant makes it, and then a superuser and a reader make backups, also incremental ones. */
async function expectNoCall(sql: string): Promise<void> {
  await query(hostile.tenant, sql);
  await hostile.forget();
  for (const url of [hostile.url, hostile.reader]) {
    await backUp(url);
    await query(hostile.url, `INSERT INTO public.orders (v) VALUES ('new')`);
    await backUp(url, '--backup-type', 'incremental');
    expect(await hostile.calls()).toEqual([]);
  }
}

describe('no plan of a backup calls a function of a tenant', () => {
  test(
    'of a table that he added to an extension of his own',
    async () => {
      await expectNoCall(`CREATE SCHEMA mine; CREATE EXTENSION citext SCHEMA mine; ${trap('mine')};
        CREATE TABLE mine.t (id int); INSERT INTO mine.t VALUES (1); CREATE INDEX ON mine.t ((mine.trap(1) + id));
        ALTER EXTENSION citext ADD TABLE mine.t; CREATE SEQUENCE mine.s; ALTER EXTENSION citext ADD SEQUENCE mine.s`);
    },
    minute,
  );

  test(
    'of a schema with a name of the platform’s, which he added to an extension of his own',
    async () => {
      const schema = (name: string, table: string) =>
        `CREATE SCHEMA ${name}; CREATE TABLE ${name}.${table} (id int); CREATE INDEX ON ${name}.${table} ((mine.trap(1) + id)); ALTER EXTENSION citext ADD SCHEMA ${name}`;
      await expectNoCall(`CREATE SCHEMA mine; CREATE EXTENSION citext SCHEMA mine; ${trap('mine')};
        ${schema('storage', 'objects')}; ${schema('vault', 'secrets')}; ${schema('cron', 'job')}`);
    },
    minute,
  );

  test(
    'of a check, where the database says that plans look into these',
    async () => {
      await query(hostile.url, `ALTER DATABASE plans_${made} SET constraint_exclusion = on`);
      await expectNoCall(
        `CREATE SCHEMA mine; ${trap('mine')}; ${large('mine.t')}; ALTER TABLE mine.t ADD CHECK (mine.trap(1) + id > 0)`,
      );
    },
    minute,
  );

  test(
    'of a partition key',
    async () => {
      await expectNoCall(`CREATE SCHEMA mine; ${trap('mine')};
        CREATE TABLE mine.p (id int, v text) PARTITION BY RANGE ((mine.trap(1) + id));
        CREATE TABLE mine.t PARTITION OF mine.p FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
        INSERT INTO mine.p SELECT g, repeat('x', 500) FROM generate_series(1, 20000) AS g`);
    },
    minute,
  );
});

describe('what a tenant brings when a backup has looked is found before it is planned with', () => {
  const signal = new AbortController().signal;
  const settings = () => parseConnection('database-url', hostile.url, emptyContext);

  /** A snapshot; then the tenant does something; then a table is read and counted. */
  async function readAfter(sql: string): Promise<{ read: unknown; counted: unknown }> {
    const snapshot = await takeSnapshot(settings(), () => true, {
      lockTimeoutSeconds: 1,
      signal,
      log: new CollectingLog(),
    });
    try {
      await query(hostile.tenant, sql);
      await hostile.forget();
      return { read: await read(snapshot), counted: await count(snapshot) };
    } finally {
      snapshot.lead.destroy();
    }
  }

  const slicesOf = ({ tables }: Snapshot) =>
    tables.filter(({ schema }) => schema === 'mine').flatMap((table) => planRanges(table));

  const read = (snapshot: Snapshot) =>
    copyRows(snapshot, settings(), planJobs(slicesOf(snapshot)), {
      workers: 1,
      pool: new BufferPool(2, 1 << 20),
      store: async () => ({ name: '' }),
      signal,
      onProgress: () => undefined,
    }).catch((error: unknown) => error);

  const count = (snapshot: Snapshot) =>
    countRanges(snapshot, settings(), slicesOf(snapshot), 0n, {
      workers: 1,
      signal,
      onProgress: () => undefined,
    }).catch((error: unknown) => error);

  test.each([
    ['statistics', 'CREATE STATISTICS mine.s ON (mine.trap(1) + id), id FROM mine.t', /given an index/],
    ['an index', 'CREATE INDEX ON mine.t ((mine.trap(1) + id))', /given an index or statistics/],
    [
      'another schema of the name',
      `ALTER SCHEMA mine RENAME TO old; CREATE SCHEMA mine; CREATE TABLE mine.t (id int, v text);
       CREATE INDEX ON mine.t ((old.trap(1) + id))`,
      /mine\.t: renamed or dropped/,
    ],
  ])('%s', async (_what, sql, says) => {
    await query(hostile.tenant, `CREATE SCHEMA mine; ${trap('mine')}; ${large('mine.t')}`);
    const { read, counted } = await readAfter(sql);
    expect(String(read)).toMatch(says);
    expect(String(counted)).toMatch(says);
    expect(await hostile.calls()).toEqual([]);
  });

  test('an index of a partitioned table of his, on a partition of a superuser’s', async () => {
    await query(
      hostile.url,
      `CREATE SCHEMA mine; GRANT ALL ON SCHEMA mine TO tenant; CREATE TABLE mine.p (id int, v text) PARTITION BY RANGE (id);
       CREATE TABLE mine.t PARTITION OF mine.p DEFAULT; ALTER TABLE mine.p OWNER TO tenant;
       INSERT INTO mine.p SELECT g, repeat('x', 500) FROM generate_series(1, 20000) AS g`,
    );
    await query(hostile.tenant, trap('mine'));
    const { read, counted } = await readAfter('CREATE INDEX ON mine.p ((mine.trap(1) + id))');
    expect(String(read)).toMatch(/mine\.t: given an index/);
    expect(String(counted)).toMatch(/mine\.t: given an index/);
    expect(await hostile.calls()).toEqual([]);
  });

  test('statistics that come while he keeps an index locked, for which a plan would wait', async () => {
    await query(
      hostile.tenant,
      `CREATE SCHEMA mine; ${trap('mine')}; ${large('mine.t')}; CREATE INDEX i ON mine.t (id)`,
    );
    const tenant = await connect(hostile.tenant);
    await tenant.query(
      'BEGIN; REINDEX INDEX mine.i; CREATE STATISTICS mine.s ON (mine.trap(1) + id), id FROM mine.t',
    );
    await hostile.forget();
    const reading = readAfter('SELECT');
    await sleep(500);
    await tenant.query('COMMIT');
    await tenant.end();
    expect(String((await reading).read)).toMatch(/mine\.t: given an index or statistics/);
    expect(await hostile.calls()).toEqual([]);
  });

  test('and a table of his is read and counted by several workers, as any other', async () => {
    await query(hostile.tenant, `CREATE SCHEMA mine; ${large('mine.t')}; ${large('mine.u')}`);
    await backUp(hostile.url, '--jobs', '4');
    await query(hostile.url, `INSERT INTO public.orders (v) VALUES ('new')`);
    await backUp(hostile.url, '--jobs', '4', '--backup-type', 'incremental', '--recheck', '100%');
  });

  test('and a table of a superuser, or of the role itself, is read in one trip as ever', async () => {
    await query(hostile.url, `CREATE SCHEMA mine; ${large('mine.t')}`);
    const { read, counted } = await readAfter('SELECT');
    expect(read).toHaveLength(5);
    expect((counted as Map<unknown, unknown>).size).toBe(5);
  });

  test.each(['fresh', 'called'])('a table that has taken the name of a %s sequence', async (name) => {
    await query(
      hostile.tenant,
      `CREATE SCHEMA mine; ${trap('mine')}; CREATE SEQUENCE mine.fresh; CREATE SEQUENCE mine.called; SELECT nextval('mine.called')`,
    );
    const session = await openSession(settings());
    await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await session.query('SELECT FROM pg_class');
    await query(
      hostile.tenant,
      `ALTER SEQUENCE mine.${name} RENAME TO old; CREATE TABLE mine.${name} (last_value bigint, is_called boolean);
       CREATE INDEX ON mine.${name} ((mine.trap(1) + last_value))`,
    );
    await hostile.forget();
    await expect(readSequences(session)).rejects.toThrow(`sequence "mine"."${name}": renamed or dropped`);
    session.destroy();
    expect(await hostile.calls()).toEqual([]);
  });

  test('and sequences that were read cannot be renamed before pg_dump has read them, too', async () => {
    await query(
      hostile.tenant,
      `CREATE SCHEMA mine; CREATE SEQUENCE mine.s; SELECT setval('mine.s', 7, false)`,
    );
    const session = await openSession(settings());
    const values = await openSession(settings());
    await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const own = (await readSequences(session, values)).filter(({ schema }) => schema === 'mine');
    expect(own).toEqual([{ schema: 'mine', name: 's', lastValue: '7', isCalled: false }]);
    await expect(
      query(hostile.tenant, `SET lock_timeout = 100; ALTER SEQUENCE mine.s RENAME TO old`),
    ).rejects.toThrow(/lock timeout/);
    // What does not rename them goes on: who waited for it would have all others wait.
    await query(hostile.tenant, 'SET lock_timeout = 100; ALTER SEQUENCE mine.s RESTART 9');
    session.destroy();
    values.destroy();
  });
});

describe('before a restore begins', () => {
  test(
    'a dry run calls nothing of a tenant of the target, and writes nothing',
    async () => {
      await query(
        hostile.url,
        `CREATE SCHEMA mine; CREATE TABLE mine.t (id int PRIMARY KEY, v text); INSERT INTO mine.t VALUES (1, 'x')`,
      );
      await backUp(hostile.url);
      const target = await createHostileDatabase(cluster, `target_${made}`);
      await query(
        target.tenant,
        `CREATE SCHEMA mine; ${trap('mine')}; CREATE TABLE mine.t (id int PRIMARY KEY, v text, CHECK (mine.trap(1) + id > 0));
         INSERT INTO mine.t VALUES (1, 'y'), (2, 'z'); CREATE INDEX ON mine.t ((mine.trap(1) + id));
         CREATE RULE r AS ON DELETE TO mine.t DO ALSO SELECT mine.trap(7);
         CREATE SCHEMA auth; CREATE TABLE auth.users (id int); CREATE INDEX ON auth.users ((mine.trap(1) + id));
         CREATE SCHEMA storage; CREATE TABLE storage.objects (id int); CREATE INDEX ON storage.objects ((mine.trap(1) + id))`,
      );
      await target.forget();
      const readPosition = () =>
        query(target.url, 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax');
      const before = await readPosition();
      const asked = ['--include', 'mine.t'];
      for (const words of [[], ['--clean'], asked, [...asked, '--clean'], [...asked, '--side-schema', 's']]) {
        const run = await runCli(['restore', '--dry-run', '--storage', join(folder, `${made}`), ...words], {
          env: { SUPABASE_BACKUP_TARGET_URL: target.url },
        });
        expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      }
      expect(await target.calls()).toEqual([]);
      expect(await readPosition()).toEqual(before);
    },
    minute,
  );
});
