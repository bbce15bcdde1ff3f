import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Privilege } from '../../../src/format/supplement.ts';
import { readPrivileges } from '../../../src/postgres/catalog/privileges.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { seedDatabase } from '../../fixture/seed.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database, openDatabase } from '../database.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
});
afterAll(() => cluster?.stop());

/** A line as one text: `table app.t anon SELECT`. */
function format({ kind, schema, name, column, grantee, privileges, definer }: Privilege): string {
  const place = [schema, name, column].filter((part) => part !== '' && part !== null).join('.');
  return `${kind} ${place} ${grantee} ${privileges.join(',')}${definer ? ' as its owner' : ''}`;
}

describe('without the roles of the API', () => {
  it('tells what everybody may do', async () => {
    const database = await createDatabase(cluster);
    const session = await openReading(database);
    await database.run(
      'CREATE TABLE public.t (id int); GRANT SELECT ON t TO PUBLIC; CREATE TABLE public.closed (id int)',
    );
    expect((await readPrivileges(session)).map(format)).toEqual([
      'schema public PUBLIC USAGE',
      'table public.t PUBLIC SELECT',
    ]);
    await database.close();
  });
});

describe('what may be done', () => {
  let database: Database;
  let session: Session;

  beforeAll(async () => {
    const admin = await openDatabase(cluster.superuserUrl());
    await admin.run(`
      CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN BYPASSRLS;
      CREATE ROLE readers NOLOGIN; GRANT readers TO authenticated`);
    await admin.close();
  });
  beforeEach(async () => {
    database = await createDatabase(cluster);
    session = await openReading(database);
    await database.run(`
      CREATE SCHEMA app;
      CREATE TABLE app.t (id int, secret text, open text);
      CREATE VIEW app.v AS SELECT id FROM app.t;
      CREATE SEQUENCE app.s;
      CREATE FUNCTION app.f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION app.f FROM PUBLIC`);
  });
  afterEach(() => database?.close());

  const all = 'DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE';
  const api = ['anon', 'authenticated', 'service_role'];

  it.each<[what: string, sql: string, expected: string[]]>([
    ['by a role', 'GRANT SELECT ON app.t TO anon', ['table app.t anon SELECT']],
    [
      'with everything',
      'GRANT ALL ON app.v TO service_role WITH GRANT OPTION',
      [`table app.v service_role ${all}`],
    ],
    [
      'by everybody is what every role may do',
      'GRANT INSERT ON app.t TO PUBLIC',
      ['PUBLIC', ...api].map((role) => `table app.t ${role} INSERT`),
    ],
    [
      'by a group is what its members may do',
      'GRANT SELECT ON app.t TO readers',
      ['table app.t authenticated SELECT'],
    ],
    ['by the owner', 'ALTER TABLE app.t OWNER TO anon', [`table app.t anon ${all}`]],
    [
      'with a sequence',
      'GRANT USAGE, SELECT ON SEQUENCE app.s TO anon',
      ['sequence app.s anon SELECT,USAGE'],
    ],
    [
      'with a schema',
      'GRANT USAGE ON SCHEMA app TO anon, authenticated; GRANT CREATE ON SCHEMA app TO authenticated',
      ['schema app anon USAGE', 'schema app authenticated CREATE,USAGE'],
    ],
    [
      'with a function',
      'GRANT EXECUTE ON FUNCTION app.f TO anon',
      ['function app.f(integer, text) anon EXECUTE'],
    ],
    [
      'with a function as its owner',
      'GRANT EXECUTE ON FUNCTION app.f TO anon; ALTER FUNCTION app.f SECURITY DEFINER',
      ['function app.f(integer, text) anon EXECUTE as its owner'],
    ],
    [
      'with a function by default',
      `CREATE PROCEDURE app.p() LANGUAGE sql AS ''`,
      ['PUBLIC', ...api].map((role) => `function app.p() ${role} EXECUTE`),
    ],
    [
      'with columns, as far as it is more than with the table',
      `GRANT SELECT (id), UPDATE (open) ON app.t TO anon, PUBLIC; GRANT SELECT ON app.t TO anon`,
      [
        'column app.t.id PUBLIC SELECT',
        'column app.t.id authenticated SELECT',
        'column app.t.id service_role SELECT',
        'column app.t.open PUBLIC UPDATE',
        'column app.t.open anon UPDATE',
        'column app.t.open authenticated UPDATE',
        'column app.t.open service_role UPDATE',
        'table app.t anon SELECT',
      ],
    ],
    [
      'with what is new by default',
      'ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON TABLES TO anon; CREATE TABLE app.wide_open ()',
      [`table app.wide_open anon ${all}`],
    ],
    ['but not with what an extension owns', 'CREATE EXTENSION citext SCHEMA app', []],
  ])('%s', async (_what, sql, expected) => {
    const before = (await readPrivileges(session)).map(format);
    await database.run(sql);
    const after = (await readPrivileges(session)).map(format);
    expect(after.filter((line) => !before.includes(line))).toEqual(expected);
    expect(before.filter((line) => !after.includes(line))).toEqual([]);
  });

  it('is less after a REVOKE', async () => {
    await database.run('GRANT SELECT, INSERT ON app.t TO anon');
    expect((await readPrivileges(session)).map(format)).toContain('table app.t anon INSERT,SELECT');
    await database.run('REVOKE INSERT ON app.t FROM anon');
    expect((await readPrivileges(session)).map(format)).toContain('table app.t anon SELECT');
    await database.run('REVOKE SELECT ON app.t FROM anon');
    const lines = (await readPrivileges(session)).map(format);
    expect(lines.filter((line) => line.startsWith('table'))).toEqual([]);
  });

  it('does not depend on the order of the grants', async () => {
    await database.run(
      'GRANT SELECT ON app.t TO anon; GRANT INSERT ON app.t TO authenticated; GRANT UPDATE ON app.t TO anon',
    );
    const before = await readPrivileges(session);
    await database.run(
      'REVOKE ALL ON app.t FROM anon, authenticated; GRANT INSERT ON app.t TO authenticated; GRANT UPDATE, SELECT ON app.t TO anon',
    );
    expect(await readPrivileges(session)).toEqual(before);
  });
});

describe('in a Supabase project', () => {
  it('is what the server says of every relation, one by one', async () => {
    const source = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      database: 'project',
      owner: 'app_owner',
      tinyTables: 5,
      bulkRows: 10,
    });
    const database = await openDatabase(source.ownerUrl);
    const session = await openReading(database);
    const found = (await readPrivileges(session)).filter(
      ({ kind, grantee }) => kind === 'table' && grantee !== 'PUBLIC',
    );
    const asked = await database.rows(`
      SELECT n.nspname, c.relname, r.rolname, string_agg(p, ',' ORDER BY p COLLATE "C")
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_roles r
      CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema)'
        AND r.rolname IN ('anon', 'authenticated', 'service_role') AND has_table_privilege(r.oid, c.oid, p)
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
      GROUP BY 1, 2, 3`);
    expect(asked.length).toBeGreaterThan(30);
    expect(
      found.map(({ schema, name, grantee, privileges }) =>
        [schema, name, grantee, privileges.join(',')].join(' '),
      ),
    ).toEqual(asked.map((row) => row.join(' ')).sort((one, other) => (one < other ? -1 : 1)));
    await database.close();
  }, 120_000);
});

async function openReading(database: Database): Promise<Session> {
  const session = await database.open();
  await applySettings(session, 'UTF8');
  return session;
}
