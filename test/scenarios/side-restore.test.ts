import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnect, seedDatabase } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, startCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { findObject, flipBit, listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

const run = promisify(execFile);

let cluster: Cluster;
let folder: string;
let databases = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'side-'));
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Live {
  readonly url: string;
  readonly storage: string;
}

/** A database made by `sql`, and a backup of it. */
async function backUp(sql: string): Promise<Live> {
  databases += 1;
  const url = await createDatabase(cluster.superuserUrl(), `live_${databases}`);
  await query(url, sql);
  const storage = join(folder, `storage-${databases}`);
  await succeed(['backup', '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: url } });
  return { url, storage };
}

function restoreAside({ url, storage }: Live, include: string, ...words: string[]) {
  const env = { SUPABASE_BACKUP_TARGET_URL: url };
  const side = ['--side-schema', 'rescue', '--include', include];
  return runCli(['restore', '--storage', storage, ...side, ...words], { env });
}

/** Restores aside, expects it to succeed, and returns the counts, the report and the SQL. */
async function rescue(live: Live, include: string, ...words: string[]) {
  const reports = mkdtempSync(join(folder, 'report-'));
  const finished = await restoreAside(live, include, '--report-folder', reports, ...words);
  expect(finished, finished.stderr).toMatchObject({ exitCode: 0 });
  return { report: finished.stdout, sql: readFileSync(join(reports, 'bring-back.sql'), 'utf8') };
}

async function rescueCounts(live: Live, include: string, ...words: string[]) {
  const finished = await restoreAside(live, include, '--json', ...words);
  expect(finished, finished.stderr).toMatchObject({ exitCode: 0 });
  const outputs = readPrinted(finished.stdout).outputs;
  return { missing: outputs['rows-missing'], changed: outputs['rows-changed'], added: outputs['rows-added'] };
}

async function runSql(url: string, sql: string): Promise<void> {
  const file = join(mkdtempSync(join(folder, 'sql-')), 'bring-back.sql');
  writeFileSync(file, sql);
  const words = ['--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=1', '--file', file, url];
  await run(join(cluster.binFolder, 'psql'), words);
}

/** Takes the comments off the updates. */
function withUpdates(sql: string): string {
  return sql.replace(/^-- (UPDATE |SET "|FROM |WHERE | {2}AND )/gm, '$1');
}

/** All rows as pg_dump writes them, whatever their order; sequences aside, which no rollback takes back. */
async function dumpRows(url: string, schema = 'app'): Promise<string[]> {
  const { stdout } = await run(
    join(cluster.binFolder, 'pg_dump'),
    ['--data-only', '--inserts', '--column-inserts', '--schema', schema, url],
    { maxBuffer: 1 << 28 },
  );
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('INSERT'))
    .sort();
}

async function hasSchema(url: string): Promise<boolean> {
  return (await query(url, `SELECT FROM pg_namespace WHERE nspname = 'rescue'`)).length > 0;
}

const application = `
  CREATE EXTENSION citext;
  CREATE SCHEMA app;
  CREATE TYPE app.status AS ENUM ('open', 'paid');
  CREATE TABLE app.users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE NOT NULL, profile jsonb, seen timestamptz);
  INSERT INTO app.users (email, profile, seen)
    SELECT 'user' || n || '@example.org', jsonb_build_object('n', n), timestamptz '2026-01-01 00:00+00' + n * interval '1 minute' FROM generate_series(1, 100) n;
  CREATE TABLE app.orders (shop int, number bigint, buyer int REFERENCES app.users ON DELETE CASCADE, total numeric(10, 2),
    tax numeric GENERATED ALWAYS AS (total * 0.2) STORED, status app.status, tags text[], doc json, place point, page xml, PRIMARY KEY (shop, number));
  INSERT INTO app.orders (shop, number, buyer, total, status, tags, doc, place, page)
    SELECT 1 + n % 3, n, 1 + n % 100, n * 1.5, 'open', ARRAY['a,' || n, NULL], '{ "n" : 1 }', point(n, 0.1), xmlparse(content '<a>' || n || '</a>')
    FROM generate_series(1, 300) n;
  CREATE TABLE app.log (message text, level int);
  INSERT INTO app.log SELECT 'message ' || n % 5, nullif(n % 2, 0) FROM generate_series(1, 20) n;
  CREATE TABLE app.labels (name citext PRIMARY KEY, colour text);
  INSERT INTO app.labels VALUES ('Red', 'f00'), ('Green', '0f0'), ('Blue', NULL);
  CREATE TABLE app.notes (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "the ""odd"" name" text);
  INSERT INTO app.notes ("the ""odd"" name") VALUES (E'a\\tb\\\\'), (''), (NULL);`;

describe('rows that were lost', () => {
  let live: Live;
  let before: string[];
  beforeAll(async () => {
    live = await backUp(application);
    before = await dumpRows(live.url);
    await query(
      live.url,
      `DELETE FROM app.users WHERE id <= 40;
       UPDATE app.users SET email = 'changed' || id, profile = NULL WHERE id IN (50, 51);
       INSERT INTO app.users (email) VALUES ('new@example.org');
       UPDATE app.orders SET doc = '{"n":1}' WHERE number = 299;
       UPDATE app.orders SET total = 1, tags = '{x}', place = NULL WHERE number = 298;
       INSERT INTO app.orders (shop, number) VALUES (9, 1), (9, 2);
       DELETE FROM app.log WHERE ctid IN (SELECT ctid FROM app.log WHERE message = 'message 1' AND level = 1 LIMIT 1);
       DELETE FROM app.log WHERE message = 'message 2' AND level IS NULL;
       INSERT INTO app.log VALUES ('new', 1);
       UPDATE app.labels SET name = 'red' WHERE name = 'RED';
       DELETE FROM app.labels WHERE name = 'blue';
       DELETE FROM app.notes`,
    );
  });

  test('are counted table by table, named by key, and brought back by the SQL as they were', async () => {
    const { report, sql } = await rescue(live, 'app.*');
    expect(report).toMatch(/app\.users +rescue\.users +id +40 +2 +1 +email \(2\), profile \(2\)/);
    expect(report).toMatch(/app\.orders +rescue\.orders +shop, number +120 +2 +2 /);
    expect(report).toMatch(/app\.log +rescue\.log +whole rows +3 +– +1/);
    expect(report).toMatch(/app\.labels +rescue\.labels +name +1 +1 +0 +name \(1\)/);
    expect(report).toMatch(/app\.notes +rescue\.notes +id +3 +0 +0/);
    expect(report).toMatch(/app\.users +missing +1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 30 more/);
    expect(report).toMatch(/app\.orders +only live +\(9, 1\), \(9, 2\)/);
    expect(report).not.toMatch(/example\.org|<a>/);
    expect(sql).toMatch(/^-- review first\n/);
    expect(sql).not.toMatch(/"tax"|example\.org/);

    await runSql(live.url, withUpdates(sql));
    await query(
      live.url,
      `DELETE FROM app.users WHERE email = 'new@example.org';
       DELETE FROM app.orders WHERE shop = 9;
       DELETE FROM app.log WHERE message = 'new'`,
    );
    expect(await dumpRows(live.url)).toEqual(before);
    const [next] = await query(live.url, `INSERT INTO app.users (email) VALUES ('next') RETURNING id`);
    expect(next).toEqual({ id: 102 });
    await query(live.url, `DELETE FROM app.users WHERE email = 'next'; DROP SCHEMA rescue CASCADE`);
    const again = await rescueCounts(live, 'app.*');
    expect(again).toEqual({ missing: 0, changed: 0, added: 0 });
    await query(live.url, 'DROP SCHEMA rescue CASCADE');
  });

  test('come back without the changed ones when the SQL runs as it is, and once when it runs twice', async () => {
    await query(
      live.url,
      `UPDATE app.users SET profile = '{}' WHERE id = 1; DELETE FROM app.users WHERE id = 2`,
    );
    await query(live.url, `DELETE FROM app.log WHERE message = 'message 3'`);
    const { sql } = await rescue(live, 'app.users,app.orders,app.log');
    await runSql(live.url, sql);
    await runSql(live.url, sql);
    expect(await query(live.url, 'SELECT profile::text FROM app.users WHERE id = 1')).toEqual([
      { profile: '{}' },
    ]);
    await query(
      live.url,
      `UPDATE app.users SET profile = '{"n": 1}' WHERE id = 1; DROP SCHEMA rescue CASCADE`,
    );
    expect(await dumpRows(live.url)).toEqual(before);
  });

  test('are in tables that nobody else may read, whatever the default privileges are', async () => {
    await query(
      live.url,
      `CREATE ROLE anon_${databases}; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon_${databases}, PUBLIC;
       ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO anon_${databases}, PUBLIC`,
    );
    await rescue(live, 'app.users,app.log');
    const [able] = await query(
      live.url,
      `SELECT has_schema_privilege('anon_${databases}', 'rescue', 'USAGE') AS schema,
              has_table_privilege('anon_${databases}', 'rescue.users', 'SELECT') AS table`,
    );
    expect(able).toEqual({ schema: false, table: false });
    const persistence = await query(
      live.url,
      `SELECT DISTINCT relpersistence AS kind FROM pg_class WHERE relnamespace = 'rescue'::regnamespace AND relkind = 'r'`,
    );
    expect(persistence).toEqual([{ kind: 'u' }]);
    await query(live.url, 'DROP SCHEMA rescue CASCADE');
  });

  test('are recorded as a restore of chosen tables, and shown with the backup', async () => {
    const records = join(live.storage, 'records', 'restores');
    const names = readdirSync(records);
    const [name = ''] = names.sort().slice(-1);
    const { content } = JSON.parse(readFileSync(join(records, name), 'utf8')) as { content: object };
    expect(content).toMatchObject({ whole: false, outcome: 'unverified', why: null });
    expect(JSON.stringify(content)).toContain('the schema rescue');
  });
});

describe('accounts of a Supabase project', () => {
  test('come back with their profiles, which a trigger would make anew, by a role that is no superuser', async () => {
    const { ownerUrl, superuserUrl } = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      ...{ database: 'project', tinyTables: 1, bulkRows: 100, superuserObjects: false },
    });
    await query(
      superuserUrl,
      `UPDATE public.profiles SET username = 'name ' || left(id::text, 8), plan = 'pro'`,
    );
    const storage = join(folder, 'project');
    await succeed(['backup', '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: superuserUrl } });
    const before = [await dumpRows(superuserUrl, 'auth'), await dumpRows(superuserUrl, 'public')];
    await query(
      superuserUrl,
      `CREATE TEMPORARY TABLE victims AS SELECT md5('user ' || n)::uuid AS id FROM generate_series(6, 45) n;
       UPDATE public.todos SET assignee = NULL WHERE assignee IN (SELECT id FROM victims);
       DELETE FROM auth.users WHERE id IN (SELECT id FROM victims)`,
    );
    const live = { url: ownerUrl, storage };
    const partly = await rescue(live, 'auth.users');
    expect(partly.report).toMatch(/auth\.users +rescue\.users +id +40 +0 +0/);
    expect(partly.report).toMatch(
      /deleted or cleared[^:]*: auth\.identities, auth\.mfa_factors, auth\.refresh_tokens, auth\.sessions, public\.memberships, public\.profiles\./,
    );
    await query(ownerUrl, 'DROP SCHEMA rescue CASCADE');

    const { report, sql } = await rescue(live, 'auth.*,public.profiles,public.memberships,public.todos');
    expect(report).toMatch(/public\.profiles +rescue\.profiles +id +40 +0 +0/);
    expect(report).toMatch(/public\.todos +rescue\.todos +id +0 +\d+ +0 +assignee/);
    expect(report).not.toContain('example.invalid');
    expect(sql).toContain('auth.users on_auth_user_created');
    await runSql(ownerUrl, withUpdates(sql));
    expect(await dumpRows(superuserUrl, 'auth')).toEqual(before[0]);
    expect(await dumpRows(superuserUrl, 'public')).toEqual(before[1]);
  });
});

describe('a database that moved on', () => {
  test('gets what it still has columns for, and the report names the others', async () => {
    const live = await backUp(`
      CREATE SCHEMA app;
      CREATE TABLE app.t (id int PRIMARY KEY, dropped text, code text, amount text, doubled int, note varchar(20));
      INSERT INTO app.t SELECT n, 'dropped ' || n, CASE WHEN n < 9 THEN n::text ELSE 'none' END, n::text, 2 * n, repeat('x', n) FROM generate_series(1, 10) n;
      CREATE TABLE app.gone (id int PRIMARY KEY, what jsonb);
      INSERT INTO app.gone VALUES (1, '{"a": 1}'), (2, NULL);
      CREATE TABLE app.keyed (id int, word text);
      INSERT INTO app.keyed VALUES (1, 'a'), (1, 'b'), (2, 'c');`);
    await query(
      live.url,
      `DELETE FROM app.t WHERE id > 5;
       ALTER TABLE app.t DROP COLUMN dropped, DROP COLUMN doubled, ADD COLUMN added text DEFAULT 'default';
       ALTER TABLE app.t ADD COLUMN doubled int GENERATED ALWAYS AS (2 * id) STORED;
       ALTER TABLE app.t ALTER COLUMN code TYPE int USING code::int, ALTER COLUMN amount TYPE int USING amount::int, ALTER note TYPE varchar(5);
       DROP TABLE app.gone;
       DELETE FROM app.keyed WHERE word = 'b';
       ALTER TABLE app.keyed ADD PRIMARY KEY (id)`,
    );
    const { report, sql } = await rescue(live, 'app.*');
    expect(report).toMatch(/column app\.t\.dropped +the live table no longer has it/);
    expect(report).toMatch(/column app\.t\.doubled +the live table computes it by now/);
    expect(report).toMatch(/column app\.t\.code +values of the backup are not of its type integer/);
    expect(report).toMatch(
      /column app\.t\.note +values of the backup are not of its type character varying\(5\)/,
    );
    expect(report).not.toContain('app.t.amount');
    expect(report).toMatch(/app\.gone +the database has no such table any more/);
    expect(report).toMatch(/app\.gone +rescue\.gone +nothing: it is gone +2 +– +0/);
    expect(report).toMatch(/app\.keyed +rescue\.keyed +whole rows +1 +– +0/);
    expect(report).toMatch(/app\.t +rescue\.t +id +5 +0 +0/);
    const types = await query(
      live.url,
      `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'rescue.t'::regclass AND attnum > 0 ORDER BY attnum`,
    );
    expect(Object.fromEntries(types.map(({ name, type }) => [name, type]))).toEqual({
      id: 'integer',
      dropped: 'text',
      code: 'text',
      amount: 'integer',
      doubled: 'integer',
      note: 'text',
    });
    expect(await query(live.url, 'SELECT dropped, note FROM rescue.t WHERE id = 10')).toEqual([
      { dropped: 'dropped 10', note: 'x'.repeat(10) },
    ]);
    expect(sql).toContain('-- app.gone: the database has no such table any more');
    await runSql(live.url, sql.replace(/^INSERT INTO "app"."keyed"[^;]*;/m, ''));
    expect(await query(live.url, 'SELECT id, amount, doubled, added, code FROM app.t WHERE id = 9')).toEqual([
      { id: 9, amount: 9, doubled: 18, added: 'default', code: null },
    ]);
  });

  test('is told which column a missing row would lack', async () => {
    const live = await backUp('CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)');
    await query(live.url, 'DELETE FROM public.t; ALTER TABLE public.t ADD COLUMN must text NOT NULL');
    const { report } = await rescue(live, 'public.t');
    expect(report).toMatch(/missing rows of public\.t +the live table wants a value for must/);
  });

  test('gets a sequence that was set back moved behind the rows', async () => {
    const live = await backUp(
      `CREATE TABLE public.t (id serial PRIMARY KEY, down int); INSERT INTO public.t SELECT FROM generate_series(1, 50)`,
    );
    await query(
      live.url,
      `TRUNCATE public.t RESTART IDENTITY; INSERT INTO public.t SELECT FROM generate_series(1, 3)`,
    );
    const { sql } = await rescue(live, 'public.t');
    expect(sql).toContain('setval');
    await runSql(live.url, sql);
    expect(await query(live.url, 'INSERT INTO public.t DEFAULT VALUES RETURNING id')).toEqual([{ id: 51 }]);
  });
});

describe('a partitioned table', () => {
  const sql = `
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at date, body text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE app.events_2024 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE app.events_2025 (body text, at date NOT NULL, id int NOT NULL);
    ALTER TABLE app.events ATTACH PARTITION app.events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO app.events SELECT n, date '2024-01-01' + n % 1090, repeat(md5(n::text), 20) FROM generate_series(1, 6000) n;`;

  test('is one side table, and its rows come back whichever partition they were in', async () => {
    const live = await backUp(sql);
    const before = await dumpRows(live.url);
    await query(
      live.url,
      `DELETE FROM app.events WHERE id % 100 = 0; UPDATE app.events SET body = 'x' WHERE id = 7;
       INSERT INTO app.events VALUES (7000, '2024-05-05', 'new')`,
    );
    const { report, sql: bringBack } = await rescue(live, 'app.events');
    expect(report).toMatch(/app\.events +rescue\.events +id, at +60 +1 +1 +body \(1\)/);
    const [rows] = await query(live.url, 'SELECT count(*)::int AS count FROM rescue.events');
    expect(rows).toEqual({ count: 6000 });
    await runSql(live.url, withUpdates(bringBack));
    await query(live.url, 'DELETE FROM app.events WHERE id = 7000');
    expect(await dumpRows(live.url)).toEqual(before);
  });

  test('of which one partition is chosen is compared with that partition', async () => {
    const live = await backUp(sql);
    await query(
      live.url,
      `DELETE FROM app.events_2025 WHERE id % 50 = 0; DELETE FROM app.events_2024 WHERE id % 50 = 0;
       INSERT INTO app.events VALUES (7000, '2024-05-05', 'new'), (7001, '2025-05-05', 'new')`,
    );
    const { report, sql: bringBack } = await rescue(live, 'app.events_2025');
    expect(report).toMatch(/app\.events \(events_2025\) +rescue\.events +id, at +41 +0 +1/);
    await runSql(live.url, bringBack);
    const [left] = await query(
      live.url,
      'SELECT count(*)::int AS count FROM app.events_2025 WHERE id % 50 = 0',
    );
    expect(left).toEqual({ count: 41 });
    await query(live.url, 'DROP SCHEMA rescue CASCADE; DROP TABLE app.events_2025');
    expect(await rescueCounts(live, 'app.events_2025')).toMatchObject({ changed: 0, added: 0 });
  });
});

describe('tables that refer to each other', () => {
  test('are brought back parents first, and what else was hit is named', async () => {
    const live = await backUp(`
      CREATE SCHEMA app;
      CREATE TABLE app.z_parent (id int PRIMARY KEY);
      CREATE TABLE app.country (id int PRIMARY KEY);
      CREATE TABLE app.m_child (id int PRIMARY KEY, parent int REFERENCES app.z_parent ON DELETE CASCADE, country int REFERENCES app.country,
        boss int REFERENCES app.m_child);
      CREATE TABLE app.a_grandchild (id int PRIMARY KEY, child int REFERENCES app.m_child ON DELETE CASCADE);
      CREATE TABLE app.follower (id int PRIMARY KEY, child int REFERENCES app.m_child ON DELETE SET NULL);
      INSERT INTO app.z_parent SELECT generate_series(1, 5);
      INSERT INTO app.m_child SELECT n, n, NULL, 1 + n % 5 FROM generate_series(1, 5) n;
      INSERT INTO app.a_grandchild SELECT n, n FROM generate_series(1, 5) n;
      CREATE FUNCTION app.greet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER welcome AFTER INSERT ON app.z_parent FOR EACH ROW EXECUTE FUNCTION app.greet();`);
    const before = await dumpRows(live.url);
    await query(live.url, 'TRUNCATE app.z_parent, app.m_child, app.a_grandchild, app.follower');
    const { report, sql } = await rescue(live, 'app.z_parent,app.m_child,app.a_grandchild');
    expect(report).toMatch(/deleted or cleared together[^:]*: app\.follower\./);
    expect(report).toMatch(/may refer to rows of them: app\.country\./);
    expect(sql).toContain('app.z_parent welcome');
    expect(sql).not.toContain('circle');
    await runSql(live.url, sql);
    expect(await dumpRows(live.url)).toEqual(before);
  });

  test('in a circle come back without the checks, as the SQL says', async () => {
    const live = await backUp(`
      CREATE SCHEMA app;
      CREATE TABLE app.a (id int PRIMARY KEY, b int);
      CREATE TABLE app.b (id int PRIMARY KEY, a int REFERENCES app.a);
      INSERT INTO app.a VALUES (1, 1); INSERT INTO app.b VALUES (1, 1);
      ALTER TABLE app.a ADD FOREIGN KEY (b) REFERENCES app.b;`);
    const before = await dumpRows(live.url);
    await query(live.url, 'TRUNCATE app.a, app.b');
    const { sql } = await rescue(live, 'app.*');
    expect(sql).toMatch(/in a circle: app\.a, app\.b\./);
    await expect(runSql(live.url, sql)).rejects.toThrow(/violates foreign key/);
    expect(await dumpRows(live.url)).toEqual([]);
    await runSql(
      live.url,
      sql.replace('-- SET LOCAL session_replication_role', 'SET LOCAL session_replication_role'),
    );
    expect(await dumpRows(live.url)).toEqual(before);
  });
});

describe('a side schema', () => {
  let live: Live;
  beforeAll(async () => {
    live = await backUp(`
      CREATE SCHEMA a; CREATE SCHEMA b;
      CREATE TABLE a.t (id int PRIMARY KEY, v text); CREATE TABLE b.t (id int PRIMARY KEY);
      INSERT INTO a.t SELECT n, repeat(md5(n::text), 50) FROM generate_series(1, 2000) n; INSERT INTO b.t VALUES (1);`);
  });

  test('has tables of one name told apart, and the SQL in the report without a folder', async () => {
    await query(live.url, 'DELETE FROM b.t');
    const finished = await restoreAside(live, 'a.t,b.t');
    expect(finished).toMatchObject({ exitCode: 0 });
    expect(finished.stdout).toMatch(/b\.t +rescue\.b__t +id +1 +0 +0/);
    expect(finished.stdout).toMatch(/^-- review first$/m);
    expect(finished.stdout).toMatch(/^FROM "rescue"\."b__t" AS s$/m);
    const left = await query<{ name: string }>(
      live.url,
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'rescue'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    expect(left.map(({ name }) => name)).toEqual(['a__t', 'b__t']);
    await query(live.url, 'INSERT INTO b.t VALUES (1)');
  });

  test('that exists is refused and left alone', async () => {
    expect(await hasSchema(live.url)).toBe(true);
    const finished = await restoreAside(live, 'a.t');
    expectRefusal(finished, { exitCode: 2, says: /side-schema: the database already has a schema rescue/ });
    expect(await query(live.url, 'SELECT count(*)::int AS count FROM rescue.a__t')).toEqual([
      { count: 2000 },
    ]);
    await query(live.url, 'DROP SCHEMA rescue CASCADE');
  });

  test.each([
    [[], /include: is required with side-schema/],
    [['--include', 'a.t,a.typo'], /include: backup \S+ has no table with rows that matches a\.typo/],
    [['--include', 'a.t', '--clean'], /side-schema: cannot be used together with clean/],
    [['--include', 'a.t', '--side-schema', 'ü'.repeat(40)], /side-schema: the name has 80 bytes/],
    [['--include', 'a.t', '--side-schema', 'pg_side'], /side-schema: pg_side is a name/],
  ])('with %j is refused before anything is made', async (words, message) => {
    const env = { SUPABASE_BACKUP_TARGET_URL: live.url };
    const side = words.includes('--side-schema') ? [] : ['--side-schema', 'rescue'];
    const finished = await runCli(['restore', '--storage', live.storage, ...side, ...words], { env });
    expectRefusal(finished, { exitCode: 2, says: message });
    expect(await hasSchema(live.url)).toBe(false);
  });

  test('is refused to a role that does not see every row, or may not make one', async () => {
    const role = `limited_${databases}`;
    await query(
      live.url,
      `CREATE ROLE ${role} LOGIN PASSWORD 'of-a-guest'; GRANT USAGE ON SCHEMA a TO ${role}`,
    );
    const limited = { ...live, url: reconnect(live.url, { user: role, password: 'of-a-guest' }) };
    expectRefusal(await restoreAside(limited, 'a.t'), { exitCode: 2, says: /cannot create a schema/ });
    const [database] = await query<{ name: string }>(live.url, 'SELECT current_database() AS name');
    await query(live.url, `GRANT CREATE ON DATABASE ${database?.name} TO ${role}`);
    expectRefusal(await restoreAside(limited, 'a.t'), { exitCode: 2, says: /limited_\d+ may not read a\.t/ });
    await query(live.url, `GRANT SELECT ON a.t TO ${role}; ALTER TABLE a.t ENABLE ROW LEVEL SECURITY`);
    expectRefusal(await restoreAside(limited, 'a.t'), {
      exitCode: 2,
      says: /row level security hides rows of a\.t/,
    });
    await query(live.url, 'ALTER TABLE a.t DISABLE ROW LEVEL SECURITY');
    expect(await rescueCounts(limited, 'a.t')).toEqual({ missing: 0, changed: 0, added: 0 });
    await query(live.url, 'DROP SCHEMA rescue CASCADE');
  });

  test('is only planned in a dry run', async () => {
    const before = listFolder(live.storage);
    const reports = join(folder, 'dry');
    const finished = await restoreAside(live, 'a.t', '--dry-run', '--report-folder', reports);
    expect(finished, finished.stderr).toMatchObject({ exitCode: 0 });
    expect(finished.stdout).toMatch(/a\.t +rescue\.t +id +2,000/);
    expect(await hasSchema(live.url)).toBe(false);
    expect(existsSync(reports)).toBe(false);
    expect(listFolder(live.storage)).toEqual(before);
  });

  test('is dropped again when the run is stopped while it waits for somebody', async () => {
    const blocker = new pg.Client({ connectionString: live.url });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE a.t IN ACCESS EXCLUSIVE MODE');
    const env = { SUPABASE_BACKUP_TARGET_URL: live.url };
    const words = ['restore', '--storage', live.storage, '--side-schema', 'rescue', '--include', 'a.t'];
    const running = startCli(words, { env });
    const waiting = `SELECT FROM pg_locks WHERE relation = 'a.t'::regclass AND NOT granted`;
    await expect.poll(async () => (await query(live.url, waiting)).length, { timeout: 20_000 }).toBe(1);
    expect(await hasSchema(live.url)).toBe(true);
    running.child.kill('SIGTERM');
    expect((await running.finished).exitCode).toBe(143);
    expect(await hasSchema(live.url)).toBe(false);
    await blocker.end();
  });

  test('is dropped again when the rows cannot be had, and the live tables are not spoken of as broken', async () => {
    const { key } = findObject(readStoredManifest(live.storage), 'a.t');
    flipBit(join(live.storage, key));
    const finished = await restoreAside(live, 'a.t');
    expect(finished.exitCode).toBe(1);
    expect(finished.stderr).toMatch(
      /The schema rescue was dropped again, and the live tables are as they were/,
    );
    expect(finished.stderr).not.toMatch(/Drop the database/i);
    expect(await hasSchema(live.url)).toBe(false);
    expect(await query(live.url, 'SELECT count(*)::int AS count FROM a.t')).toEqual([{ count: 2000 }]);
    flipBit(join(live.storage, key));
  });
});
