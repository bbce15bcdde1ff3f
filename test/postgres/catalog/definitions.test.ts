import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Definition, Privilege } from '../../../src/format/supplement.ts';
import { readDefinitions } from '../../../src/postgres/catalog/definitions.ts';
import { countObjects, readFacts } from '../../../src/postgres/catalog/facts.ts';
import { readGlobals } from '../../../src/postgres/catalog/globals.ts';
import { splitDetail, withoutMarks } from '../../../src/postgres/catalog/printed-text.ts';
import { readPrivileges } from '../../../src/postgres/catalog/privileges.ts';
import { ownSchema, ownSchemaComment } from '../../../src/postgres/own-schema.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { makeRecords } from '../../fixture/records-schema.ts';
import { createRoles, type Seeded, seedDatabase } from '../../fixture/seed.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { connect, createDatabase, type Database, openDatabase } from '../database.ts';

const run = promisify(execFile);
const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;
const owner = 'app_owner';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
});
afterAll(() => cluster?.stop());

async function openReading(database: Database): Promise<Session> {
  const session = await database.open();
  await applySettings(session, 'UTF8');
  return session;
}

async function read<Lines>(url: string, readLines: (session: Session) => Promise<Lines>): Promise<Lines> {
  const database = await openDatabase(url);
  try {
    const session = await openReading(database);
    await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    return await readLines(session);
  } finally {
    await database.close();
  }
}

/** A line as one text: `policy public.todos own: …`. */
function format({ kind, schema, relation, name, detail }: Definition): string {
  const place = [schema, relation].filter((part) => part !== null).join('.');
  return `${[kind, place, name].filter((part) => part !== '').join(' ')}: ${detail}`;
}

const formatPrivilege = ({ kind, schema, name, column, grantee, privileges, definer }: Privilege) =>
  `${kind} ${schema}.${name}.${column} ${grantee} ${privileges.join(',')}${definer ? ' definer' : ''}`;

interface Lines {
  readonly definitions: string[];
  readonly privileges: string[];
}

async function readAll(url: string): Promise<Lines> {
  return {
    definitions: (await read(url, readDefinitions)).map(format),
    privileges: (await read(url, readPrivileges)).map(formatPrivilege),
  };
}

/** Copies as anybody would: pg_dump into psql. */
async function copyWithPsql(from: string, admin: string, name: string, bin: string): Promise<string> {
  const client = await connect(admin);
  await client.query(`DROP DATABASE IF EXISTS ${name}`);
  await client.query(`CREATE DATABASE ${name} TEMPLATE template0 OWNER ${owner}`);
  await client.end();
  const url = new URL(admin);
  url.pathname = `/${name}`;
  const file = path.join(cluster.folder, `${name}.sql`);
  await run(path.join(bin, 'pg_dump'), ['--dbname', from, '--file', file]);
  const quiet = ['--quiet', '--no-psqlrc', '--output=/dev/null', '--set=ON_ERROR_STOP=1'];
  await run(path.join(bin, 'psql'), [...quiet, `--dbname=${url.href}`, `--file=${file}`]);
  return url.href;
}

describe('the definitions of a database with everything', () => {
  let source: Seeded;
  let lines: Lines;

  beforeAll(async () => {
    source = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      database: 'everything',
      owner,
      tinyTables: 20,
      bulkRows: 50,
    });
    lines = await readAll(source.superuserUrl);
  }, 120_000);

  it('are each told once, in an order of their own', async () => {
    const found = await read(source.superuserUrl, readDefinitions);
    const keys = found.map(({ detail: _, ...key }) => JSON.stringify(Object.values(key)));
    expect(new Set(keys).size).toBe(keys.length);
    expect(found.length).toBeGreaterThan(3000);
    const kinds = found.map(({ kind }) => kind);
    expect(kinds).toEqual([...kinds].sort());
    expect([...new Set(kinds)]).toEqual(
      expect.arrayContaining(['cast', 'collation', 'operator', 'rule', 'user mapping', 'publication schema']),
    );
  });

  it('are the same for the owner, who is no superuser', async () => {
    expect(await readAll(source.ownerUrl)).toEqual(lines);
  });

  it('and its privileges are the same in a copy', async () => {
    const copy = await copyWithPsql(source.superuserUrl, cluster.superuserUrl(), 'copied', cluster.binFolder);
    const copied = await readAll(copy);
    expect(copied.definitions).toEqual(lines.definitions);
    expect(copied.privileges).toEqual(lines.privileges);
  }, 120_000);

  it('tell no oid', async () => {
    const oids = (await read(source.superuserUrl, (session) =>
      session.query<{ oid: number }>('SELECT oid FROM pg_class WHERE oid > 16384'),
    )) as { oid: number }[];
    const numbers = new Set(oids.map(({ oid }) => String(oid)));
    const told = lines.definitions.flatMap((line) => line.match(/\b\d{5,}\b/g) ?? []);
    expect(told.filter((number) => numbers.has(number))).toEqual([]);
  });

  it.runIf(TESTBED_PG17_URL && TESTBED_PG17_BIN)(
    'and its privileges are the same in a copy of a newer major, but for what the server has of its own',
    async () => {
      const admin = TESTBED_PG17_URL ?? '';
      const name = `definitions_${process.pid}`;
      await createRoles(admin, owner);
      try {
        const copy = await copyWithPsql(source.superuserUrl, admin, name, TESTBED_PG17_BIN ?? '');
        const copied = await readAll(copy);
        const compared = ({ definitions }: Lines) =>
          definitions.filter((line) => !/^(database|owner extension) /.test(line)).map(withoutWords);
        expect(compared(copied)).toEqual(compared(lines));
        expect(copied.privileges).toEqual(lines.privileges);
        const again = await copyWithPsql(copy, admin, `${name}_again`, TESTBED_PG17_BIN ?? '');
        expect(await readAll(again)).toEqual(copied);
      } finally {
        const client = await connect(admin);
        await client.query(`DROP DATABASE IF EXISTS ${name}`);
        await client.query(`DROP DATABASE IF EXISTS ${name}_again`);
        await client.end();
      }
    },
    120_000,
  );
});

const withoutWords = (line: string) =>
  splitDetail(line)
    .parts.join('')
    .replace(/^(extension .*version )\S+$/, '$1any');

describe('a change of', () => {
  let database: Database;
  let session: Session;

  beforeEach(async () => {
    database = await createDatabase(cluster);
    await createRoles(cluster.superuserUrl(), owner);
    session = await openReading(database);
    await database.run(`
      CREATE SCHEMA app;
      CREATE TYPE app.mood AS ENUM ('sad', 'happy');
      CREATE DOMAIN app.code AS text CHECK (VALUE <> '');
      CREATE TYPE app.pair AS (a int, b text);
      CREATE TABLE app.parent (id int PRIMARY KEY, note varchar(10));
      CREATE TABLE app.t (id int PRIMARY KEY, p int, v text, m app.mood, CONSTRAINT to_parent FOREIGN KEY (p) REFERENCES app.parent);
      CREATE TABLE app.parts (k int, v text) PARTITION BY RANGE (k);
      CREATE TABLE app.part_one PARTITION OF app.parts FOR VALUES FROM (0) TO (10);
      CREATE INDEX v_index ON app.t (v);
      CREATE VIEW app.seen AS SELECT id, v FROM app.t;
      CREATE MATERIALIZED VIEW app.kept AS SELECT id FROM app.t;
      CREATE SEQUENCE app.counter;
      CREATE FUNCTION app.f(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
      CREATE FUNCTION app.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER watch BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.fire();
      CREATE TRIGGER watch_parts AFTER INSERT ON app.parts FOR EACH ROW EXECUTE FUNCTION app.fire();
      CREATE RULE quiet AS ON DELETE TO app.t DO INSTEAD NOTHING;
      CREATE POLICY own ON app.t USING (id > 0);
      CREATE PUBLICATION news FOR TABLE app.t;
      CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
      CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION app.on_ddl();
      CREATE STATISTICS app.together ON id, p FROM app.t;
      CREATE COLLATION app.bytes (provider = libc, locale = 'C');
      CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = simple);
      CREATE FOREIGN DATA WRAPPER nowhere;
      CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (host 'a', password 'hunter2');
      CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS ("user" 'me', password 'hunter3');
      CREATE FOREIGN TABLE app.remote (id int) SERVER far`);
  });
  afterEach(() => database?.close());

  async function change(sql: string): Promise<{ gone: string[]; come: string[] }> {
    const read = async () => (await readDefinitions(session)).map(format).map(withoutMarks);
    const before = await read();
    await database.run(sql.replace('DATABASE_NAME', database.name));
    const after = await read();
    return {
      gone: before.filter((line) => !after.includes(line)),
      come: after.filter((line) => !before.includes(line)),
    };
  }

  const like = (pattern: RegExp) => expect.stringMatching(pattern);
  const watch = 'CREATE TRIGGER watch BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.fire()';

  it.each<[what: string, sql: string, gone: unknown[], come: unknown[]]>([
    [
      'whether a trigger is enabled',
      'ALTER TABLE app.t DISABLE TRIGGER watch',
      [`trigger app.t watch: ${watch}; enabled`],
      [`trigger app.t watch: ${watch}; disabled`],
    ],
    [
      'whether a trigger fires on replicas',
      'ALTER TABLE app.t ENABLE ALWAYS TRIGGER watch',
      [`trigger app.t watch: ${watch}; enabled`],
      [`trigger app.t watch: ${watch}; enabled always`],
    ],
    [
      "the state of a partition's trigger",
      'ALTER TABLE app.part_one DISABLE TRIGGER watch_parts',
      [],
      [
        'trigger app.part_one watch_parts: CREATE TRIGGER watch_parts AFTER INSERT ON app.part_one FOR EACH ROW EXECUTE FUNCTION app.fire(); disabled',
      ],
    ],
    [
      'whether a foreign key is enforced',
      'ALTER TABLE app.t DISABLE TRIGGER ALL; ALTER TABLE app.t ENABLE TRIGGER watch',
      ['constraint app.t to_parent: FOREIGN KEY (p) REFERENCES app.parent(id)'],
      ['constraint app.t to_parent: FOREIGN KEY (p) REFERENCES app.parent(id); triggers disabled on app.t'],
    ],
    [
      'row level security',
      'ALTER TABLE app.t ENABLE ROW LEVEL SECURITY',
      [],
      ['row level security app.t: enabled'],
    ],
    [
      'row level security for the owner',
      'ALTER TABLE app.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
      [],
      ['row level security app.t: enabled, forced'],
    ],
    [
      'a policy',
      'ALTER POLICY own ON app.t TO authenticated, anon USING (true) WITH CHECK (id > 1)',
      ['policy app.t own: permissive for all to public using ((id > 0))'],
      ['policy app.t own: permissive for all to anon, authenticated using (true) with check ((id > 1))'],
    ],
    [
      'who is restricted',
      'DROP POLICY own ON app.t; CREATE POLICY own ON app.t AS RESTRICTIVE FOR SELECT USING (id > 0)',
      ['policy app.t own: permissive for all to public using ((id > 0))'],
      ['policy app.t own: restrictive for select to public using ((id > 0))'],
    ],
    [
      'whom a function runs as',
      `ALTER FUNCTION app.f SECURITY DEFINER SET search_path = '' SET work_mem = '1MB'`,
      [like(/^function app f\(integer\): function; arguments a integer; .* volatile; cost 100; body /)],
      [like(/ volatile; security definer; cost 100; set search_path="", work_mem=1MB; body /)],
    ],
    [
      "a function's body",
      `CREATE OR REPLACE FUNCTION app.f(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'`,
      [like(/^function app f\(integer\)/)],
      [like(/^function app f\(integer\)/)],
    ],
    [
      'a function of the same name',
      `CREATE FUNCTION app.f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      [],
      [
        like(/^function app f\(text\): function; arguments text; returns integer; language sql;/),
        `owner app f(text): supabase_admin`,
      ],
    ],
    [
      'default privileges',
      'ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT, INSERT ON TABLES TO anon',
      [],
      ['default privileges app tables of supabase_admin to anon: INSERT, SELECT'],
    ],
    [
      'default privileges that take away',
      'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC, supabase_admin',
      [],
      ['default privileges functions of supabase_admin to nobody: '],
    ],
    [
      'default privileges to pass on',
      'ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT USAGE ON SEQUENCES TO anon WITH GRANT OPTION',
      [],
      ['default privileges app sequences of supabase_admin to anon: USAGE with grant option'],
    ],
    [
      'a constraint that rows may break',
      'ALTER TABLE app.t ADD CONSTRAINT late CHECK (p > 0) NOT VALID',
      [],
      ['constraint app.t late: CHECK ((p > 0)) NOT VALID'],
    ],
    [
      'when a constraint is checked',
      'ALTER TABLE app.t ALTER CONSTRAINT to_parent DEFERRABLE INITIALLY DEFERRED',
      ['constraint app.t to_parent: FOREIGN KEY (p) REFERENCES app.parent(id)'],
      ['constraint app.t to_parent: FOREIGN KEY (p) REFERENCES app.parent(id) DEFERRABLE INITIALLY DEFERRED'],
    ],
    [
      'the labels of an enum',
      `ALTER TYPE app.mood ADD VALUE 'it''s ok' BEFORE 'happy'`,
      [`type app mood: enum ('sad', 'happy')`],
      [`type app mood: enum ('sad', 'it''s ok', 'happy')`],
    ],
    [
      'a domain',
      'ALTER DOMAIN app.code SET NOT NULL; ALTER DOMAIN app.code ADD CHECK (length(VALUE) < 9) NOT VALID',
      [`type app code: domain over text; code_check CHECK ((VALUE <> ''::text))`],
      [
        `type app code: domain over text; not null; code_check CHECK ((VALUE <> ''::text)), code_check1 CHECK ((length(VALUE) < 9)) NOT VALID`,
      ],
    ],
    [
      'a composite type',
      'ALTER TYPE app.pair ADD ATTRIBUTE c date',
      ['type app pair: composite (a integer, b text)'],
      ['type app pair: composite (a integer, b text, c date)'],
    ],
    [
      'the options of a view',
      'ALTER VIEW app.seen SET (security_invoker = true)',
      [like(/^view app seen: columns id integer, v text; definition {2}SELECT/)],
      [like(/^view app seen: columns id integer, v text; with security_invoker=true; definition /)],
    ],
    [
      'the query of a view',
      'CREATE OR REPLACE VIEW app.seen AS SELECT id, v FROM app.t WHERE id > 0',
      [like(/^view app seen: columns id integer, v text; definition {2}SELECT/)],
      [like(/^view app seen: columns id integer, v text; definition {2}SELECT/)],
    ],
    [
      'what a materialized view holds',
      'REFRESH MATERIALIZED VIEW app.kept WITH NO DATA',
      [like(/^materialized view app kept: columns id integer; populated; definition /)],
      [like(/^materialized view app kept: columns id integer; not populated; definition /)],
    ],
    [
      'a rule',
      'ALTER TABLE app.t DISABLE RULE quiet',
      [
        like(
          /^rule app\.t quiet: on delete instead; enabled; definition CREATE RULE quiet AS\s+ON DELETE TO app\.t DO INSTEAD NOTHING;$/,
        ),
      ],
      [like(/^rule app\.t quiet: on delete instead; disabled; definition CREATE RULE/)],
    ],
    [
      "a column's type",
      'ALTER TABLE app.parent ALTER note TYPE varchar(20) COLLATE "C", ALTER note SET NOT NULL',
      ['column app.parent note: character varying(10)'],
      ['column app.parent note: character varying(20); collate "C"; not null'],
    ],
    [
      'defaults',
      `ALTER TABLE app.t ALTER p SET DEFAULT nextval('app.counter'), ALTER id ADD GENERATED ALWAYS AS IDENTITY (INCREMENT 3)`,
      ['column app.t id: integer; not null', 'column app.t p: integer'],
      [
        'column app.t id: integer; not null; identity always',
        `column app.t p: integer; default nextval('app.counter'::regclass)`,
        'sequence app t_id_seq: integer; start 1; increment 3; from 1 to 2147483647; cache 1; identity of app.t.id',
      ],
    ],
    [
      'a generated column',
      'ALTER TABLE app.t ADD g int GENERATED ALWAYS AS (id * 2) STORED',
      ['column order app.t: id, p, v, m'],
      ['column app.t g: integer; generated (id * 2)', 'column order app.t: id, p, v, m, g'],
    ],
    [
      'how a table is kept',
      'ALTER TABLE app.t SET (fillfactor = 70, autovacuum_enabled = false), REPLICA IDENTITY FULL',
      ['table app t: permanent'],
      ['table app t: permanent; with autovacuum_enabled=false, fillfactor=70; replica identity full'],
    ],
    [
      'what a partition takes',
      'ALTER TABLE app.parts DETACH PARTITION app.part_one; ALTER TABLE app.parts ATTACH PARTITION app.part_one FOR VALUES FROM (0) TO (20)',
      ['table app part_one: permanent; partition of app.parts FOR VALUES FROM (0) TO (10)'],
      ['table app part_one: permanent; partition of app.parts FOR VALUES FROM (0) TO (20)'],
    ],
    [
      'an index',
      'DROP INDEX app.v_index; CREATE UNIQUE INDEX v_index ON app.t (v DESC) WHERE id > 0',
      ['index app.t v_index: CREATE INDEX v_index ON app.t USING btree (v)'],
      ['index app.t v_index: CREATE UNIQUE INDEX v_index ON app.t USING btree (v DESC) WHERE (id > 0)'],
    ],
    [
      'a sequence',
      'ALTER SEQUENCE app.counter AS int MAXVALUE 9 CACHE 5 CYCLE OWNED BY app.t.id',
      [
        'owner app.counter: supabase_admin',
        'sequence app counter: bigint; start 1; increment 1; from 1 to 9223372036854775807; cache 1',
      ],
      ['sequence app counter: integer; start 1; increment 1; from 1 to 9; cache 5; cycle; owned by app.t.id'],
    ],
    [
      'an event trigger',
      'ALTER EVENT TRIGGER on_ddl DISABLE',
      ['event trigger on_ddl: on ddl_command_end execute function app.on_ddl(); enabled'],
      ['event trigger on_ddl: on ddl_command_end execute function app.on_ddl(); disabled'],
    ],
    [
      'a publication',
      `ALTER PUBLICATION news SET (publish = 'insert', publish_via_partition_root = true); ALTER PUBLICATION news SET TABLE app.t (v, id) WHERE (id > 0)`,
      ['publication news: publish insert, update, delete, truncate', 'publication table app.t news: '],
      [
        'publication news: publish insert; via partition root',
        'publication table app.t news: columns (id, v) where ((id > 0))',
      ],
    ],
    [
      'what a publication has',
      'ALTER PUBLICATION news ADD TABLES IN SCHEMA app',
      [],
      ['publication schema app news: '],
    ],
    [
      'a subscription',
      `CREATE SUBSCRIPTION from_far CONNECTION 'host=nowhere password=hunter5' PUBLICATION "B", a WITH (connect = false)`,
      [],
      [
        'owner subscription from_far: supabase_admin',
        'subscription from_far: publications "B", a; slot from_far; disabled',
      ],
    ],
    [
      'a foreign server, without telling secrets',
      `ALTER SERVER far OPTIONS (SET host 'b', SET password 'hunter4'); ALTER USER MAPPING FOR PUBLIC SERVER far OPTIONS (DROP "user")`,
      [
        'foreign server far: wrapper nowhere; options host=a, password',
        'user mapping public on far: options password, user',
      ],
      [
        'foreign server far: wrapper nowhere; options host=b, password',
        'user mapping public on far: options password',
      ],
    ],
    [
      'a foreign table',
      `ALTER FOREIGN TABLE app.remote OPTIONS (name 'x'); ALTER FOREIGN TABLE app.remote ALTER id OPTIONS (column_name 'y')`,
      ['column app.remote id: integer', 'foreign table app remote: server far'],
      [
        'column app.remote id: integer; options column_name=y',
        'foreign table app remote: server far; options name=x',
      ],
    ],
    [
      'extensions',
      'CREATE EXTENSION citext SCHEMA app',
      [],
      [like(/^extension citext: schema app; version \d/), 'owner extension citext: supabase_admin'],
    ],
    [
      'comments',
      `COMMENT ON TABLE app.t IS 'a'; COMMENT ON COLUMN app.t.v IS 'b'; COMMENT ON POLICY own ON app.t IS 'c';
       COMMENT ON FUNCTION app.f IS 'd'; COMMENT ON SCHEMA public IS 'e'`,
      [],
      [
        'comment schema public: e',
        'comment app function app.f(integer): d',
        'comment app.t: a',
        'comment app.t policy own: c',
        'comment app.t v: b',
      ],
    ],
    [
      'statistics',
      'ALTER STATISTICS app.together SET STATISTICS 7; ALTER TABLE app.t ALTER v SET STATISTICS 9',
      [
        'column app.t v: text',
        'statistics object app.app.t together: CREATE STATISTICS app.together ON id, p FROM app.t',
      ],
      [
        'column app.t v: text; statistics 9',
        'statistics object app.app.t together: CREATE STATISTICS app.together ON id, p FROM app.t; statistics 7',
      ],
    ],
    [
      'a dictionary',
      'ALTER TEXT SEARCH DICTIONARY app.words (accept = false)',
      ['text search dictionary app words: template pg_catalog.simple'],
      [`text search dictionary app words: template pg_catalog.simple; accept = 'false'`],
    ],
    [
      'the order of columns',
      'ALTER TABLE app.t DROP p CASCADE; ALTER TABLE app.t ADD p int',
      [
        'column order app.t: id, p, v, m',
        'constraint app.t to_parent: FOREIGN KEY (p) REFERENCES app.parent(id)',
        'owner app statistics object app.together: supabase_admin',
        'statistics object app.app.t together: CREATE STATISTICS app.together ON id, p FROM app.t',
      ],
      ['column order app.t: id, v, m, p'],
    ],
    [
      'a grant that a role of the API may pass on',
      'GRANT SELECT, UPDATE ON app.t TO service_role WITH GRANT OPTION; GRANT DELETE, SELECT (v) ON app.t TO service_role',
      [],
      ['grant option app.t service_role: SELECT with grant option, UPDATE with grant option'],
    ],
    [
      'who owns what lies in no schema, or is seldom owned by another',
      `ALTER FOREIGN DATA WRAPPER nowhere OWNER TO supabase_admin; ALTER COLLATION app.bytes OWNER TO ${owner};
       ALTER STATISTICS app.together OWNER TO ${owner}; ALTER TEXT SEARCH DICTIONARY app.words OWNER TO ${owner}`,
      [
        'owner app collation app.bytes: supabase_admin',
        'owner app statistics object app.together: supabase_admin',
        'owner app text search dictionary app.words: supabase_admin',
      ],
      [
        `owner app collation app.bytes: ${owner}`,
        `owner app statistics object app.together: ${owner}`,
        `owner app text search dictionary app.words: ${owner}`,
      ],
    ],
    [
      'what an operator family holds',
      'CREATE OPERATOR FAMILY app.few USING btree; ALTER OPERATOR FAMILY app.few USING btree ADD OPERATOR 1 <(int4, int8)',
      [],
      expect.arrayContaining([
        'operator family members app app.few USING btree: operator 1 <(integer,bigint)',
      ]) as unknown as unknown[],
    ],
    [
      'how many may connect',
      'ALTER DATABASE DATABASE_NAME CONNECTION LIMIT 7',
      [],
      ['database connection limit: 7'],
    ],
    [
      'owners',
      `ALTER TABLE app.t OWNER TO ${owner}; ALTER FUNCTION app.f OWNER TO ${owner}; ALTER SCHEMA app OWNER TO ${owner}`,
      [
        'owner app (schema): supabase_admin',
        'owner app f(integer): supabase_admin',
        'owner app.t: supabase_admin',
      ],
      [`owner app (schema): ${owner}`, `owner app f(integer): ${owner}`, `owner app.t: ${owner}`],
    ],
  ])('%s shows as that and nothing else', async (_what, sql, gone, come) => {
    expect(await change(sql)).toEqual({ gone, come });
  });

  it('grants does not show', async () => {
    expect(await change('GRANT SELECT ON app.t TO anon')).toEqual({ gone: [], come: [] });
  });

  it.each([
    [
      'the comment on a subscription that is gone',
      `CREATE SUBSCRIPTION gone CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
       COMMENT ON SUBSCRIPTION gone IS 'left behind'; DROP SUBSCRIPTION gone`,
    ],
    [
      'an operator that is only named by another one',
      `CREATE FUNCTION app.eq(bool, bool) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 = $2';
       CREATE OPERATOR app.=== (function = app.eq, leftarg = bool, rightarg = bool, negator = OPERATOR(app.!==));
       DROP OPERATOR app.=== (bool, bool); DROP FUNCTION app.eq`,
    ],
  ])('%s does not show, and is not counted', async (_what, sql) => {
    const before = await countObjects(session);
    expect(await change(sql)).toEqual({ gone: [], come: [] });
    expect(await countObjects(session)).toEqual(before);
  });

  it('a transform shows as every major calls it, and so does a comment on it', async () => {
    const { come } = await change(`
      CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal));
      COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'x'`);
    expect(come).toEqual(
      expect.arrayContaining([
        'comment transform for integer language sql: x',
        'transform for integer language sql: ',
      ]),
    );
  });

  it('our own ledger does not show', async () => {
    const sql = `CREATE SCHEMA ${ownSchema}; COMMENT ON SCHEMA ${ownSchema} IS '${ownSchemaComment}';
      CREATE TABLE ${ownSchema}.t (id int PRIMARY KEY)`;
    expect(await change(sql)).toEqual({ gone: [], come: [] });
  });

  it('our own records do not show, and are in no fact', async () => {
    const before = [await readFacts(session), await readPrivileges(session), await readGlobals(session)];
    expect(await change(makeRecords)).toEqual({ gone: [], come: [] });
    expect([await readFacts(session), await readPrivileges(session), await readGlobals(session)]).toEqual(
      before,
    );
  });

  it('records in a schema of another role than ours show', async () => {
    await database.run('CREATE ROLE pretender');
    const { come } = await change(`${makeRecords} ALTER SCHEMA supabase_backup_records OWNER TO pretender`);
    expect(come).toEqual(
      expect.arrayContaining([
        like(/^table supabase_backup_records backup_jobs: /),
        like(/^comment supabase_backup_records.backup_jobs: one row for each run$/),
      ]),
    );
    await database.run('DROP SCHEMA supabase_backup_records CASCADE; DROP ROLE pretender');
  });

  it("a trigger's arguments, which may hold a key, shows only as their digest", async () => {
    const trigger = (key: string) =>
      `CREATE OR REPLACE TRIGGER hook AFTER INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.fire('Bearer ${key}')`;
    await database.run(trigger('secret one'));
    const { gone, come } = await change(trigger('secret two'));
    const shown =
      /^trigger app\.t hook: .* FOR EACH ROW EXECUTE FUNCTION app\.fire\(arguments [0-9a-f]{64}\); enabled$/;
    expect([gone, come]).toEqual([[like(shown)], [like(shown)]]);
  });

  it('a name of any length shows whole', async () => {
    const long = 'x'.repeat(63);
    const { come } = await change(
      `CREATE FUNCTION app.${long}(a app.mood, b timestamp with time zone) RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    );
    expect(come).toEqual(
      expect.arrayContaining([
        like(new RegExp(`^function app ${long}\\(app\\.mood, timestamp with time zone\\): `)),
      ]),
    );
  });

  it('is read in one statement, however many tables there are', async () => {
    let asked = 0;
    const counting: Session = {
      ...session,
      query: (sql, values) => {
        asked++;
        return session.query(sql, values);
      },
    };
    await readDefinitions(counting);
    await readPrivileges(counting);
    expect(asked).toBe(2);
  });
});
