import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { type Emptied, emptyDatabase } from '../../../src/restorer/clean/clean.ts';
import { findExistingObjects } from '../../../src/restorer/existing-objects.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import type { TargetKind } from '../../../src/supabase/target-kind.ts';
import { dumpSchema } from '../../fixture/dump.ts';
import { makeRecords, writeRecord } from '../../fixture/records-schema.ts';
import { createRoles, reconnect, seedDatabase } from '../../fixture/seed.ts';
import { createDatabase, query } from '../../scenarios/shop.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { emptyContext } from '../../support/context.ts';

/* Emptied, a database is what it was before its user came: pg_dump, which knows nothing of us, sees no difference. */

const minutes = 60_000;
const owner = 'app_owner';
let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  await createRoles(cluster.superuserUrl(), owner);
});
afterAll(async () => {
  await cluster?.stop();
});

/** Default privileges are taken away by the restore itself, whether the target was emptied or not. */
function withoutDefaults(text: string): string {
  return text.replace(/^--\n-- Name: DEFAULT PRIVILEGES .*\n--\n+(ALTER DEFAULT PRIVILEGES .*\n+)*/gm, '');
}

async function empty(url: string, kind: TargetKind): Promise<Emptied> {
  const session = await openSession(parseConnection('target-url', url, emptyContext));
  try {
    return await emptyDatabase(session, kind);
  } finally {
    await session.close();
  }
}

const dump = (url: string) => dumpSchema(url, cluster.binFolder);

const count = async (url: string, from: string): Promise<number> =>
  Number((await query<{ n: string }>(url, `SELECT count(*) AS n FROM ${from}`))[0]?.n);

function asOwner(url: string): string {
  return reconnect(url, { user: owner, password: 'of-the-owner' });
}

describe('a plain database, emptied', () => {
  it(
    'is like a new one, whatever was in it',
    async () => {
      const { superuserUrl } = await seedDatabase({
        superuserUrl: cluster.superuserUrl(),
        database: 'everything',
        owner,
        tinyTables: 50,
        bulkRows: 100,
      });
      await query(
        superuserUrl,
        `CREATE SCHEMA supabase_backup; CREATE TABLE supabase_backup.tokens (token text);
         GRANT ALL ON SCHEMA public TO anon; ALTER SCHEMA public OWNER TO anon; COMMENT ON SCHEMA public IS 'other';
         CREATE LANGUAGE ours HANDLER plpgsql_call_handler;
         CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))`,
      );
      expect(await empty(superuserUrl, 'plain')).toEqual({ transactions: 1, left: [], kept: [] });
      const fresh = await createDatabase(cluster.superuserUrl(), 'fresh');
      expect(withoutDefaults(await dump(superuserUrl))).toBe(withoutDefaults(await dump(fresh)));
      expect(await count(superuserUrl, 'pg_largeobject_metadata')).toBe(0);
      expect(await query(superuserUrl, `SELECT extname FROM pg_extension`)).toEqual([{ extname: 'plpgsql' }]);
      const settings = await query(
        superuserUrl,
        `SELECT FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = 'everything')`,
      );
      expect(settings).toEqual([]);
    },
    2 * minutes,
  );

  it('needs no superuser where the role owns everything, and keeps an extension that it could not bring back', async () => {
    const admin = cluster.superuserUrl();
    await query(admin, `CREATE DATABASE owned OWNER ${owner}`);
    const superuser = reconnect(admin, { database: 'owned' });
    await query(superuser, 'CREATE SCHEMA fdw; CREATE EXTENSION postgres_fdw SCHEMA fdw');
    await query(superuser, `ALTER SCHEMA fdw OWNER TO ${owner}`);
    const before = await dump(superuser);
    const url = asOwner(superuser);
    await query(
      url,
      `CREATE TABLE public.t (id serial PRIMARY KEY); CREATE VIEW public.v AS SELECT * FROM public.t;
       CREATE TABLE fdw.t (id int); CREATE TYPE fdw.r AS RANGE (subtype = float8); CREATE DOMAIN fdw.d AS int;
       CREATE FUNCTION fdw.f(IN a int, OUT b int) LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE fdw.p(a int) LANGUAGE sql AS 'SELECT 1';
       CREATE AGGREGATE fdw.total(int) (SFUNC = int4pl, STYPE = int); CREATE EXTENSION citext;
       SELECT lo_create(77)`,
    );
    expect(await empty(url, 'plain')).toEqual({ transactions: 1, left: [], kept: [] });
    expect(await dump(superuser)).toBe(before);
  });

  it('keeps the records of ours, which do not make it a database that is not empty', async () => {
    const url = await createDatabase(cluster.superuserUrl(), 'with_records');
    await query(url, makeRecords);
    await query(url, writeRecord);
    const before = await dump(url);
    await query(
      url,
      'CREATE TABLE public.t (id int); CREATE SCHEMA supabase_backup_records_of_mine; SELECT lo_create(78)',
    );
    expect(await empty(url, 'plain')).toEqual({
      transactions: 1,
      left: [],
      kept: ['supabase_backup_records'],
    });
    expect(withoutDefaults(await dump(url))).toBe(withoutDefaults(before));
    expect(await count(url, 'supabase_backup_records.backup_jobs')).toBe(1);
    const session = await openSession(parseConnection('target-url', url, emptyContext));
    expect(await findExistingObjects(session, 'plain')).toEqual([]);
    await session.close();
  });

  it('loses what only looks like records', async () => {
    const url = await createDatabase(cluster.superuserUrl(), 'with_other_records');
    await query(url, `${makeRecords} COMMENT ON SCHEMA supabase_backup_records IS 'mine'`);
    expect(await empty(url, 'plain')).toMatchObject({ kept: [] });
    expect(await query(url, `SELECT to_regnamespace('supabase_backup_records') AS it`)).toEqual([
      { it: null },
    ]);
  });

  it('is left as it was when the role may not remove something', async () => {
    const admin = cluster.superuserUrl();
    await query(admin, `CREATE DATABASE mixed OWNER ${owner}`);
    const superuser = reconnect(admin, { database: 'mixed' });
    await query(superuser, 'CREATE SCHEMA theirs; CREATE TABLE theirs.t (id int)');
    const url = asOwner(superuser);
    await query(url, 'CREATE TABLE public.mine (id int)');
    const before = await dump(superuser);
    const refused = empty(url, 'plain');
    await expect(refused).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refused).rejects.toThrow(/must be owner of table t; nothing was removed/);
    expect(await dump(superuser)).toBe(before);
  });

  it('is refused while it has a subscription, which holds a slot elsewhere', async () => {
    const url = await createDatabase(cluster.superuserUrl(), 'subscriber');
    await query(
      url,
      `CREATE SUBSCRIPTION "the sub" CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)`,
    );
    await expect(empty(url, 'plain')).rejects.toThrow(/subscriptions \(the sub\)/);
    await query(url, `DROP SUBSCRIPTION "the sub"`);
    expect(await empty(url, 'plain')).toEqual({ transactions: 1, left: [], kept: [] });
  });

  it('is emptied in batches where the server has too few locks for one transaction', async () => {
    await using small = await startCluster({
      settings: { max_locks_per_transaction: '10', max_connections: '20', max_prepared_transactions: '0' },
    });
    const url = await createDatabase(small.superuserUrl(), 'many');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('CREATE TABLE parted (id int) PARTITION BY LIST (id)');
    for (let n = 0; n < 150; n++) {
      await client.query(`CREATE TABLE t${n} (id serial PRIMARY KEY, v text); SELECT lo_create(0)`);
      await client.query(`CREATE TABLE part${n} PARTITION OF parted FOR VALUES IN (${n})`);
    }
    await client.query(`
      CREATE FUNCTION noisy() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
      CREATE EVENT TRIGGER noisy ON sql_drop EXECUTE FUNCTION noisy()`);
    await client.end();
    const { transactions, left } = await empty(url, 'plain');
    expect(transactions).toBeGreaterThan(1);
    expect(left).toEqual([]);
    expect(await dumpSchema(url, small.binFolder)).toBe(
      await dumpSchema(await createDatabase(small.superuserUrl(), 'fresh'), small.binFolder),
    );
    expect(await count(url, 'pg_largeobject_metadata')).toBe(0);
  });
});

describe('a Supabase project, emptied', () => {
  it(
    'keeps what is the platform’s, and loses the user’s rows, guard or no guard',
    async () => {
      const options = { superuserUrl: cluster.superuserUrl(), owner, sessionDefaults: false };
      const project = await seedDatabase({
        ...options,
        database: 'project',
        tinyTables: 20,
        bulkRows: 100,
        superuserObjects: false,
      });
      const fresh = await seedDatabase({ ...options, database: 'new_project', application: false });
      await query(cluster.superuserUrl(), `GRANT SET ON PARAMETER session_replication_role TO ${owner}`);
      await query(
        project.superuserUrl,
        `GRANT DELETE ON ALL TABLES IN SCHEMA auth, storage, realtime, vault, cron TO ${owner}`,
      );
      const migrations = await query(project.superuserUrl, 'SELECT * FROM storage.migrations ORDER BY id');
      const { transactions, left } = await empty(project.ownerUrl, 'supabase-project');
      expect(transactions).toBe(1);
      for (const table of [
        'auth.users',
        'auth.identities',
        'storage.objects',
        'storage.buckets',
        'vault.secrets',
      ]) {
        expect(await count(project.superuserUrl, table), table).toBe(0);
      }
      expect(await query(project.superuserUrl, 'SELECT * FROM storage.migrations ORDER BY id')).toEqual(
        migrations,
      );
      // The triggers went with their functions; what belongs to the platform's roles, this role may not drop, and says so.
      expect(
        await query(
          project.superuserUrl,
          `SELECT FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND NOT tgisinternal`,
        ),
      ).toEqual([]);
      expect(left.map(({ what }) => what).filter((what) => /"Admins read users"/.test(what))).toEqual([
        'policy "Admins read users" on auth.users',
      ]);
      const schemas = (url: string) =>
        query(url, `SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1`);
      expect(await schemas(project.superuserUrl)).toEqual(await schemas(fresh.superuserUrl));
      expect(await count(project.superuserUrl, 'pg_default_acl WHERE defaclnamespace <> 0')).toBe(
        await count(fresh.superuserUrl, 'pg_default_acl WHERE defaclnamespace <> 0'),
      );
    },
    2 * minutes,
  );
});

describe('a Supabase project without pg_cron, emptied', () => {
  it('needs no schema of it', async () => {
    const { ownerUrl, superuserUrl } = await seedDatabase({
      ...{ superuserUrl: cluster.superuserUrl(), owner, sessionDefaults: false },
      ...{ database: 'no_cron', application: false },
    });
    await query(superuserUrl, 'DROP SCHEMA cron CASCADE');
    await query(ownerUrl, 'CREATE TABLE public.t (id int)');
    expect((await empty(ownerUrl, 'supabase-project')).transactions).toBe(1);
    expect(await query(superuserUrl, `SELECT to_regclass('public.t') AS t`)).toEqual([{ t: null }]);
  });
});

const { TESTBED_PG17_URL, TESTBED_PG17_BIN = '' } = process.env;

describe.skipIf(TESTBED_PG17_URL === undefined)('a database of PostgreSQL 17, emptied', () => {
  it(
    'is like a new one',
    async () => {
      const url = TESTBED_PG17_URL ?? '';
      const database = `emptied_${process.pid}`;
      const bare = await createDatabase(url, `bare_${process.pid}`);
      try {
        const { superuserUrl } = await seedDatabase({
          superuserUrl: url,
          ...{ database, owner, tinyTables: 20, bulkRows: 100 },
        });
        expect((await empty(superuserUrl, 'plain')).left).toEqual([]);
        const text = withoutDefaults(await dumpSchema(superuserUrl, TESTBED_PG17_BIN));
        expect(text).toBe(await dumpSchema(bare, TESTBED_PG17_BIN));
      } finally {
        await query(url, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
        await query(url, `DROP DATABASE bare_${process.pid}`);
      }
    },
    2 * minutes,
  );
});
