import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareData, dumpData, dumpSchema } from '../fixture/dump.ts';
import { vault } from '../fixture/extensions.ts';
import { seedDatabase } from '../fixture/seed.ts';
import { makeProjectTarget, type Target } from '../fixture/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { query } from './shop.ts';

/* What people do with their projects, and what other tools have left in them. */

const minutes = 60_000;
const owner = 'app_owner';
let cluster: Cluster;
let folder: string;
let source: string;
let superuser: string;
const storage = () => join(folder, 'repository');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'project-'));
  cluster = await startCluster({ settings: { wal_level: 'logical' } });
  const seeded = await seedDatabase({
    superuserUrl: cluster.superuserUrl('postgres'),
    ...{ database: 'source', owner, application: false, sessionDefaults: false },
  });
  [source, superuser] = [seeded.ownerUrl, seeded.superuserUrl];
  await query(
    superuser,
    `CREATE PUBLICATION powersync FOR ALL TABLES; DROP SCHEMA cron CASCADE;
     ALTER DATABASE source SET "app.settings.jwt_secret" = 'of the source';
     ${vault('key of the source')}
     SELECT vault.create_secret(E'sk_live_42 \\\\ ü\t', 'stripe', 'payments'), vault.create_secret('second');
     CREATE TABLE realtime.messages_2026_11_22 PARTITION OF realtime.messages FOR VALUES FROM ('2026-11-22') TO ('2026-11-23');
     ALTER TABLE realtime.messages_2026_11_22 OWNER TO supabase_realtime_admin;
     INSERT INTO realtime.messages (topic, extension, inserted_at) VALUES ('room', 'broadcast', '2026-11-19'), ('room', 'broadcast', '2026-11-22');
     CREATE ROLE app_reader; GRANT USAGE ON SCHEMA storage TO ${owner} WITH GRANT OPTION;
     ${grantedExtensions} CREATE EXTENSION citext SCHEMA extensions; CREATE EXTENSION hstore SCHEMA extensions`,
  );
  await query(source, 'GRANT EXECUTE ON FUNCTION extensions.akeys(extensions.hstore) TO app_reader');
  await query(
    source,
    `CREATE TABLE public.customers (id int PRIMARY KEY, name text); INSERT INTO public.customers SELECT n, 'customer ' || n FROM generate_series(1, 50) n;
     CREATE TABLE public.orders (id int PRIMARY KEY, customer int REFERENCES public.customers, total int);
     INSERT INTO public.orders SELECT n, 1 + n % 50, n FROM generate_series(1, 200) n;
     ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
     CREATE POLICY own ON public.orders USING (customer::text = current_setting('request.jwt.claim.sub', true));
     CREATE VIEW public.totals AS SELECT customer, sum(total) AS total FROM public.orders GROUP BY 1;
     GRANT USAGE ON SCHEMA storage TO app_reader`,
  );
  await query(
    superuser,
    `INSERT INTO auth.users (id, email) SELECT gen_random_uuid(), 'u' || n || '@example.com' FROM generate_series(1, 5) n`,
  );
  await succeed(['backup', '--storage', storage()], { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
}, 5 * minutes);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What the platform lets its user do with what extensions make; these come by the restore, by way of the server's own trust in them. */
const grantedExtensions = `
  DROP EXTENSION citext; DROP EXTENSION hstore;
  ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA extensions GRANT ALL ON FUNCTIONS TO ${owner} WITH GRANT OPTION;`;

function restore(target: Target, ...options: string[]): Promise<Finished> {
  return runCli(['restore', '--storage', storage(), ...options], {
    env: { SUPABASE_BACKUP_TARGET_URL: target.url },
  });
}

async function makeProject(database: string, rootKey = 'key of the source'): Promise<Target> {
  const project = await makeProjectTarget({
    superuserUrl: cluster.superuserUrl('postgres'),
    ...{ database, owner, samePlatform: true },
  });
  await query(project.superuserUrl, `${grantedExtensions} ${vault(rootKey)}`);
  return project;
}

/** All that differs: only a superuser publishes all tables, here and where supautils does not help with it. */
const unpublished =
  /^Different:\n\n[^\n]*\n[^\n]*\nowner publication powersync .*\npublication powersync .*\n\n/m;

const dump = async (url: string) => ({
  schema: await dumpSchema(url, cluster.binFolder),
  data: await dumpData(url, cluster.binFolder),
});

describe('a restore into a project', () => {
  test(
    'with a publication of all tables, settings of its own and without pg_cron ends well',
    async () => {
      const project = await makeProject('published');
      await query(
        project.superuserUrl,
        `CREATE PUBLICATION electric FOR ALL TABLES; DROP SCHEMA cron CASCADE;
       GRANT USAGE ON SCHEMA storage TO ${owner} WITH GRANT OPTION;
       ALTER DATABASE published SET "app.settings.jwt_secret" = 'of the target';
       ALTER DATABASE published SET "app.settings.jwt_exp" = '3600'`,
      );
      const run = await restore(project);
      expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 3 });
      expect(run.stdout).toMatch(unpublished);
      expect(run.stdout).not.toContain('of the source');
      expect(run.stdout).toMatch(/table realtime\.messages_2026_11_22 .*1 of that day are left out/);
      const [kept] = await query(
        project.superuserUrl,
        `SELECT setconfig::text AS settings, has_schema_privilege('app_reader', 'storage', 'USAGE') AS reads FROM pg_db_role_setting
       WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = 'published')`,
      );
      expect(kept).toEqual({
        settings: '{"app.settings.jwt_secret=of the target",app.settings.jwt_exp=3600}',
        reads: true,
      });

      // And once more, over what is there now.
      const words = ['--clean', '--confirm', 'RESTORE PRODUCTION', '--safety-backup', 'false'];
      await query(
        project.superuserUrl,
        `GRANT DELETE ON ALL TABLES IN SCHEMA auth, storage, realtime, vault TO ${owner}`,
      );
      const again = await restore(project, ...words);
      expect(again, again.stderr + again.stdout).toMatchObject({ exitCode: 3 });
      expect(again.stdout).toMatch(unpublished);
    },
    5 * minutes,
  );
});

describe('secrets of Vault', () => {
  const secrets = 'SELECT name, description, decrypted_secret FROM vault.decrypted_secrets ORDER BY 3';

  test(
    'are made anew in a project with the root key of the source, and lost in another',
    async () => {
      const project = await makeProject('keyed');
      const run = await restore(project);
      expect(run.stdout).toMatch(unpublished);
      expect(run.stdout).toMatch(/2 secrets of Vault: made anew/);
      expect(run.stdout + run.stderr).not.toContain('sk_live_42');
      const found = await query(project.superuserUrl, secrets);
      expect(found).toHaveLength(2);
      expect(found).toEqual(await query(superuser, secrets));

      const other = await makeProject('other', 'another key');
      const lost = await restore(other);
      expect(lost).toMatchObject({ exitCode: 3 });
      expect(lost.stdout).toMatch(
        /lost table data vault\.secrets +there +nothing +the server refused 2 of 2 secrets: .+; they are lost/,
      );
      expect(lost.stdout).toMatch(/SELECT vault\.create_secret\(convert_from\(/);
      expect(await query(other.superuserUrl, 'SELECT id FROM vault.secrets')).toEqual([]);
    },
    5 * minutes,
  );
});

describe('extensions that a restore into a project creates', () => {
  test(
    'have the grants of that project, and get none a second time',
    async () => {
      const project = await makeProject('extended');
      const run = await restore(project);
      expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 3 });
      expect(run.stdout).toMatch(unpublished);
      expect(run.stdout).not.toMatch(/acl extensions\./i);
      const rights = `SELECT p.oid::regprocedure::text AS function, p.proacl::text AS list FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension e ON e.oid = d.refobjid AND e.extname IN ('citext', 'hstore') ORDER BY 1`;
      const found = await query(project.superuserUrl, rights);
      expect(found.length).toBeGreaterThan(90);
      expect(
        found.filter(({ list }) => String(list).includes('app_reader')).map((row) => row.function),
      ).toEqual(['extensions.akeys(extensions.hstore)']);
      const of = (rows: Record<string, unknown>[]) =>
        rows.filter((row) => !String(row.list).includes('app_reader'));
      expect(of(found)).toEqual(of(await query(superuser, rights)));
    },
    5 * minutes,
  );
});

describe('a part of a backup, into a project that is in use', () => {
  test(
    'replaces the table and nothing else',
    async () => {
      const project = await makeProject('used');
      expect((await restore(project)).exitCode).toBe(3);
      const before = await dump(project.superuserUrl);
      await query(project.url, `UPDATE public.customers SET name = 'spoilt'`);
      const words = ['--clean', '--confirm', 'RESTORE PRODUCTION', '--safety-backup', 'false'];
      for (const pattern of ['public.customers', 'public.orders, public.totals']) {
        const run = await restore(project, '--include', pattern, ...words);
        expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 0 });
      }
      const after = await dump(project.superuserUrl);
      expect(after.schema).toBe(before.schema);
      expect(compareData(before.data, after.data)).toEqual([]);
    },
    5 * minutes,
  );

  test(
    'leaves tables of the platform alone that have rows, and says what to do instead',
    async () => {
      const project = await makeProject('accounts');
      await query(project.superuserUrl, `INSERT INTO auth.users (id) VALUES (gen_random_uuid())`);
      const before = await dump(project.superuserUrl);
      for (const words of [[], ['--clean', '--confirm', 'RESTORE PRODUCTION', '--safety-backup', 'false']]) {
        const run = await restore(project, '--include', 'auth.users', ...words);
        expect(run.exitCode).toBe(2);
        expect(run.stderr).toMatch(
          /include: the target has rows of auth\.users already, .*\n→ .*side-schema/,
        );
      }
      expect(await dump(project.superuserUrl)).toEqual(before);
    },
    5 * minutes,
  );
});
