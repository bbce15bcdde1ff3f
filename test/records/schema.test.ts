import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { recordsSchema } from '../../src/postgres/own-schema.ts';
import { openSession } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { migrations } from '../../src/records/migrations.ts';
import { prepareSchema } from '../../src/records/schema.ts';
import { readOurs } from '../../src/source/own-schemas.ts';
import { reconnect } from '../fixture/seed.ts';
import { query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';
import { dropReader } from './setting.ts';

const { TESTBED_PG17_URL, TESTBED_PG18_URL } = process.env;
const { signal } = new AbortController();
const name = `records_schema_${process.pid}`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

describe.each<[major: number, server: () => string | undefined]>([
  [15, () => cluster.superuserUrl()],
  [17, () => TESTBED_PG17_URL],
  [18, () => TESTBED_PG18_URL],
])('the schema of the records on PostgreSQL %i', (major, server) => {
  const isThere = major === 15 || (major === 17 ? TESTBED_PG17_URL : TESTBED_PG18_URL) !== undefined;
  const check = it.skipIf(!isThere);
  let url: string;

  beforeEach(async () => {
    const admin = server();
    if (admin === undefined) return undefined;
    await query(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await query(admin, `CREATE DATABASE ${name} TEMPLATE template0`);
    url = reconnect(admin, { database: name });
    return async () => {
      await query(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await dropReader(admin);
    };
  });

  async function prepare(steps = migrations) {
    await using session = await openSession(parseConnection('database-url', url, emptyContext), signal);
    return await prepareSchema(session, steps);
  }
  const addJob = (id: string, status = 'done') =>
    query(
      url,
      `INSERT INTO ${recordsSchema}.backup_jobs (id, repository, operation, backup_type, status, exit_code, started_at, completed_at, new_bytes, actor, host, tool_version, record)
       VALUES ('${id}', 'r', 'backup', 'full', '${status}', 0, now() - interval '2 minutes', now(), 10, 'a', 'machine', '1', '{}')`,
    );

  check('is made once, by any number of runs, and is ours', async () => {
    const newest = migrations.length;
    const all = await Promise.all([prepare(), prepare(), prepare()]);
    expect(all.map((readiness) => readiness.kind === 'ready' && readiness.from).sort()).toEqual([
      0,
      newest,
      newest,
    ]);
    expect(await prepare()).toEqual({ kind: 'ready', version: newest, from: newest });
    await using session = await openSession(parseConnection('database-url', url, emptyContext), signal);
    const [made] = await query<{ xmin: string }>(
      url,
      `SELECT xmin FROM pg_namespace WHERE nspname = '${recordsSchema}'`,
    );
    // The transaction that made it is noted as ours.
    expect(await readOurs(session)).toEqual({
      schemas: [recordsSchema],
      transactions: [BigInt(made?.xmin ?? 0)],
    });
  });

  check('runs no code of the owner of the database, who may have made it', async () => {
    const admin = server() ?? '';
    const tenant = `records_tenant_${process.pid}`;
    await query(admin, `CREATE ROLE ${tenant}`);
    try {
      await query(admin, `ALTER DATABASE ${name} OWNER TO ${tenant}`);
      await prepare();
      await query(
        url,
        `CREATE FUNCTION public.climb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE ${tenant} SUPERUSER'; RETURN NEW; END $$;
         ALTER FUNCTION public.climb() OWNER TO ${tenant};
         CREATE TRIGGER climb BEFORE INSERT ON ${recordsSchema}.transactions FOR EACH ROW EXECUTE FUNCTION public.climb()`,
      );
      await expect(prepare()).rejects.toThrow(`the function climb of the trigger climb is of ${tenant}`);
      await query(
        url,
        `DROP FUNCTION public.climb() CASCADE; ALTER TABLE ${recordsSchema}.backup_jobs OWNER TO ${tenant}`,
      );
      await expect(prepare()).rejects.toThrow(`backup_jobs is of ${tenant}`);
      await query(url, `ALTER SCHEMA ${recordsSchema} OWNER TO ${tenant}`);
      await expect(prepare()).rejects.toThrow(`the schema is of ${tenant}`);
      expect(await query(url, `SELECT rolsuper FROM pg_roles WHERE rolname = '${tenant}'`)).toEqual([
        { rolsuper: false },
      ]);
    } finally {
      await query(admin, `DROP DATABASE ${name} WITH (FORCE)`);
      await query(admin, `DROP ROLE ${tenant}`);
    }
  });

  check('leaves others nothing but reading, whatever default privileges give', async () => {
    const admin = server() ?? '';
    const other = `records_other_${process.pid}`;
    await query(admin, `CREATE ROLE ${other}`);
    try {
      await query(
        url,
        `ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO ${other}; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO ${other};
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO ${other}`,
      );
      await prepare();
      const rights = await query<{ name: string }>(
        url,
        `SELECT c.relname || ' ' || p AS name FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
         WHERE c.relnamespace = '${recordsSchema}'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege('${other}', c.oid, p)
         UNION ALL SELECT p.proname FROM pg_proc p WHERE p.pronamespace = '${recordsSchema}'::regnamespace AND has_function_privilege('${other}', p.oid, 'EXECUTE')
         UNION ALL SELECT 'create' WHERE has_schema_privilege('${other}', '${recordsSchema}', 'CREATE')`,
      );
      expect(rights).toEqual([]);
    } finally {
      await query(admin, `DROP DATABASE ${name} WITH (FORCE)`);
      await query(admin, `DROP ROLE ${other}`);
    }
  });

  check('waits for nobody once it is made', async () => {
    await prepare();
    await using other = await openSession(parseConnection('database-url', url, emptyContext), signal);
    await other.query(`SELECT pg_advisory_lock(hashtext('${recordsSchema}'))`);
    await expect(prepare()).resolves.toMatchObject({ kind: 'ready' });
  });

  check('shows nothing to a role of the readers that somebody else hands out', async () => {
    const admin = server() ?? '';
    await query(admin, 'CREATE ROLE supabase_backup_reader LOGIN');
    await prepare();
    expect(
      await query(
        url,
        `SELECT has_schema_privilege('supabase_backup_reader', '${recordsSchema}', 'USAGE') AS can`,
      ),
    ).toEqual([{ can: false }]);
  });

  check(
    'shows the rows to its owner and to the readers, also through its views, and to nobody else',
    async () => {
      await prepare();
      await addJob('one');
      await addJob('two', 'failed');
      const readAs = (role: string, from: string) =>
        query<{ n: number }>(
          url,
          `SET ROLE ${role}; SELECT count(*)::int AS n FROM ${recordsSchema}.${from}`,
        );
      for (const from of ['backup_jobs', 'recent_jobs', 'change_log'])
        expect(await readAs('supabase_backup_reader', from)).toEqual([{ n: 2 }]);
      expect(
        await query(
          url,
          `SELECT status, jobs::int, percent::float FROM ${recordsSchema}.success_rate ORDER BY 1`,
        ),
      ).toEqual([
        { status: 'done', jobs: 1, percent: 50 },
        { status: 'failed', jobs: 1, percent: 50 },
      ]);
      await expect(
        query(url, `SET ROLE supabase_backup_reader; DELETE FROM ${recordsSchema}.backup_jobs`),
      ).rejects.toThrow(/permission denied/);
      await query(url, 'CREATE ROLE stranger_to_records');
      try {
        await query(
          url,
          `GRANT USAGE ON SCHEMA ${recordsSchema} TO stranger_to_records;
        GRANT SELECT ON ALL TABLES IN SCHEMA ${recordsSchema} TO stranger_to_records`,
        );
        for (const from of ['backup_jobs', 'recent_jobs', 'change_log'])
          expect(await readAs('stranger_to_records', from)).toEqual([{ n: 0 }]);
      } finally {
        await query(url, 'DROP OWNED BY stranger_to_records; DROP ROLE stranger_to_records');
      }
    },
  );

  check('is not noted as ours where an event trigger of a user hears of it', async () => {
    await query(
      url,
      `CREATE FUNCTION public.hear() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
       CREATE EVENT TRIGGER hear_of_records ON ddl_command_end EXECUTE FUNCTION public.hear()`,
    );
    await prepare();
    expect(await query(url, `SELECT FROM ${recordsSchema}.transactions`)).toEqual([]);
  });

  check('keeps a log of changes that only grows', async () => {
    await prepare();
    await addJob('one');
    await query(
      url,
      `UPDATE ${recordsSchema}.backup_jobs SET status = 'failed'; DELETE FROM ${recordsSchema}.backup_jobs`,
    );
    expect(
      await query(
        url,
        `SELECT action, before ->> 'status' AS before, after ->> 'status' AS after FROM ${recordsSchema}.change_log ORDER BY id`,
      ),
    ).toEqual([
      { action: 'INSERT', before: null, after: 'done' },
      { action: 'UPDATE', before: 'done', after: 'failed' },
      { action: 'DELETE', before: 'failed', after: null },
    ]);
    for (const sql of ['DELETE FROM', 'TRUNCATE'])
      await expect(query(url, `${sql} ${recordsSchema}.change_log`)).rejects.toThrow(/only grows/);
  });

  check(
    'is brought from one version to the next, and not touched by an older tool or where it is altered',
    async () => {
      await prepare();
      const next = {
        version: migrations.length + 1,
        sql: `ALTER TABLE ${recordsSchema}.backup_jobs ADD note text`,
      };
      const later = [...migrations, next];
      expect(await prepare(later)).toEqual({ kind: 'ready', version: next.version, from: next.version - 1 });
      expect(await prepare()).toEqual({ kind: 'newer', version: next.version });
      await expect(prepare([...migrations, { ...next, sql: 'SELECT 1' }])).rejects.toThrow(
        /step 2 of the schema supabase_backup_records is not the one/,
      );
    },
  );

  check('leaves nothing where a step fails, and a schema of others alone', async () => {
    await expect(prepare([...migrations, { version: 99, sql: 'SELECT 1/0' }])).rejects.toThrow(/division/);
    expect(await query(url, `SELECT to_regnamespace('${recordsSchema}') AS it`)).toEqual([{ it: null }]);
    await query(url, `CREATE SCHEMA ${recordsSchema}`);
    await expect(prepare()).rejects.toThrow(/has a schema supabase_backup_records of \S+ that is not ours/);
  });
});
