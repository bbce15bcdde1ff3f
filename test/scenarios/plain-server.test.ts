import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queues, vectors } from '../fixture/extensions.ts';
import { seedDatabase } from '../fixture/seed.ts';
import { makeImageTarget, makePlainTarget } from '../fixture/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { query } from './shop.ts';

/*
 * What a project has of the platform goes to a server that has never heard of it, under a superuser of another name, without the platform's
 * extensions: event triggers of supabase_admin, jobs, queues, default privileges in schemas of extensions.
 */

const minutes = 60_000;
const hasCron = existsSync('/usr/share/postgresql/15/extension/pg_cron.control');

let home: Cluster;
let away: Cluster;
let folder: string;
let ownerUrl: string;
let superuserUrl: string;

/** As the platform does it after CREATE EXTENSION pg_cron. */
const cron = `
  DROP SCHEMA cron CASCADE;
  CREATE EXTENSION pg_cron;
  GRANT USAGE ON SCHEMA cron TO postgres WITH GRANT OPTION;
  ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA cron GRANT ALL ON TABLES TO postgres WITH GRANT OPTION;
  ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA cron GRANT ALL ON SEQUENCES TO postgres WITH GRANT OPTION;
  ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA cron GRANT ALL ON FUNCTIONS TO postgres WITH GRANT OPTION;
  GRANT ALL ON ALL TABLES IN SCHEMA cron TO postgres WITH GRANT OPTION;
  REVOKE ALL ON cron.job FROM postgres;
  GRANT SELECT ON cron.job TO postgres WITH GRANT OPTION;`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plain-server-'));
  const settings = { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'source' };
  home = await startCluster({ major: 15, ...(hasCron ? { settings } : {}) });
  away = await startCluster({ major: 15, superuser: 'root' });
  const seeded = await seedDatabase({
    superuserUrl: home.superuserUrl('postgres'),
    ...{ database: 'source', owner: 'postgres', application: false, sessionDefaults: false },
  });
  ({ ownerUrl, superuserUrl } = seeded);
  await query(
    superuserUrl,
    `${hasCron ? cron : ''}
     ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA extensions GRANT ALL ON FUNCTIONS TO postgres WITH GRANT OPTION;
     CREATE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
     CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch();
     CREATE FUNCTION public.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
     ALTER FUNCTION public.note_ddl() OWNER TO postgres;
     CREATE EVENT TRIGGER of_the_user ON ddl_command_end EXECUTE FUNCTION public.note_ddl();
     UPDATE pg_event_trigger SET evtowner = 'postgres'::regrole WHERE evtname = 'of_the_user';
     ${queues}`,
  );
  await query(
    superuserUrl,
    `SELECT pgmq.create('mail'); INSERT INTO pgmq.q_mail (vt, message) SELECT now(), '{}' FROM generate_series(1, 19)`,
  );
  await query(
    superuserUrl,
    'GRANT USAGE ON SCHEMA pgmq TO postgres; GRANT SELECT ON ALL TABLES IN SCHEMA pgmq TO postgres',
  );
  if (hasCron)
    await query(superuserUrl, `INSERT INTO cron.job_run_details (jobid, runid) VALUES (1, 1), (1, 2)`);
  await query(
    ownerUrl,
    `CREATE EXTENSION fuzzystrmatch SCHEMA extensions;
     CREATE TABLE public.orders (id int PRIMARY KEY, total int); INSERT INTO public.orders SELECT n, n FROM generate_series(1, 200) n;
     ${hasCron ? `SELECT cron.schedule('nightly', '0 3 * * *', 'VACUUM')` : ''}`,
  );
  await succeed(['backup', '--storage', join(folder, 'project')], {
    env: { SUPABASE_BACKUP_DATABASE_URL: ownerUrl },
  });
}, 5 * minutes);
afterAll(async () => {
  await Promise.all([home?.stop(), away?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const plain = { database: 'restored', owner: 'postgres' };

const describeServer = () =>
  query(
    away.superuserUrl(),
    'SELECT datname AS name FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1',
  );

const run = (word: string, repository: string, ...words: string[]): Promise<Finished> =>
  runCli([word, '--storage', join(folder, repository), ...words], {
    env: { SUPABASE_BACKUP_TARGET_URL: away.superuserUrl(word === 'drill' ? 'postgres' : 'restored') },
  });

describe('a project, on a server that has nothing of the platform', () => {
  test(
    'passes its drill, which says what the server lacked',
    async () => {
      const before = await describeServer();
      const drill = await run('drill', 'project');
      expect(drill, drill.stderr + drill.stdout).toMatchObject({ exitCode: 0 });
      expect(drill.stdout).toMatch(
        /extension pgmq +the server does not have its files; everything that needs it is left out/,
      );
      expect(drill.stdout).toMatch(
        /rows of pgmq\.q_mail +the server does not have the files .* 19 rows of the queue are left out/,
      );
      if (hasCron) {
        expect(drill.stdout).toMatch(/extension pg_cron +the server refused it: /);
        expect(drill.stdout).toMatch(
          /table data cron\.job_run_details +its extension is missing; 2 rows are left out/,
        );
        expect(drill.stdout).toMatch(
          /grants, values and comments +they belong to extensions, .*acl cron\.TABLE job/,
        );
        expect(drill.stdout).toMatch(/default privileges cron\.tables of supabase_admin to postgres/);
      }
      expect(await describeServer()).toEqual(before);
    },
    5 * minutes,
  );

  test(
    'is restored, and what the server lacks is lost, in few lines',
    async () => {
      const target = await makePlainTarget({ ...plain, superuserUrl: away.superuserUrl() });
      const restore = await run('restore', 'project');
      expect(restore, restore.stderr + restore.stdout).toMatchObject({ exitCode: 3 });
      const [, list = ''] =
        /Not brought by this restore:\n\n[^\n]*\n[^\n]*\n(.*?)\n\n/s.exec(restore.stdout) ?? [];
      expect(list.split('\n').map((line) => line.replace(/ {2,}.*/, ''))).toEqual([
        'extension pgmq',
        'rows of pgmq.meta',
        'rows of pgmq.q_mail',
        'SUPERUSER of role supabase_admin',
        'LOGIN of postgres, supabase_admin, supabase_auth_admin, supabase_storage_admin',
        ...(hasCron ? ['extension pg_cron', 'table data cron.job_run_details'] : []),
        'owner event trigger of_the_user',
        'owner event trigger pgrst_ddl_watch',
        ...(hasCron ? [expect.stringMatching(/^\d+ grants, values and comments$/), 'cron jobs'] : []),
        'database owner',
      ]);
      expect(await query(target.superuserUrl, 'SELECT count(*)::int FROM public.orders')).toEqual([
        { count: 200 },
      ]);
      const triggers = 'SELECT evtname FROM pg_event_trigger ORDER BY 1';
      expect(await query(target.superuserUrl, triggers)).toEqual(await query(superuserUrl, triggers));
    },
    5 * minutes,
  );
});

describe('an extension that the user of a project has created', () => {
  const owner = `SELECT pg_get_userbyid(extowner) AS owner FROM pg_extension WHERE extname = 'fuzzystrmatch'`;

  test(
    'is his in a container, and is told where he may create none',
    async () => {
      const image = await makeImageTarget({ ...plain, superuserUrl: home.superuserUrl(), database: 'image' });
      const env = { SUPABASE_BACKUP_TARGET_URL: image.url };
      const restore = await runCli(['restore', '--storage', join(folder, 'project')], { env });
      expect(restore.stdout).toMatch(/extension pgmq /);
      expect(restore.stdout).not.toMatch(/owner extension fuzzystrmatch/);
      expect(await query(image.superuserUrl, owner)).toEqual([{ owner: 'postgres' }]);

      const drill = await run('drill', 'project');
      expect(drill, drill.stderr + drill.stdout).toMatchObject({ exitCode: 0 });
      expect(drill.stdout).toMatch(/\d+ owners: extension .* an extension belongs to whoever created it/);
    },
    5 * minutes,
  );
});

describe('a table of a type that the server lacks', () => {
  const backup = async (repository: string): Promise<void> => {
    await succeed(['backup', '--storage', join(folder, repository)], {
      env: { SUPABASE_BACKUP_DATABASE_URL: ownerUrl },
    });
  };

  test(
    'is no reason for a drill to fail as long as it is empty, and is one with its rows',
    async () => {
      await query(superuserUrl, `${vectors} GRANT USAGE ON TYPE extensions.vector TO postgres`);
      await query(
        ownerUrl,
        `CREATE TABLE public.docs (id int PRIMARY KEY, embedding extensions.vector);
         CREATE VIEW public.dimensions AS SELECT id, extensions.vector_dims(embedding) FROM public.docs`,
      );
      await backup('vectors');
      const empty = await run('drill', 'vectors');
      expect(empty, empty.stderr + empty.stdout).toMatchObject({ exitCode: 0 });
      expect(empty.stdout).toMatch(/extension vector .*everything that needs it is left out/);
      expect(empty.stdout).toMatch(/table public\.docs .*extension vector/);

      await query(ownerUrl, `INSERT INTO public.docs SELECT n, '{1, 2}' FROM generate_series(1, 20) n`);
      await backup('vectors');
      const filled = await run('drill', 'vectors', '--fallback', '0');
      expect(filled, filled.stderr + filled.stdout).toMatchObject({ exitCode: 3 });
      expect(filled.stdout).toMatch(
        /rows of public\.docs +the table needs an extension that the server lacks; 20 rows are lost/,
      );
    },
    5 * minutes,
  );
});
