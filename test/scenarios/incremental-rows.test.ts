import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { connect, until } from '../postgres/database.ts';
import { type Cluster, findServers, startCluster } from '../support/cluster.ts';
import { startCli } from '../support/run-cli.ts';
import { Ladder, type LadderServer, type Rung } from './ladder.ts';
import { expectRefusal } from './refusal.ts';
import { listBackups } from './repository-folder.ts';
import { type Case, describeTogether } from './rounds.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What may happen to rows between two backups. The numbers are those of the list of ways in which an incremental backup can be wrong
 * (docs/incremental.md). Each case changes tables of its own, and is restored from an incremental backup upon the one before.
 */

const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;

/** A table of two ranges, the first of 256 pages, which are filled with seven rows each and no further. */
const spread = (name: string, rows = 3000) => `
  CREATE TABLE ${name} (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, pad text) WITH (fillfactor = 10);
  INSERT INTO ${name} SELECT n, 0, repeat(md5(n::text), 2) FROM generate_series(1, ${rows}) n;`;
const small = (name: string, rows = 50) => `
  CREATE TABLE ${name} (id int, text text); INSERT INTO ${name} SELECT n, 'row ' || n FROM generate_series(1, ${rows}) n;`;
const toasted = (name: string) => `
  CREATE TABLE ${name} (id int PRIMARY KEY, n int, big text, other text);
  ALTER TABLE ${name} ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTENDED;
  INSERT INTO ${name} SELECT n, 0, repeat(md5(n::text), 300), repeat('x' || n, 20000) FROM generate_series(1, 30) n;`;

const several = ['changed', 'deleted', 'vacuumed', 'clustered', 'grows', 'emptied'];
const outOfLine = ['toasted_1', 'toasted_2', 'toasted_3'];
const underWay = ['late', 'never', 'locked', 'locked_by_one', 'prepared', 'nested', 'replaced'];
const others = ['again', 'widened', 'logged', 'truncated', 'left_empty', 'secret'];

/** `calm` is never changed. `refilled` has two ranges, too, and eight rows in each page, which is full. */
const seed = `
  CREATE TABLE calm (id int PRIMARY KEY, text text);
  INSERT INTO calm SELECT n, md5(n::text) FROM generate_series(1, 3000) n;
  ${several.map((name) => spread(name)).join('')}
  CREATE TABLE refilled (id int PRIMARY KEY, n int NOT NULL, pad text);
  INSERT INTO refilled SELECT n, 0, repeat(md5(n::text), 30) FROM generate_series(1, 3600) n;
  ${outOfLine.map(toasted).join('')}
  ${underWay.map((name) => small(name, 100)).join('')}
  ${others.map((name) => small(name)).join('')}
  CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
  CREATE TABLE frozen (id int, text text);
  CREATE TABLE goes (id int); INSERT INTO goes VALUES (1);
  CREATE UNLOGGED TABLE unlogged (id int, text text); INSERT INTO unlogged SELECT n, 'u' FROM generate_series(1, 50) n;
  CREATE TABLE parts (id int, at int, text text) PARTITION BY RANGE (at);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
  CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
  INSERT INTO parts SELECT n, n, 'p' || n FROM generate_series(0, 199) n;
  ${small('family')}
  CREATE TABLE child () INHERITS (family); INSERT INTO child SELECT n, 'c' FROM generate_series(1, 50) n;
  CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM log;
  CREATE SEQUENCE alone;
  SELECT nextval('alone');
  SELECT lo_from_bytea(4711, 'first');`;

interface RowsServer extends LadderServer {
  /** Nobody else writes to it */
  readonly own: boolean;
}

/** @param whole without it, only what happens to tables: what other sessions do and what no row shows is tried on one server */
function describeRows(
  start: () => Promise<RowsServer>,
  { whole }: { whole: boolean },
  close?: () => Promise<void>,
) {
  let server: RowsServer;
  let ladder: Ladder;
  const database = `rows_${process.pid}`;
  const change = (sql: string) => query(ladder.source, sql);
  const sessions: pg.Client[] = [];
  const open = async () => {
    const session = await connect(ladder.source);
    sessions.push(session);
    return session;
  };
  const endSessions = async () => {
    for (const session of sessions.splice(0)) await session.end();
  };

  beforeAll(async () => {
    server = await start();
    ladder = new Ladder(server, await createDatabase(server.superuserUrl, database));
    await change(seed);
    await ladder.take('full');
  });
  afterAll(async () => {
    await endSessions();
    ladder?.[Symbol.dispose]();
    await close?.();
  });

  const everything = ['calm', 'refilled', ...several, ...outOfLine, ...underWay, ...others].concat(
    ...['parts_1', 'parts_2', 'family', 'child'],
  );

  test('the first one takes over everything but the table that changed', async () => {
    await change("INSERT INTO log (what) VALUES ('first')");
    const rung = await ladder.climb({ read: ['log', 'unlogged'], reused: everything });
    expect(rung.outputs['reused-share']).toBeGreaterThan(0.99);
    const ranges = [...several, 'refilled'].map(
      (name) => rung.manifest.tables.find((table) => table.name === name)?.ranges,
    );
    for (const each of ranges) expect(each?.length).toBe(2);
  });

  test('#2 #23 VACUUM, an aggressive one, freezing, ANALYZE and REINDEX change nothing', async () => {
    await change("INSERT INTO log (what) VALUES ('vacuum')");
    for (const sql of [
      'VACUUM',
      'VACUUM (FREEZE, DISABLE_PAGE_SKIPPING)',
      'ANALYZE',
      'REINDEX TABLE changed',
    ])
      await change(sql);
    const rung = await ladder.climb({ read: ['log'], reused: everything });
    expect(rung.outputs['reused-share']).toBeGreaterThan(0.99);
  });

  const placeOf = async (table: string, id: number) => {
    const [row] = await change(`SELECT ctid::text FROM ${table} WHERE id = ${id}`);
    return row?.ctid as string;
  };
  const sizeOf = async (table: string) => {
    const [row] = await change(`SELECT pg_relation_size('${table}')::int AS size`);
    return row?.size as number;
  };
  /** A table whose name is not in the manifest */
  const absent = (rung: Rung, table: string) =>
    expect(rung.manifest.tables.map(({ name }) => name)).not.toContain(table);

  const changes: Case[] = [
    {
      name: '#20 #40 a role from which rows or columns are hidden gets no backup instead of a part of one',
      rounds: [
        async () => {
          await refuseLimited();
          return { reused: ['calm', 'secret'] };
        },
      ],
    },
    {
      name: 'rows updated, inserted and deleted in one place cost their ranges only',
      rounds: [
        async () => {
          await change(`UPDATE changed SET n = n + 1 WHERE id BETWEEN 100 AND 110;
                        DELETE FROM changed WHERE id BETWEEN 200 AND 203; INSERT INTO changed VALUES (50, 1, 'new')
                        ON CONFLICT (id) DO UPDATE SET n = 1, pad = 'new'`);
          return { partly: ['changed'], reused: ['calm'] };
        },
      ],
    },
    {
      name: 'rows deleted and nothing else',
      rounds: [
        async () => {
          await change('DELETE FROM deleted WHERE id BETWEEN 1500 AND 1503');
          return { partly: ['deleted'], reused: ['calm'] };
        },
      ],
    },
    {
      name: 'rows deleted and as many inserted',
      rounds: [
        async () => {
          const size = await sizeOf('refilled');
          await change('DELETE FROM refilled WHERE ctid >= $$(100,0)$$ AND ctid < $$(101,0)$$');
          // Without INDEX_CLEANUP it leaves so few where they are, and forgets that their place is free.
          await change('VACUUM (INDEX_CLEANUP ON) refilled');
          await change(
            `INSERT INTO refilled SELECT n + 30000, 2, repeat(md5(n::text), 30) FROM generate_series(1, 8) n`,
          );
          expect(await sizeOf('refilled'), 'they took the place of those deleted').toBe(size);
          return { partly: ['refilled'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#24 a row is deleted and another one put into its very place',
      rounds: [
        async () => {
          await change("CREATE TABLE slots AS SELECT n AS id, 'first' AS text FROM generate_series(1, 50) n");
          return { read: ['slots'] };
        },
        async () => ({ reused: ['slots'] }),
        async () => {
          const then = await placeOf('slots', 25);
          await change('DELETE FROM slots WHERE id = 25');
          await change('VACUUM slots');
          await change("INSERT INTO slots VALUES (25, 'other')");
          expect(await placeOf('slots', 25)).toBe(then);
          return { read: ['slots'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#3 VACUUM FULL after deletes keeps the numbers of rows and moves them',
      rounds: [
        async () => {
          await change('DELETE FROM vacuumed WHERE id <= 1000');
          await change('VACUUM FULL vacuumed');
          return { read: ['vacuumed'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#3 CLUSTER keeps the numbers of rows and moves them',
      rounds: [
        async () => {
          await change('CREATE INDEX by_digest ON clustered (md5(id::text))');
          return { reused: ['clustered', 'calm'] };
        },
        async () => {
          await change('CLUSTER clustered USING by_digest');
          return { read: ['clustered'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#4 a rewriting ALTER, SET LOGGED, SET UNLOGGED and TRUNCATE make new files',
      rounds: [
        async () => {
          await change('ALTER TABLE widened ALTER id TYPE bigint');
          await change('ALTER TABLE logged SET UNLOGGED');
          await change('ALTER TABLE unlogged SET LOGGED');
          await change(
            "TRUNCATE truncated; INSERT INTO truncated SELECT n, 'again' FROM generate_series(1, 50) n",
          );
          return { read: ['widened', 'logged', 'unlogged', 'truncated'], reused: ['calm'] };
        },
        async () => {
          await change('ALTER TABLE logged SET LOGGED');
          return { read: ['logged'], reused: ['unlogged', 'widened', 'truncated', 'calm'] };
        },
      ],
    },
    {
      name: '#4 a table truncated and left empty',
      rounds: [
        async () => {
          await change('TRUNCATE left_empty');
          return {
            read: ['left_empty'],
            reused: ['calm'],
            check: ({ manifest }) =>
              expect(manifest.tables.find(({ name }) => name === 'left_empty')?.rows).toBe(0),
          };
        },
      ],
    },
    {
      name: '#13 values out of line: changed, unchanged beside a changed column, and compressed',
      rounds: [
        async () => ({ reused: outOfLine }),
        async () => {
          await change('UPDATE toasted_1 SET n = 1 WHERE id = 1');
          await change(`UPDATE toasted_2 SET big = overlay(big PLACING 'CHANGED' FROM 5000) WHERE id = 2`);
          await change(`UPDATE toasted_3 SET other = other || 'end' WHERE id = 3`);
          return { read: outOfLine, reused: ['calm'] };
        },
      ],
    },
    {
      name: '#25 a row that is locked by one and updated by another',
      rounds: [
        async () => {
          const locker = await open();
          await locker.query('BEGIN; SELECT FROM locked_by_one WHERE id = 20 FOR KEY SHARE');
          await change("UPDATE locked_by_one SET text = 'beside a lock' WHERE id = 20");
          await locker.query('COMMIT');
          return { read: ['locked_by_one'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#36 a table grows, shrinks at its end and grows again',
      rounds: [
        async () => {
          await change(
            'INSERT INTO grows SELECT n, 3, repeat(md5(n::text), 2) FROM generate_series(40001, 41500) n',
          );
          await change('DELETE FROM emptied');
          await change('VACUUM emptied');
          return { partly: ['grows'], reused: ['calm'] };
        },
        async () => {
          const before = await sizeOf('grows');
          await change(`DELETE FROM grows WHERE ctid >= '(300,0)'`);
          await change('VACUUM grows');
          expect(await sizeOf('grows')).toBeLessThan(before);
          await change(
            'INSERT INTO emptied SELECT n, 5, repeat(md5(n::text), 2) FROM generate_series(1, 1500) n',
          );
          return { partly: ['grows', 'emptied'], reused: ['calm'] };
        },
        async () => {
          await change(
            'INSERT INTO grows SELECT n, 4, repeat(md5(n::text), 2) FROM generate_series(50001, 51500) n',
          );
          return { partly: ['grows'], reused: ['emptied', 'calm'] };
        },
      ],
    },
    {
      name: '#38 COPY FREEZE',
      rounds: [
        async () => {
          await copyFrozen('one');
          return { read: ['frozen'], reused: ['calm'] };
        },
        async () => ({ reused: ['frozen', 'calm'] }),
        async () => {
          await copyFrozen('two');
          return { read: ['frozen'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#34 tables made, dropped, and made again under their name',
      rounds: [
        async () => {
          await change(`CREATE TABLE fresh AS SELECT n AS id FROM generate_series(1, 100) n;
                        DROP TABLE goes;
                        DROP TABLE again; CREATE TABLE again (id int, text text);
                        INSERT INTO again SELECT n, 'second' FROM generate_series(1, 50) n`);
          return { read: ['fresh', 'again'], reused: ['calm'], check: (rung) => absent(rung, 'goes') };
        },
      ],
    },
    {
      name: 'a table and a schema are renamed: the rows are where they were',
      rounds: [
        async () => {
          await change('CREATE TABLE moves AS SELECT n AS id FROM generate_series(1, 100) n');
          return { read: ['moves'] };
        },
        async () => {
          await change(
            'ALTER TABLE moves RENAME TO renamed; CREATE SCHEMA away; ALTER TABLE renamed SET SCHEMA away',
          );
          return { reused: ['calm'], check: (rung) => absent(rung, 'moves') };
        },
      ],
    },
    {
      name: '#16 partitions attached, detached and moved between, and inheritance taken up and given up',
      rounds: [
        async () => {
          await change(`CREATE TABLE parts_3 (LIKE parts);
                        INSERT INTO parts_3 SELECT n, n, 'p' || n FROM generate_series(200, 299) n`);
          return { read: ['parts_3'], reused: ['parts_1'] };
        },
        async () => {
          await change(`ALTER TABLE parts ATTACH PARTITION parts_3 FOR VALUES FROM (200) TO (300);
                        ALTER TABLE child NO INHERIT family`);
          return { reused: ['parts_1', 'parts_2', 'family', 'calm'] };
        },
        async () => {
          await change(`ALTER TABLE parts DETACH PARTITION parts_1;
                        UPDATE parts SET at = at + 100 WHERE at BETWEEN 150 AND 160;
                        ALTER TABLE child INHERIT family; UPDATE child SET text = 'changed' WHERE id = 1`);
          return { read: ['parts_2', 'parts_3', 'child'], reused: ['parts_1', 'family', 'calm'] };
        },
      ],
    },
    {
      name: '#17 a materialized view is refreshed, a foreign table is another’s',
      rounds: [
        async () => {
          await change(`INSERT INTO log (what) VALUES ('matview'); REFRESH MATERIALIZED VIEW counted;
                        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
                        CREATE FOREIGN TABLE elsewhere (line text) SERVER files OPTIONS (filename '/etc/hostname')`);
          return {
            read: ['log'],
            reused: ['calm'],
            check: async (rung, { target }) => {
              absent(rung, 'elsewhere');
              expect(await query(target, 'SELECT * FROM counted')).toEqual(
                await change('SELECT * FROM counted'),
              );
              await change('DROP EXTENSION file_fdw CASCADE');
            },
          };
        },
      ],
    },
    {
      name: '#19 large objects written, made and removed',
      rounds: [
        async () => {
          await change("SELECT lo_put(4711, 2, 'XX')");
          return { reused: ['calm'] };
        },
        async () => {
          await change("SELECT lo_from_bytea(4712, 'second')");
          return { reused: ['calm'] };
        },
        async () => {
          await change('SELECT lo_unlink(4711)');
          return { reused: ['calm'] };
        },
      ],
    },
    {
      name: '#28 rows made visible and invisible by pg_surgery, as many as before',
      skip: async () => {
        const found = await change("SELECT FROM pg_available_extensions WHERE name = 'pg_surgery'");
        return found.length > 0 ? undefined : 'the contrib module pg_surgery is not installed';
      },
      rounds: [
        async () => {
          await change('CREATE EXTENSION pg_surgery; CREATE TABLE operated (id int, text text)');
          await change("INSERT INTO operated SELECT n, 'text ' || n FROM generate_series(1, 50) n");
          dead = await placeOf('operated', 10);
          await change('DELETE FROM operated WHERE id = 10');
          return { read: ['operated'] };
        },
        async () => ({ reused: ['operated'] }),
        async () => {
          // Surgery takes no transaction number; the whole database would pass for idle.
          await change("INSERT INTO log (what) VALUES ('so that it is counted')");
          // The deleted row comes back with a frozen number, and another one goes: neither is written by a transaction of now.
          await change(`SELECT heap_force_freeze('operated', ARRAY['${dead}']::tid[])`);
          await change(`SELECT heap_force_kill('operated', ARRAY(SELECT ctid FROM operated WHERE id = 20))`);
          expect(await change('SELECT count(*)::int FROM operated')).toEqual([{ count: 49 }]);
          return {
            read: ['operated'],
            reused: ['calm'],
            check: () => change('DROP EXTENSION pg_surgery'),
          };
        },
      ],
    },
  ];
  let dead: string;

  const copyFrozen = (word: string) =>
    change(
      `BEGIN; TRUNCATE frozen; COPY frozen FROM PROGRAM 'seq 1 500 | sed "s/$/\\t${word}/"' WITH (FREEZE); COMMIT`,
    );

  async function refuseLimited(): Promise<void> {
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
                  GRANT SELECT ON ALL TABLES IN SCHEMA public TO limited_${process.pid};
                  REVOKE SELECT ON secret FROM limited_${process.pid};
                  GRANT SELECT (id) ON secret TO limited_${process.pid}`);
    await refuse(/public\.secret/);
    await change(`DROP OWNED BY limited_${process.pid}; DROP ROLE limited_${process.pid}`);
  }

  describeTogether('what is done to tables', () => ladder, changes);
  if (!whole) return;

  let writer: pg.Client;
  let second: pg.Client;
  let rolledBack: pg.Client;
  let lockers: pg.Client[];
  let nested: pg.Client;
  const transactions: Case[] = [
    {
      name: '#24 a transaction under way at the base that commits later',
      rounds: [
        async () => {
          writer = await open();
          await writer.query(`BEGIN; INSERT INTO late VALUES (1001, 'late'); UPDATE late SET text = 'late' WHERE id = 7;
                              DELETE FROM late WHERE id = 8`);
          return { reused: ['late', 'calm'] };
        },
        async () => {
          await writer.query('COMMIT');
          second = await open();
          await second.query('BEGIN; DELETE FROM late WHERE id = 9');
          return { read: ['late'], reused: ['calm'] };
        },
        async () => {
          await second.query('COMMIT');
          return { read: ['late'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#24 a transaction under way at the base that is rolled back',
      rounds: [
        async () => {
          rolledBack = await open();
          await rolledBack.query(
            `BEGIN; INSERT INTO never VALUES (1002, 'never'); DELETE FROM never WHERE id = 10`,
          );
          return { reused: ['never', 'calm'] };
        },
        async () => {
          await rolledBack.query('ROLLBACK');
          return { reused: ['never', 'calm'] };
        },
      ],
    },
    {
      name: '#25 row locks of all strengths and multixacts change nothing',
      rounds: [
        async () => {
          lockers = [await open(), await open()];
          for (const locker of lockers)
            await locker.query('BEGIN; SELECT FROM locked WHERE id < 50 FOR SHARE');
          for (const locker of lockers)
            await locker.query('COMMIT; BEGIN; SELECT FROM locked WHERE id < 50 FOR KEY SHARE');
          await lockers[0]?.query('SELECT FROM locked WHERE id > 60 FOR UPDATE');
          return { reused: ['locked', 'calm'] };
        },
        async () => {
          for (const locker of lockers) await locker.query('COMMIT');
          const [row] = await change('SELECT count(*)::int FROM locked WHERE xmax <> 0');
          expect(row?.count, 'locks were left in the rows').toBeGreaterThan(0);
          return { reused: ['locked', 'calm'] };
        },
      ],
    },
    {
      name: '#26 a transaction prepared before the base and committed after it',
      skip: async () => {
        const [setting] = await change('SHOW max_prepared_transactions');
        return setting?.max_prepared_transactions === '0'
          ? 'the server has max_prepared_transactions = 0'
          : undefined;
      },
      rounds: [
        async () => {
          await change(`BEGIN; INSERT INTO prepared VALUES (1003, 'prepared'); DELETE FROM prepared WHERE id = 30;
                        PREPARE TRANSACTION 'ladder'`);
          return { reused: ['prepared', 'calm'] };
        },
        async () => {
          await change("COMMIT PREPARED 'ladder'");
          return { read: ['prepared'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#27 subtransactions, some rolled back, more than a snapshot remembers',
      rounds: [
        async () => {
          nested = await open();
          await nested.query('BEGIN');
          for (let n = 0; n < 100; n++) {
            await nested.query(
              `SAVEPOINT s; UPDATE nested SET text = 'sub ${n}' WHERE id = ${40 + (n % 20)}`,
            );
            await nested.query(n % 3 === 0 ? 'ROLLBACK TO s' : 'RELEASE s');
          }
          return { reused: ['nested', 'calm'] };
        },
        async () => {
          await nested.query('COMMIT');
          return { read: ['nested'], reused: ['calm'] };
        },
      ],
    },
  ];
  describeTogether('transactions under way', () => ladder, transactions);

  test('#18 a sequence moves and no row does', async () => {
    await endSessions();
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
    let restored = '';
    await ladder.expectRestored(async (target) => {
      restored = target;
    });
    const [state] = await query(restored, 'SELECT last_value::int FROM alone');
    expect(state?.last_value).toBe(4);
  });

  test('#35 TRUNCATE between the snapshot and the lock', async () => {
    const migration = await open();
    await migration.query("BEGIN; TRUNCATE replaced; INSERT INTO replaced VALUES (1, 'after')");
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
    expect(rung.manifest.tables.find(({ name }) => name === 'replaced')?.rows).toBe(1);
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

const servers = await findServers();
for (const { major } of servers) {
  describe(`PostgreSQL ${major}`, () => {
    describeRows(
      async () => {
        const cluster = await startCluster({ major, settings: { autovacuum: 'off' } });
        clusters.push(cluster);
        return { superuserUrl: cluster.superuserUrl(), bin: cluster.binFolder, own: true };
      },
      { whole: major === servers[0]?.major },
    );
  });
}

describe.skipIf(TESTBED_PG17_URL === undefined)('PostgreSQL 17 of the testbed', () => {
  const superuserUrl = TESTBED_PG17_URL ?? '';
  describeRows(
    async () => ({ superuserUrl, bin: TESTBED_PG17_BIN ?? '', own: false }),
    { whole: servers.length === 0 },
    () =>
      query(superuserUrl, `DROP DATABASE IF EXISTS rows_${process.pid} WITH (FORCE)`).then(() => undefined),
  );
});
