import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect, until } from '../postgres/database.ts';
import { type Cluster, findServers, startCluster } from '../support/cluster.ts';
import { Ladder, type LadderServer } from './ladder.ts';
import { expectRefusal } from './refusal.ts';
import { listBackups } from './repository-folder.ts';
import { describeTogether } from './rounds.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What changes the text of rows that nobody writes: columns, types, settings, extensions. The numbers are those of the list of ways in
 * which an incremental backup can be wrong (docs/incremental.md). Each case changes what is its own, and is
 * restored from an incremental backup upon the one before.
 */

const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;

const rows = (values: string) => `SELECT ${values} FROM generate_series(1, 50) n`;

const seed = `
  CREATE TABLE calm (id int PRIMARY KEY, text text);
  INSERT INTO calm SELECT n, md5(n::text) FROM generate_series(1, 3000) n;
  CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);

  CREATE TABLE wider (id int); INSERT INTO wider ${rows('n')};
  CREATE TABLE narrower (id int, gone text, kept text); INSERT INTO narrower ${rows("n, 'gone', 'kept'")};
  CREATE TABLE named (id int, old text); INSERT INTO named ${rows("n, 'x'")};
  CREATE TABLE stamped (at timestamptz); INSERT INTO stamped ${rows("timestamptz '2026-01-01 00:00Z' + n * interval '1 hour'")};
  CREATE TABLE lengthy (text varchar(10)); INSERT INTO lengthy ${rows("'v' || n")};
  CREATE TABLE collated (text text); INSERT INTO collated ${rows("'c' || n")};
  CREATE TABLE plain (id int, text text); INSERT INTO plain ${rows("n, 'p' || n")};

  CREATE TYPE mood AS ENUM ('low', 'even', 'high');
  CREATE DOMAIN mood_domain AS mood;
  CREATE TYPE mood_range AS RANGE (subtype = mood);
  CREATE TYPE mood_pair AS (one mood, two mood[]);
  CREATE DOMAIN mood_pairs AS mood_pair[];
  CREATE TABLE enum_column (v mood); INSERT INTO enum_column ${rows("'even'::mood")};
  CREATE TABLE enum_array (v mood[]); INSERT INTO enum_array ${rows("'{low,even}'::mood[]")};
  CREATE TABLE enum_domain (v mood_domain); INSERT INTO enum_domain ${rows("'even'::mood")};
  CREATE TABLE enum_range (v mood_range); INSERT INTO enum_range ${rows("mood_range('low', 'even', '[]')")};
  CREATE TABLE enum_multirange (v mood_multirange); INSERT INTO enum_multirange ${rows("mood_multirange(mood_range('low', 'even', '[]'))")};
  CREATE TABLE enum_nested (v mood_pairs); INSERT INTO enum_nested ${rows("ARRAY[('even', '{low}')::mood_pair]")};

  CREATE TYPE pair AS (a int, b text);
  CREATE DOMAIN pair_domain AS pair;
  CREATE TABLE composite (v pair); INSERT INTO composite ${rows("(n, 'b')::pair")};
  CREATE TABLE composite_array (v pair[]); INSERT INTO composite_array ${rows("ARRAY[(n, 'b')::pair]")};
  CREATE TABLE composite_domain (v pair_domain); INSERT INTO composite_domain ${rows("(n, 'b')::pair")};
  CREATE TABLE other (id int);
  CREATE TABLE row_type (v other, w other[]); INSERT INTO row_type ${rows('ROW(n)::other, ARRAY[ROW(n)::other]')};

  CREATE DOMAIN small AS int;
  CREATE TABLE constrained (v small); INSERT INTO constrained ${rows('n')};

  CREATE ROLE regular_$;
  CREATE SCHEMA first_name;
  CREATE TABLE first_name.relation (id int);
  CREATE TYPE first_name.type AS ENUM ('x');
  CREATE FUNCTION first_name.function(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE TEXT SEARCH CONFIGURATION first_name.configuration (COPY = pg_catalog.simple);
  CREATE DOMAIN regclass_domain AS regclass;
  CREATE TYPE with_regclass AS (r regclass);
  CREATE TABLE regs (a regclass, b regtype, c regproc, d regprocedure, e regrole, f regnamespace, g regconfig);
  INSERT INTO regs ${rows(`'first_name.relation'::regclass, 'first_name.type'::regtype, 'first_name.function'::regproc,
    'first_name.function(int)'::regprocedure, 'regular_$'::regrole, 'first_name'::regnamespace, 'first_name.configuration'::regconfig`)};
  CREATE TABLE regs_within (a regclass[], b regclass_domain, c with_regclass);
  INSERT INTO regs_within ${rows("ARRAY['first_name.relation'::regclass], 'first_name.relation'::regclass, ROW('first_name.relation'::regclass)::with_regclass")};
  CREATE TABLE grants (v aclitem); INSERT INTO grants ${rows("makeaclitem('regular_$'::regrole, 'regular_$'::regrole, 'SELECT', false)")};

  CREATE TABLE formats (a date, b timestamptz, c interval, d float8, e bytea, f money, g real, h timetz, i xml);
  INSERT INTO formats ${rows("date '2026-02-03', timestamptz '2026-02-03 04:05:06Z', interval '1 month 2 days', 1.1 / n, '\\x00ff41', 12.5, 0.1, '04:05Z', '<a/>'")};
  CREATE TABLE formats_again (LIKE formats); INSERT INTO formats_again SELECT * FROM formats;

  CREATE EXTENSION hstore VERSION '1.4';
  CREATE TABLE stored (v hstore); INSERT INTO stored ${rows("hstore('k', n::text)")};

  CREATE TYPE loud;
  CREATE FUNCTION loud_in(cstring) RETURNS loud LANGUAGE internal IMMUTABLE STRICT AS 'textin';
  CREATE FUNCTION loud_out(loud) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
  CREATE TYPE loud (INPUT = loud_in, OUTPUT = loud_out, LIKE = text);
  CREATE TABLE louder (v loud, id int); INSERT INTO louder ${rows("'abc', n")};

  CREATE FUNCTION derive(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
  CREATE TABLE derived (a int, b int GENERATED ALWAYS AS (derive(a)) STORED); INSERT INTO derived (a) ${rows('n')};

  CREATE ACCESS METHOD elsewhere TYPE TABLE HANDLER heap_tableam_handler;
  CREATE TABLE not_heap (id int) USING elsewhere; INSERT INTO not_heap ${rows('n')};
  CREATE TABLE heavy (v mood, pad text);
  INSERT INTO heavy SELECT 'even', repeat(md5(n::text), 30) FROM generate_series(1, 4000) n;`;

/** @param whole without it, not what is asked of one server only: settings, and a type that is altered while the backup runs */
function describeDefinitions(
  start: () => Promise<LadderServer>,
  { whole }: { whole: boolean },
  close?: () => Promise<void>,
) {
  let ladder: Ladder;
  const database = `definitions_${process.pid}`;
  const suffix = String(process.pid);
  const change = (sql: string) => query(ladder.source, sql.replaceAll('_$', `_${suffix}`));
  const sessions: pg.Client[] = [];

  async function fileOf(table: string): Promise<string> {
    const [row] = await query(ladder.source, 'SELECT pg_relation_filenode($1::regclass)::text AS file', [
      table,
    ]);
    return row?.file;
  }

  beforeAll(async () => {
    const server = await start();
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

  test('all but what can never be taken over is taken over', async () => {
    await change("INSERT INTO log (what) VALUES ('first')");
    await ladder.climb({
      read: ['log', 'regs', 'regs_within', 'grants', 'louder', 'not_heap'],
      reused: [
        ...[
          'calm',
          'wider',
          'narrower',
          'stamped',
          'enum_column',
          'enum_array',
          'enum_domain',
          'enum_range',
          'enum_multirange',
        ],
        ...[
          'enum_nested',
          'composite',
          'composite_array',
          'row_type',
          'formats',
          'stored',
          'derived',
          'heavy',
        ],
      ],
    });
  });

  const holders = [
    'enum_column',
    'enum_array',
    'enum_domain',
    'enum_range',
    'enum_multirange',
    'enum_nested',
  ];
  const composites = ['composite', 'composite_array', 'composite_domain'];
  const named = ['regs', 'regs_within', 'grants'];
  let files: string[];

  describeTogether('what shapes the text of rows', () => ladder, [
    {
      name: '#5 columns added, with and without a default, in place',
      rounds: [
        async () => {
          files = [await fileOf('wider'), await fileOf('narrower')];
          await change('ALTER TABLE wider ADD plain text');
          return { read: ['wider'], reused: ['calm', 'formats'] };
        },
        async () => {
          await change(
            "ALTER TABLE wider ADD filled text DEFAULT 'a default', ADD number int NOT NULL DEFAULT 7",
          );
          expect(await fileOf('wider')).toBe(files[0]);
          return { read: ['wider'], reused: ['calm', 'formats'] };
        },
      ],
    },
    {
      name: '#5 a column dropped, and another made under its name',
      rounds: [
        async () => {
          await change('ALTER TABLE narrower DROP gone');
          return { read: ['narrower'], reused: ['calm', 'formats'] };
        },
        async () => {
          await change("ALTER TABLE narrower DROP kept, ADD kept text DEFAULT 'new'");
          expect(await fileOf('narrower')).toBe(files[1]);
          return { read: ['narrower'], reused: ['calm', 'formats'] };
        },
      ],
    },
    {
      name: 'a column renamed',
      rounds: [
        async () => {
          await change('ALTER TABLE named RENAME old TO new');
          return { read: ['named'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#6 the type of a column changed without a rewrite',
      rounds: [
        async () => {
          const before = [await fileOf('stamped'), await fileOf('lengthy')];
          await change("SET TimeZone = 'UTC'; ALTER TABLE stamped ALTER at TYPE timestamp");
          await change('ALTER TABLE lengthy ALTER text TYPE varchar(20)');
          expect([await fileOf('stamped'), await fileOf('lengthy')]).toEqual(before);
          return { read: ['stamped', 'lengthy'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#22 another collation of a column is read, another version of a collation is nothing',
      rounds: [
        async () => {
          await change('ALTER TABLE collated ALTER text TYPE text COLLATE "C"');
          return { read: ['collated'], reused: ['calm'] };
        },
        async () => {
          await change(`CREATE COLLATION IF NOT EXISTS public.ours (provider = libc, locale = 'C');
 UPDATE pg_collation SET collversion = '1' WHERE collname = 'ours'`);
          return { reused: ['collated', 'calm'] };
        },
      ],
    },
    {
      name: '#7 #10 a label of an enum renamed: column, array, domain, range, multirange and a domain over an array of composites',
      rounds: [
        async () => {
          await change("ALTER TYPE mood RENAME VALUE 'even' TO 'balanced'");
          return { read: [...holders, 'heavy'], reused: ['calm'] };
        },
      ],
    },
    {
      name: '#7 a label of an enum added in the middle',
      rounds: [
        async () => {
          return { reused: ['calm'] };
        },
        async () => {
          await change("ALTER TYPE mood ADD VALUE 'lower' BEFORE 'low'");
          return { reused: ['calm', 'formats'] };
        },
      ],
    },
    {
      name: '#8 what reg… and aclitem columns name is renamed',
      rounds: [
        async () => {
          await change(`ALTER TABLE first_name.relation RENAME TO renamed; ALTER TYPE first_name.type RENAME TO type_renamed;
                  ALTER FUNCTION first_name.function RENAME TO function_renamed; ALTER ROLE regular_$ RENAME TO renamed_$;
                  ALTER TEXT SEARCH CONFIGURATION first_name.configuration RENAME TO configuration_renamed`);
          return { read: named, reused: ['calm'] };
        },
        async () => {
          await change('ALTER SCHEMA first_name RENAME TO second_name');
          return { read: named, reused: ['calm'] };
        },
      ],
    },
    {
      name: '#9 attributes of a composite type added and dropped',
      rounds: [
        async () => {
          await change('ALTER TYPE pair ADD ATTRIBUTE c int');
          return { read: composites, reused: ['calm', 'formats'] };
        },
        async () => {
          await change('ALTER TYPE pair DROP ATTRIBUTE a');
          return { read: composites, reused: ['calm', 'formats'] };
        },
      ],
    },
    {
      name: '#9 a column added to a table whose row type is a column elsewhere',
      rounds: [
        async () => {
          await change('ALTER TABLE other ADD more text');
          return { read: ['row_type'], reused: ['calm', 'formats'] };
        },
        async () => {
          await change('ALTER TABLE other DROP id');
          return { read: ['row_type'], reused: ['calm', 'formats'] };
        },
      ],
    },
    {
      name: '#10 a constraint of a domain changes no text',
      rounds: [
        async () => {
          await change('ALTER DOMAIN small ADD CHECK (VALUE > 0)');
          return { reused: ['constrained', 'calm'] };
        },
      ],
    },
    {
      name: '#12 an extension is updated to another version',
      rounds: [
        async () => {
          await change('ALTER EXTENSION hstore UPDATE');
          return { read: ['stored'], reused: ['calm'] };
        },
        async () => {
          return { reused: ['stored'] };
        },
      ],
    },
    {
      name: '#12 the output function of a type of its own is replaced',
      rounds: [
        async () => {
          await change(`CREATE OR REPLACE FUNCTION loud_out(loud) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
                  CREATE OR REPLACE FUNCTION loud_in(cstring) RETURNS loud LANGUAGE internal IMMUTABLE STRICT AS 'byteain'`);
          return {
            read: ['louder'],
            reused: ['calm'],
            check: async (_rung, { target }) =>
              expect(await query(target, 'SELECT v::text FROM louder LIMIT 1')).toEqual([{ v: '\\x616263' }]),
          };
        },
      ],
    },
    {
      name: '#14 the function of a stored generated column is replaced: the column is not in the backup',
      rounds: [
        async () => {
          await change(
            'CREATE OR REPLACE FUNCTION derive(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$SELECT $1 * 3$$',
          );
          return { reused: ['derived', 'calm'] };
        },
      ],
    },
    {
      name: '#17 a table of another access method is read whether it changed or not',
      rounds: [
        async () => {
          return { read: ['not_heap'], reused: ['calm'] };
        },
      ],
    },
    {
      name: 'definitions change and no row is read: defaults, constraints, indexes, comments, grants, policies, triggers, storage',
      rounds: [
        async () => {
          await change(`ALTER TABLE plain ALTER text SET DEFAULT 'd', ADD CHECK (id > 0), ALTER text SET STATISTICS 5, ALTER text SET STORAGE MAIN,
                    ALTER id SET NOT NULL;
                  CREATE INDEX ON plain (text); COMMENT ON COLUMN plain.id IS 'c'; GRANT SELECT ON plain TO PUBLIC;
                  CREATE POLICY p ON plain USING (true); ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
                  CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                  CREATE TRIGGER t BEFORE INSERT ON plain EXECUTE FUNCTION nothing(); CREATE VIEW seen AS SELECT * FROM plain`);
          return { reused: ['plain', 'calm'] };
        },
      ],
    },
  ]);
  if (!whole) return;

  test('#5 a column added with a default whose text depends on settings, which the role and the database have of their own', async () => {
    await change(
      `ALTER DATABASE ${database} SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE ${database} SET bytea_output = 'escape'`,
    );
    await change("ALTER TABLE wider ADD at timestamptz DEFAULT now(), ADD bytes bytea DEFAULT '\\x00ff41'");
    await ladder.step({ read: ['wider'], reused: ['calm'] });
    await change(`ALTER DATABASE ${database} RESET TimeZone; ALTER DATABASE ${database} RESET bytea_output`);
    await ladder.climb({ reused: ['wider', 'calm'] });
  });

  test('#11 settings of the database that shape the text of values', async () => {
    const settings = {
      DateStyle: "'German'",
      TimeZone: "'Asia/Tokyo'",
      bytea_output: "'escape'",
      extra_float_digits: '-3',
      IntervalStyle: "'iso_8601'",
      xmlbinary: "'hex'",
      xmloption: "'document'",
      lc_monetary: "'C'",
      client_encoding: "'LATIN1'",
      search_path: "'pg_catalog'",
      row_security: 'on',
      quote_all_identifiers: 'on',
      synchronize_seqscans: 'on',
    };
    for (const [name, value] of Object.entries(settings))
      await change(`ALTER DATABASE ${database} SET ${name} = ${value}`);
    await query(ladder.source, 'UPDATE public.formats_again SET d = d WHERE d = 1.1 / 7');
    const rung = await ladder.step({ read: ['formats_again'], reused: ['formats', 'calm'] }, [
      '--recheck',
      '100%',
    ]);
    expect(rung.run.exitCode).toBe(0);
    for (const name of Object.keys(settings)) await change(`ALTER DATABASE ${database} RESET ${name}`);
    // They came with the backup, and the source has them no longer.
    await ladder.expectRestored((target) =>
      query(target, `ALTER DATABASE ${new URL(target).pathname.slice(1)} RESET ALL`),
    );
    await query(ladder.source, "INSERT INTO log (what) VALUES ('settings')");
    await ladder.climb({ reused: ['formats', 'formats_again', 'calm'] }, ['--recheck', '100%']);
  });

  test('a label is renamed while rows are copied: no backup, instead of one with both labels', async () => {
    const before = listBackups(ladder.storage);
    await change(
      "UPDATE heavy SET pad = 'u' || pad WHERE pad = repeat(md5('7'), 30); UPDATE enum_column SET v = 'low'",
    );
    // New, so that nothing counts it, and smaller than the other, so that it is read next.
    await change(`CREATE TABLE less_heavy (pad text);
                  INSERT INTO less_heavy SELECT repeat(md5(n::text), 30) FROM generate_series(1, 2000) n`);
    const watcher = await connect(ladder.source);
    const blocker = await connect(ladder.source);
    sessions.push(watcher, blocker);
    const waits = (what: string) =>
      until(async () => {
        const { rows } = await watcher.query(`SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE l.relation = 'less_heavy'::regclass AND ${what}`);
        return rows.length > 0;
      });
    const running = ladder.start('incremental', ['--jobs', '1']);
    await waits("l.granted AND a.application_name = 'supabase-backup'");
    // Whoever waits for an exclusive lock holds up all who come later; the process must not be done before he is there.
    running.child.kill('SIGSTOP');
    const blocked = blocker.query('BEGIN; LOCK TABLE less_heavy').catch((error: Error) => error);
    await waits("NOT l.granted AND a.query = 'BEGIN; LOCK TABLE less_heavy'");
    running.child.kill('SIGCONT');
    await waits("NOT l.granted AND a.application_name = 'supabase-backup' AND a.query LIKE 'COPY%'");
    await change("ALTER TYPE mood RENAME VALUE 'low' TO 'lowest'");
    await query(
      ladder.source,
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'BEGIN; LOCK TABLE less_heavy'",
    );
    expect(await blocked).toBeInstanceOf(Error);
    expectRefusal(await running.finished, { exitCode: 1, says: /a type was altered while the backup ran/ });
    expect(listBackups(ladder.storage)).toEqual(before);
    await ladder.climb({ read: [...holders, 'heavy'], partly: [], reused: ['calm'] });
  });
}

const clusters: Cluster[] = [];
afterAll(async () => {
  for (const cluster of clusters) await cluster.stop();
});

const servers = await findServers();
for (const { major } of servers) {
  describe(`PostgreSQL ${major}`, () => {
    describeDefinitions(
      async () => {
        const cluster = await startCluster({ major, settings: { autovacuum: 'off' } });
        clusters.push(cluster);
        return { superuserUrl: cluster.superuserUrl(), bin: cluster.binFolder };
      },
      { whole: major === servers[0]?.major },
    );
  });
}

describe.skipIf(TESTBED_PG17_URL === undefined)('PostgreSQL 17 of the testbed', () => {
  const superuserUrl = TESTBED_PG17_URL ?? '';
  describeDefinitions(
    async () => ({ superuserUrl, bin: TESTBED_PG17_BIN ?? '' }),
    { whole: servers.length === 0 },
    async () => {
      await query(superuserUrl, `DROP DATABASE IF EXISTS definitions_${process.pid} WITH (FORCE)`);
      for (const role of ['regular', 'renamed'])
        await query(superuserUrl, `DROP ROLE IF EXISTS ${role}_${process.pid}`);
    },
  );
});
