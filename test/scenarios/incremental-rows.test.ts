import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { connect, until } from '../postgres/database.ts';
import { type Cluster, findServers, startCluster } from '../support/cluster.ts';
import { startCli } from '../support/run-cli.ts';
import { Ladder, type LadderServer } from './ladder.ts';
import { expectRefusal } from './refusal.ts';
import { listBackups } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What may happen to rows between two backups. The numbers are those of the list of ways in which an incremental backup can be wrong
 * (docs/incremental.md). Each test changes the database, takes an incremental backup upon the one before and restores it.
 */

const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;

/** About 12 MiB, three ranges of 512 pages: 8 rows in a page. `calm` is never changed. */
const seed = `
  CREATE TABLE calm (id int PRIMARY KEY, text text);
  INSERT INTO calm SELECT n, md5(n::text) FROM generate_series(1, 3000) n;
  CREATE TABLE bulk (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, pad text);
  INSERT INTO bulk SELECT n, 0, repeat(md5(n::text), 30) FROM generate_series(1, 12000) n;
  CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
  CREATE TABLE toasted (id int PRIMARY KEY, n int, big text, other text);
  ALTER TABLE toasted ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTENDED;
  INSERT INTO toasted SELECT n, 0, repeat(md5(n::text), 300), repeat('x' || n, 20000) FROM generate_series(1, 30) n;
  CREATE TABLE pending (id int PRIMARY KEY, text text);
  INSERT INTO pending SELECT n, 'row ' || n FROM generate_series(1, 100) n;
  CREATE TABLE frozen (id int, text text);
  CREATE TABLE goes (id int); INSERT INTO goes VALUES (1);
  CREATE TABLE again (id int, text text); INSERT INTO again SELECT n, 'first' FROM generate_series(1, 50) n;
  CREATE TABLE widened (id int, text text); INSERT INTO widened SELECT n, 'w' FROM generate_series(1, 50) n;
  CREATE TABLE logged (id int, text text); INSERT INTO logged SELECT n, 'l' FROM generate_series(1, 50) n;
  CREATE UNLOGGED TABLE unlogged (id int, text text); INSERT INTO unlogged SELECT n, 'u' FROM generate_series(1, 50) n;
  CREATE TABLE truncated (id int, text text); INSERT INTO truncated SELECT n, 't' FROM generate_series(1, 50) n;
  CREATE TABLE parts (id int, at int, text text) PARTITION BY RANGE (at);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
  INSERT INTO parts SELECT n, n, 'p' || n FROM generate_series(0, 199) n;
  CREATE TABLE family (id int, text text); INSERT INTO family SELECT n, 'f' FROM generate_series(1, 50) n;
  CREATE TABLE child () INHERITS (family); INSERT INTO child SELECT n, 'c' FROM generate_series(1, 50) n;
  CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM log;
  CREATE SEQUENCE alone;
  SELECT nextval('alone');
  SELECT lo_from_bytea(4711, 'first');
  CREATE TABLE secret (id int, text text); INSERT INTO secret SELECT n, 's' FROM generate_series(1, 50) n;`;

function describeRows(start: () => Promise<LadderServer & { own: boolean }>, close?: () => Promise<void>) {
  let server: LadderServer & { own: boolean };
  let ladder: Ladder;
  const database = `rows_${process.pid}`;
  const change = (sql: string) => query(ladder.source, sql);
  const sessions: pg.Client[] = [];
  const open = async () => {
    const session = await connect(ladder.source);
    sessions.push(session);
    return session;
  };

  beforeAll(async () => {
    server = await start();
    ladder = new Ladder(server, await createDatabase(server.superuserUrl, database));
    await change(seed);
    await ladder.take('full');
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.end();
  });
  afterAll(async () => {
    ladder?.[Symbol.dispose]();
    await close?.();
  });

  const everything = ['calm', 'bulk', 'toasted', 'pending', 'again', 'parts_1', 'parts_2', 'family', 'child'];

  test('the first one takes over everything but the table that changed', async () => {
    await change("INSERT INTO log (what) VALUES ('first')");
    const rung = await ladder.climb({ read: ['log', 'unlogged'], reused: everything });
    expect(rung.outputs['reused-share']).toBeGreaterThan(0.99);
    expect(rung.manifest.tables.find(({ name }) => name === 'bulk')?.ranges.length).toBeGreaterThan(2);
  });

  test('#2 #23 VACUUM, an aggressive one, freezing, ANALYZE and REINDEX change nothing', async () => {
    await change("INSERT INTO log (what) VALUES ('vacuum')");
    for (const sql of ['VACUUM', 'VACUUM (FREEZE, DISABLE_PAGE_SKIPPING)', 'ANALYZE', 'REINDEX TABLE bulk'])
      await change(sql);
    const [row] = await query(
      ladder.source,
      'SELECT relfrozenxid::text FROM pg_class WHERE oid = $1::regclass',
      ['bulk'],
    );
    const rung = await ladder.climb({ read: ['log'], reused: everything });
    expect(rung.outputs['reused-share']).toBeGreaterThan(0.99);
    expect(row).toBeDefined();
  });

  test('rows updated, inserted and deleted in one place cost their ranges only', async () => {
    await change(`UPDATE bulk SET n = n + 1 WHERE id BETWEEN 100 AND 110;
                  DELETE FROM bulk WHERE id BETWEEN 200 AND 203; INSERT INTO bulk VALUES (20001, 1, 'new')`);
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
  });

  test('rows deleted and nothing else', async () => {
    await change('DELETE FROM bulk WHERE id BETWEEN 6000 AND 6003');
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
  });

  test('rows deleted and as many inserted', async () => {
    await change('VACUUM bulk');
    await change(`DELETE FROM bulk WHERE id BETWEEN 6100 AND 6107`);
    await change('VACUUM bulk');
    await change(
      `INSERT INTO bulk SELECT n + 30000, 2, repeat(md5(n::text), 30) FROM generate_series(1, 8) n`,
    );
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
  });

  test('#24 a row is deleted and another one put into its very place', async () => {
    await change("CREATE TABLE slots AS SELECT n AS id, 'first' AS text FROM generate_series(1, 50) n");
    await ladder.step({ read: ['slots'] });
    await change("INSERT INTO log (what) VALUES ('so that it is counted')");
    await ladder.step({ reused: ['slots'] });
    const [then] = await change('SELECT ctid::text FROM slots WHERE id = 25');
    await change('DELETE FROM slots WHERE id = 25');
    await change('VACUUM slots');
    await change("INSERT INTO slots VALUES (25, 'other')");
    expect(await change('SELECT ctid::text FROM slots WHERE id = 25')).toEqual([then]);
    await ladder.climb({ read: ['slots'], reused: ['calm'] });
  });

  test('#3 VACUUM FULL after deletes keeps the numbers of rows and moves them', async () => {
    await change('DELETE FROM bulk WHERE id <= 1000');
    await change('VACUUM FULL bulk');
    await ladder.climb({ read: ['bulk'], reused: ['calm'] });
  });

  test('#3 CLUSTER keeps the numbers of rows and moves them', async () => {
    await change('CREATE INDEX by_digest ON bulk (md5(id::text))');
    await ladder.step({ reused: ['bulk', 'calm'] });
    await change('CLUSTER bulk USING by_digest');
    await ladder.climb({ read: ['bulk'], reused: ['calm'] });
  });

  test('#4 a rewriting ALTER, SET LOGGED, SET UNLOGGED and TRUNCATE make new files', async () => {
    await change('ALTER TABLE widened ALTER id TYPE bigint');
    await change('ALTER TABLE logged SET UNLOGGED');
    await change('ALTER TABLE unlogged SET LOGGED');
    await change("TRUNCATE truncated; INSERT INTO truncated SELECT n, 'again' FROM generate_series(1, 50) n");
    await ladder.climb({ read: ['widened', 'logged', 'unlogged', 'truncated'], reused: ['calm'] });
    await change('ALTER TABLE logged SET LOGGED');
    await ladder.climb({ read: ['logged'], reused: ['unlogged', 'widened', 'calm'] });
  });

  test('#4 a table truncated and left empty', async () => {
    await change('TRUNCATE truncated');
    const rung = await ladder.climb({ read: ['truncated'], reused: ['calm'] });
    expect(rung.manifest.tables.find(({ name }) => name === 'truncated')?.rows).toBe(0);
  });

  test('#13 values out of line: changed, unchanged beside a changed column, and compressed', async () => {
    await ladder.step({ reused: ['toasted'] });
    await change('UPDATE toasted SET n = 1 WHERE id = 1');
    await ladder.climb({ read: ['toasted'], reused: ['calm'] });
    await change(`UPDATE toasted SET big = overlay(big PLACING 'CHANGED' FROM 5000) WHERE id = 2`);
    await ladder.climb({ read: ['toasted'], reused: ['calm'] });
    await change(`UPDATE toasted SET other = other || 'end' WHERE id = 3`);
    await ladder.climb({ read: ['toasted'], reused: ['calm'] });
  });

  test('#24 a transaction under way at the base that commits later', async () => {
    const writer = await open();
    await writer.query(`BEGIN; INSERT INTO pending VALUES (1001, 'late'); UPDATE pending SET text = 'late' WHERE id = 7;
                        DELETE FROM pending WHERE id = 8`);
    await ladder.climb({ reused: ['pending', 'calm'] });
    await writer.query('COMMIT');
    await ladder.climb({ read: ['pending'], reused: ['calm'] });

    await writer.query('BEGIN; DELETE FROM pending WHERE id = 9');
    await ladder.step({ reused: ['calm'] });
    await writer.query('COMMIT');
    await ladder.climb({ read: ['pending'], reused: ['calm'] });
  });

  test('#24 a transaction under way at the base that is rolled back', async () => {
    const writer = await open();
    await writer.query(
      `BEGIN; INSERT INTO pending VALUES (1002, 'never'); DELETE FROM pending WHERE id = 10`,
    );
    await ladder.step({ reused: ['pending', 'calm'] });
    await writer.query('ROLLBACK');
    await ladder.climb({ reused: ['pending', 'calm'] });
  });

  test('#25 row locks of all strengths and multixacts change nothing', async () => {
    await change("INSERT INTO log (what) VALUES ('locks')");
    const lockers = [await open(), await open()];
    for (const locker of lockers) await locker.query('BEGIN; SELECT FROM pending WHERE id < 50 FOR SHARE');
    for (const locker of lockers)
      await locker.query('COMMIT; BEGIN; SELECT FROM pending WHERE id < 50 FOR KEY SHARE');
    await lockers[0]?.query('SELECT FROM pending WHERE id > 60 FOR UPDATE');
    await ladder.step({ reused: ['pending', 'calm'] });
    for (const locker of lockers) await locker.query('COMMIT');
    const [row] = await query(ladder.source, 'SELECT count(*)::int FROM pending WHERE xmax <> 0');
    expect(row?.count, 'locks were left in the rows').toBeGreaterThan(0);
    await ladder.climb({ reused: ['pending', 'calm'] });
  });

  test('#25 a row that is locked by one and updated by another', async () => {
    const locker = await open();
    await locker.query('BEGIN; SELECT FROM pending WHERE id = 20 FOR KEY SHARE');
    await change("UPDATE pending SET text = 'beside a lock' WHERE id = 20");
    await locker.query('COMMIT');
    await ladder.climb({ read: ['pending'], reused: ['calm'] });
  });

  test('#26 a transaction prepared before the base and committed after it', async ({ skip }) => {
    const [setting] = await query(ladder.source, 'SHOW max_prepared_transactions');
    if (setting?.max_prepared_transactions === '0') skip('the server has max_prepared_transactions = 0');
    await change(`BEGIN; INSERT INTO pending VALUES (1003, 'prepared'); DELETE FROM pending WHERE id = 30;
                  PREPARE TRANSACTION 'ladder'`);
    await ladder.climb({ reused: ['pending', 'calm'] });
    await change("COMMIT PREPARED 'ladder'");
    await ladder.climb({ read: ['pending'], reused: ['calm'] });
  });

  test('#27 subtransactions, some rolled back, more than a snapshot remembers', async () => {
    const writer = await open();
    await writer.query('BEGIN');
    for (let n = 0; n < 100; n++) {
      await writer.query(`SAVEPOINT s; UPDATE pending SET text = 'sub ${n}' WHERE id = ${40 + (n % 20)}`);
      await writer.query(n % 3 === 0 ? 'ROLLBACK TO s' : 'RELEASE s');
    }
    await ladder.climb({ reused: ['pending', 'calm'] });
    await writer.query('COMMIT');
    await ladder.climb({ read: ['pending'], reused: ['calm'] });
  });

  test('#36 a table grows, shrinks at its end and grows again', async () => {
    await change(
      `INSERT INTO bulk SELECT n, 3, repeat(md5(n::text), 30) FROM generate_series(40001, 46000) n`,
    );
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
    const [before] = await query(ladder.source, "SELECT pg_relation_size('bulk')::int AS size");
    await change(`DELETE FROM bulk WHERE ctid >= '(1000,0)'`);
    await change('VACUUM bulk');
    const [after] = await query(ladder.source, "SELECT pg_relation_size('bulk')::int AS size");
    expect(after?.size).toBeLessThan(before?.size);
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
    await change(
      `INSERT INTO bulk SELECT n, 4, repeat(md5(n::text), 30) FROM generate_series(50001, 53000) n`,
    );
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
    await change('DELETE FROM bulk');
    await change('VACUUM bulk');
    await ladder.climb({ reused: ['calm'] });
    await change(`INSERT INTO bulk SELECT n, 5, repeat(md5(n::text), 30) FROM generate_series(1, 12000) n`);
    await ladder.climb({ partly: ['bulk'], reused: ['calm'] });
  });

  test('#38 COPY FREEZE', async () => {
    await change(
      `BEGIN; TRUNCATE frozen; COPY frozen FROM PROGRAM 'seq 1 500 | sed "s/$/\\tone/"' WITH (FREEZE); COMMIT`,
    );
    await ladder.climb({ read: ['frozen'], reused: ['calm'] });
    await change("INSERT INTO log (what) VALUES ('frozen')");
    await ladder.step({ reused: ['frozen', 'calm'] });
    await change(
      `BEGIN; TRUNCATE frozen; COPY frozen FROM PROGRAM 'seq 1 500 | sed "s/$/\\ttwo/"' WITH (FREEZE); COMMIT`,
    );
    await ladder.climb({ read: ['frozen'], reused: ['calm'] });
  });

  test('#34 tables made, dropped, and made again under their name', async () => {
    await change(`CREATE TABLE fresh AS SELECT n AS id FROM generate_series(1, 100) n;
                  DROP TABLE goes;
                  DROP TABLE again; CREATE TABLE again (id int, text text);
                  INSERT INTO again SELECT n, 'second' FROM generate_series(1, 50) n`);
    const rung = await ladder.climb({ read: ['fresh', 'again'], reused: ['calm'] });
    expect(rung.manifest.tables.map(({ name }) => name)).not.toContain('goes');
  });

  test('a table and a schema are renamed: the rows are where they were', async () => {
    await change(
      'ALTER TABLE fresh RENAME TO renamed; CREATE SCHEMA away; ALTER TABLE renamed SET SCHEMA away',
    );
    await ladder.climb({ reused: ['calm'] });
  });

  test('#16 partitions attached, detached and moved between, and inheritance taken up and given up', async () => {
    await change(
      `CREATE TABLE parts_3 (LIKE parts); INSERT INTO parts_3 SELECT n, n, 'p' || n FROM generate_series(200, 299) n`,
    );
    await ladder.step({ read: ['parts_3'], reused: ['parts_1'] });
    await change(`ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM (200) TO (300)`);
    await ladder.climb({ reused: ['parts_1', 'parts_2', 'calm'] });
    await change(`ALTER TABLE parts DETACH PARTITION parts_1; ALTER TABLE child NO INHERIT family;
                  UPDATE parts SET at = at + 100 WHERE at BETWEEN 150 AND 160`);
    await ladder.climb({ read: ['parts_2', 'parts_3'], reused: ['parts_1', 'family', 'calm'] });
    await change(`ALTER TABLE child INHERIT family; UPDATE child SET text = 'changed' WHERE id = 1`);
    await ladder.climb({ read: ['child'], reused: ['family', 'calm'] });
  });

  test('#17 a materialized view is refreshed, a foreign table is another’s', async () => {
    await change(`INSERT INTO log (what) VALUES ('matview'); REFRESH MATERIALIZED VIEW counted;
                  CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
                  CREATE FOREIGN TABLE elsewhere (line text) SERVER files OPTIONS (filename '/etc/hostname')`);
    const rung = await ladder.climb({ read: ['log'], reused: ['calm'] });
    expect(rung.manifest.tables.map(({ name }) => name)).not.toContain('elsewhere');
    const target = await ladder.restore();
    expect(await query(target, 'SELECT * FROM counted')).toEqual(
      await query(ladder.source, 'SELECT * FROM counted'),
    );
    await change('DROP EXTENSION file_fdw CASCADE');
  });

  test('#18 a sequence moves and no row does', async () => {
    // The first call after a checkpoint is logged, and takes a transaction number for that.
    await change("SELECT nextval('alone')");
    await ladder.take('incremental');
    const [before] = await query(
      ladder.source,
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax',
    );
    await change("SELECT nextval('alone'), nextval('alone')");
    const [after] = await query(
      ladder.source,
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax',
    );
    if (server.own) expect(after, 'no transaction number was assigned').toEqual(before);
    const rung = await ladder.take('incremental');
    expect(rung.manifest.kind).toBe('incremental');
    if (server.own) expect(rung.outputs['reused-share']).toBe(1);
    await ladder.expectRestored();
    const [state] = await query(await ladder.restore(), 'SELECT last_value::int FROM alone');
    expect(state?.last_value).toBe(4);
  });

  test('#19 large objects written, made and removed', async () => {
    await change("SELECT lo_put(4711, 2, 'XX')");
    await ladder.climb({ reused: ['calm'] });
    await change("SELECT lo_from_bytea(4712, 'second')");
    await ladder.climb({ reused: ['calm'] });
    await change('SELECT lo_unlink(4711)');
    await ladder.climb({ reused: ['calm'] });
  });

  test('#20 #40 a role from which rows or columns are hidden gets no backup instead of a part of one', async () => {
    await change(`CREATE ROLE limited_${process.pid} LOGIN PASSWORD 'limited';
                  GRANT pg_read_all_data TO limited_${process.pid};
                  ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON secret USING (id < 10)`);
    const limited = reconnect(ladder.source, { user: `limited_${process.pid}`, password: 'limited' });
    const before = listBackups(ladder.storage);
    const refuse = async (says: RegExp) => {
      const run = await startCli(
        ['backup', '--storage', ladder.storage, '--client-path', server.bin, '--backup-type', 'incremental'],
        { env: { SUPABASE_BACKUP_DATABASE_URL: limited } },
      ).finished;
      expectRefusal(run, { exitCode: 1, says });
      expect(listBackups(ladder.storage)).toEqual(before);
    };
    await refuse(/public\.secret/);
    await change(`ALTER TABLE secret DISABLE ROW LEVEL SECURITY; DROP POLICY few ON secret;
                  REVOKE pg_read_all_data FROM limited_${process.pid};
                  GRANT SELECT ON ALL TABLES IN SCHEMA public, away TO limited_${process.pid};
                  REVOKE SELECT ON secret FROM limited_${process.pid}; GRANT SELECT (id) ON secret TO limited_${process.pid};
                  GRANT USAGE ON SCHEMA away TO limited_${process.pid}`);
    await refuse(/public\.secret/);
    await change(`DROP OWNED BY limited_${process.pid}; DROP ROLE limited_${process.pid}`);
    await ladder.climb({ reused: ['calm', 'secret'] });
  });

  test('#28 rows made visible and invisible by pg_surgery, as many as before', async ({ skip }) => {
    const [found] = await query(
      ladder.source,
      "SELECT FROM pg_available_extensions WHERE name = 'pg_surgery'",
    );
    if (found === undefined) skip('the contrib module pg_surgery is not installed');
    await change('CREATE EXTENSION pg_surgery; CREATE TABLE operated (id int, text text)');
    await change("INSERT INTO operated SELECT n, 'text ' || n FROM generate_series(1, 50) n");
    const [dead] = await query(ladder.source, 'SELECT ctid::text FROM operated WHERE id = 10');
    await change('DELETE FROM operated WHERE id = 10');
    await ladder.step({ read: ['operated'] });
    await change("INSERT INTO log (what) VALUES ('so that it is counted')");
    await ladder.step({ reused: ['operated'] });
    // Surgery takes no transaction number; the whole database would pass for idle.
    await change("INSERT INTO log (what) VALUES ('so that it is counted')");
    // The deleted row comes back with a frozen number, and another one goes: neither is written by a transaction of now.
    await change(`SELECT heap_force_freeze('operated', ARRAY['${dead?.ctid}']::tid[])`);
    await change(`SELECT heap_force_kill('operated', ARRAY(SELECT ctid FROM operated WHERE id = 20))`);
    const [count] = await query(ladder.source, 'SELECT count(*)::int FROM operated');
    expect(count).toEqual({ count: 49 });
    await ladder.climb({ read: ['operated'], reused: ['calm'] });
    await change('DROP EXTENSION pg_surgery');
  });

  test('#35 TRUNCATE between the snapshot and the lock', async () => {
    const migration = await open();
    await migration.query("BEGIN; TRUNCATE pending; INSERT INTO pending VALUES (1, 'after')");
    const running = ladder.take('incremental');
    await until(async () => {
      const waiting = await query(
        ladder.source,
        "SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name = 'supabase-backup'",
      );
      return waiting.length > 0;
    });
    await migration.query('COMMIT');
    const rung = await running;
    expect(rung.run.stderr).toContain('taking a new snapshot');
    expect(rung.manifest.tables.find(({ name }) => name === 'pending')?.rows).toBe(1);
    await ladder.expectRestored();
  });

  test('#41 time limits of the role and of the database do not end the session that holds the snapshot', async () => {
    const [role] = await query(ladder.source, 'SELECT current_user AS name');
    const settings = ['statement_timeout', 'idle_in_transaction_session_timeout'];
    for (const setting of settings)
      await change(
        `ALTER ROLE ${pg.escapeIdentifier(role?.name)} IN DATABASE ${database} SET ${setting} = '30ms'`,
      );
    const rung = await ladder.step({ reused: ['calm'] });
    expect(rung.manifest.kind).toBe('incremental');
    for (const setting of settings)
      await query(
        server.superuserUrl,
        `ALTER ROLE ${pg.escapeIdentifier(role?.name)} IN DATABASE ${database} RESET ${setting}`,
      );
    await ladder.expectRestored();
  });

  test('the last one still holds what it took over from the first', async () => {
    const ids = listBackups(ladder.storage);
    const first = ladder.readManifest(ids[0] ?? '');
    const calm = (manifest: typeof first) => {
      const [piece] = manifest.tables.find(({ name }) => name === 'calm')?.ranges[0]?.pieces ?? [];
      return manifest.objects[piece?.object ?? -1]?.name;
    };
    expect(calm(ladder.readManifest(ids.at(-1) ?? ''))).toBe(calm(first));
    expect(calm(first)).toBeDefined();
  });
}

const clusters: Cluster[] = [];
afterAll(async () => {
  for (const cluster of clusters) await cluster.stop();
});

for (const { major } of await findServers()) {
  describe(`PostgreSQL ${major}`, () => {
    describeRows(async () => {
      const cluster = await startCluster({ major, settings: { autovacuum: 'off' } });
      clusters.push(cluster);
      return { superuserUrl: cluster.superuserUrl(), bin: cluster.binFolder, own: true };
    });
  });
}

describe.skipIf(TESTBED_PG17_URL === undefined)('PostgreSQL 17 of the testbed', () => {
  const superuserUrl = TESTBED_PG17_URL ?? '';
  describeRows(
    async () => ({ superuserUrl, bin: TESTBED_PG17_BIN ?? '', own: false }),
    () =>
      query(superuserUrl, `DROP DATABASE IF EXISTS rows_${process.pid} WITH (FORCE)`).then(() => undefined),
  );
});
