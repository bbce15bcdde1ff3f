import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Globals, readGlobals } from '../../../src/postgres/catalog/globals.ts';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { type Seeded, seedDatabase } from '../../fixture/seed.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { emptyContext } from '../../support/context.ts';
import { connect, createDatabase, type Database } from '../database.ts';

const { TESTBED_PG17_URL } = process.env;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
});
afterAll(() => cluster?.stop());

async function read(url: string): Promise<Globals> {
  const session = await openSession(parseConnection('database-url', url, emptyContext));
  try {
    await applySettings(session, 'UTF8');
    await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    return await readGlobals(session);
  } finally {
    await session.close();
  }
}

const namesOf = ({ roles }: Globals) => roles.map(({ name }) => name);

async function roleOf(url: string, name: string) {
  const role = (await read(url)).roles.find((found) => found.name === name);
  if (!role) throw new Error(`no role ${name}`);
  return role;
}

describe('a database of its own in a cluster of many', () => {
  let database: Database;

  beforeAll(async () => {
    database = await createDatabase(cluster);
    await database.run(`
      CREATE ROLE the_owner; CREATE ROLE grantee; CREATE ROLE in_policy; CREATE ROLE of_default;
      CREATE ROLE set_here; CREATE ROLE may_connect; CREATE ROLE stranger; CREATE ROLE set_everywhere; CREATE ROLE of_another;
      CREATE ROLE top; CREATE ROLE middle; CREATE ROLE sibling; CREATE ROLE member_of_grantee; CREATE ROLE groups_group;
      GRANT top TO middle; GRANT middle TO grantee; GRANT top TO sibling;
      GRANT grantee TO member_of_grantee; GRANT groups_group TO member_of_grantee;
      GRANT pg_monitor TO grantee; GRANT pg_monitor TO stranger;
      ALTER DATABASE ${database.name} OWNER TO the_owner;
      CREATE TABLE t (id int); GRANT SELECT ON t TO grantee;
      CREATE POLICY p ON t TO in_policy USING (true);
      ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO of_default;
      ALTER ROLE set_here IN DATABASE ${database.name} SET work_mem = '1MB';
      ALTER ROLE set_everywhere SET work_mem = '1MB';
      GRANT CONNECT ON DATABASE ${database.name} TO may_connect`);
    const other = await createDatabase(cluster);
    await other.run('CREATE TABLE t (id int); GRANT SELECT ON t TO of_another');
    await other.close();
  });
  afterAll(() => database?.close());

  it('has the roles that it names, their members, and the groups of all these', async () => {
    expect(namesOf(await read(database.url))).toEqual([
      'grantee',
      'groups_group',
      'in_policy',
      'may_connect',
      'member_of_grantee',
      'middle',
      'of_default',
      'set_here',
      'the_owner',
      'top',
    ]);
  });

  it('tells memberships, those in the roles of the server among them', async () => {
    expect((await roleOf(database.url, 'grantee')).memberOf.map(({ role }) => role)).toEqual([
      'middle',
      'pg_monitor',
    ]);
  });

  it('tells its owner and its grants; its settings and comment only when it has some', async () => {
    const { database: found } = await read(database.url);
    expect(found).toMatchObject({ owner: 'the_owner', comment: null, settings: [] });
    expect(found.grants).toEqual([
      { grantee: 'PUBLIC', privilege: 'CONNECT', grantable: false },
      { grantee: 'PUBLIC', privilege: 'TEMPORARY', grantable: false },
      { grantee: 'may_connect', privilege: 'CONNECT', grantable: false },
      { grantee: 'the_owner', privilege: 'CONNECT', grantable: false },
      { grantee: 'the_owner', privilege: 'CREATE', grantable: false },
      { grantee: 'the_owner', privilege: 'TEMPORARY', grantable: false },
    ]);
    const plain = await createDatabase(cluster);
    expect((await read(plain.url)).database.grants).toBeNull();
    await plain.run(`REVOKE ALL ON DATABASE ${plain.name} FROM PUBLIC, supabase_admin`);
    expect((await read(plain.url)).database.grants).toEqual([]);
    await plain.close();
  });

  it('tells every attribute of a role', async () => {
    await database.run(`
      CREATE ROLE full_role SUPERUSER NOINHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS CONNECTION LIMIT 7
        PASSWORD 'hunter2' VALID UNTIL '2030-01-02 03:04:05.25+01';
      COMMENT ON ROLE full_role IS 'it''s';
      ALTER ROLE full_role SET search_path = "$user", public, 'a b';
      ALTER ROLE full_role SET app.text = E'a=b\\n''c''';
      ALTER ROLE full_role IN DATABASE ${database.name} SET work_mem = '2MB';
      GRANT SELECT ON t TO full_role; GRANT middle TO full_role WITH ADMIN OPTION`);
    const role = await roleOf(database.url, 'full_role');
    const options = cluster.major >= 16 ? { inherit: false, set: true } : { inherit: null, set: null };
    expect(role).toEqual({
      name: 'full_role',
      superuser: true,
      inherit: false,
      createRole: true,
      createDatabase: true,
      login: true,
      replication: true,
      bypassRls: true,
      connectionLimit: 7,
      validUntil: '2030-01-02T02:04:05.250000Z',
      comment: "it's",
      memberOf: [{ role: 'middle', admin: true, ...options }],
      settings: [
        { name: 'app.text', value: "a=b\n'c'" },
        { name: 'search_path', value: '"$user", public, "a b"' },
      ],
      settingsHere: [{ name: 'work_mem', value: '2MB' }],
    });
    expect(JSON.stringify(role)).not.toMatch(/hunter2|SCRAM|md5/);
  });

  it('tells a password that never ends from none that ends', async () => {
    await database.run(`
      CREATE ROLE endless VALID UNTIL 'infinity'; CREATE ROLE open_end; GRANT SELECT ON t TO endless, open_end`);
    expect((await roleOf(database.url, 'endless')).validUntil).toBe('infinity');
    expect((await roleOf(database.url, 'open_end')).validUntil).toBeNull();
  });

  it('has no jobs without pg_cron', async () => {
    expect((await read(database.url)).cronJobs).toEqual([]);
  });
});

describe('a Supabase project', () => {
  let source: Seeded;

  beforeAll(async () => {
    source = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      database: 'project',
      owner: 'app_owner',
      tinyTables: 5,
      bulkRows: 10,
    });
    const client = await connect(cluster.superuserUrl());
    await client.query('CREATE ROLE nowhere_used');
    await client.end();
  }, 120_000);

  it('has every role but those of the server, also for the owner', async () => {
    const client = await connect(cluster.superuserUrl());
    const { rows } = await client.query(
      `SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname`,
    );
    await client.end();
    const globals = await read(source.ownerUrl);
    expect(namesOf(globals)).toEqual(rows.map(({ rolname }) => rolname));
    expect(namesOf(globals)).toContain('nowhere_used');
    expect(await read(source.superuserUrl)).toEqual(globals);
  });

  it('tells what pg_dump without --create leaves behind', async () => {
    const { database, roles } = await read(source.ownerUrl);
    expect(database.owner).toBe('app_owner');
    expect(database.comment).toBe('a comment that a dump without --create leaves behind\n');
    expect(database.settings).toEqual(
      expect.arrayContaining([
        { name: 'DateStyle', value: 'SQL, DMY' },
        { name: 'TimeZone', value: 'Asia/Kathmandu' },
      ]),
    );
    expect(roles.find(({ name }) => name === 'authenticator')?.settings).toEqual([
      { name: 'lock_timeout', value: '8s' },
      { name: 'statement_timeout', value: '8s' },
    ]);
    expect(roles.find(({ name }) => name === 'app_owner')?.settingsHere.map(({ name }) => name)).toEqual([
      'idle_in_transaction_session_timeout',
      'lock_timeout',
    ]);
  });

  it('has jobs, in the order they were made', async () => {
    const { cronJobs } = await read(source.ownerUrl);
    expect(cronJobs.map(({ name, schedule }) => [name, schedule])).toEqual([
      ['nightly vacuum', '0 3 * * *'],
      [null, '*/5 * * * *'],
    ]);
    expect(cronJobs[0]).toEqual({
      name: 'nightly vacuum',
      schedule: '0 3 * * *',
      command: 'VACUUM',
      database: 'postgres',
      username: 'postgres',
      active: true,
    });
  });
});

describe('jobs of pg_cron', () => {
  it('of an old version have what it knows', async () => {
    const database = await createDatabase(cluster);
    await database.run(`
      CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint PRIMARY KEY, schedule text, command text, nodename text);
      INSERT INTO cron.job VALUES (2, '@daily', 'SELECT 2'), (1, '@hourly', 'SELECT 1')`);
    const job = { name: null, database: database.name, username: 'supabase_admin', active: true };
    expect((await read(database.url)).cronJobs).toEqual([
      { ...job, schedule: '@hourly', command: 'SELECT 1' },
      { ...job, schedule: '@daily', command: 'SELECT 2' },
    ]);
    await database.close();
  });

  it('are those that the role may see, and none when it may not look', async () => {
    const database = await createDatabase(cluster);
    await database.run(`
      CREATE ROLE job_owner LOGIN PASSWORD 'owner';
      CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, schedule text, command text, username text);
      INSERT INTO cron.job VALUES (1, '@hourly', 'mine', 'job_owner'), (2, '@daily', 'theirs', 'somebody');
      ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON cron.job USING (username = CURRENT_USER)`);
    const url = new URL(database.url);
    url.username = 'job_owner';
    url.password = 'owner';
    expect((await read(url.href)).cronJobs).toEqual([]);
    await database.run('GRANT USAGE ON SCHEMA cron TO job_owner; GRANT SELECT ON cron.job TO job_owner');
    expect((await read(url.href)).cronJobs.map(({ command }) => command)).toEqual(['mine']);
    await database.close();
  });
});

describe.runIf(TESTBED_PG17_URL)('memberships since PostgreSQL 16', () => {
  it('have options, of which one grantor who allows is enough', async () => {
    const url = TESTBED_PG17_URL ?? '';
    const [group, member, grantor] = ['group', 'member', 'grantor'].map((name) => `${name}_${process.pid}`);
    const client = await connect(url);
    try {
      await client.query(`
        CREATE ROLE ${group}; CREATE ROLE ${member}; CREATE ROLE ${grantor};
        GRANT ${group} TO ${grantor} WITH ADMIN TRUE;
        GRANT ${group} TO ${member} WITH INHERIT FALSE, SET FALSE;
        GRANT ${group} TO ${member} WITH INHERIT TRUE, SET FALSE GRANTED BY ${grantor};
        ALTER ROLE ${member} IN DATABASE postgres SET work_mem = '1MB'`);
      expect((await roleOf(url, member ?? '')).memberOf).toEqual([
        { role: group, admin: false, inherit: true, set: false },
      ]);
    } finally {
      await client.query(`DROP OWNED BY ${grantor}`);
      await client.query(`DROP ROLE IF EXISTS ${member}, ${grantor}, ${group}`);
      await client.end();
    }
  });
});
