import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareData, type DataDump, dumpData, dumpSchema } from '../fixture/dump.ts';
import { type Seeded, seedDatabase } from '../fixture/seed.ts';
import {
  forgetProject,
  makeImageTarget,
  makePlainTarget,
  makeProjectTarget,
  type Target,
  type TargetOptions,
} from '../fixture/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';

/*
 * A backup taken by a role that is no superuser goes into an empty database, into a container of Supabase and into a hosted project of
 * another version: rows, what the user has added to the platform's tables, and the privileges of everybody.
 */

const minutes = 60_000;
const owner = 'app_owner';
const folder = mkdtempSync(path.join(tmpdir(), 'target-kinds-'));
const storage = path.join(folder, 'repository');
const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;

let home: Cluster;
let away: Cluster;
let source: Seeded;
let schema: Map<string, string>;
let data: DataDump;

beforeAll(async () => {
  home = await startCluster({ major: 15 });
  away = await startCluster({ major: 15 });
  source = await seedDatabase({
    superuserUrl: home.superuserUrl('postgres'),
    database: 'source',
    owner,
    tinyTables: 30,
    bulkRows: 20_000,
    superuserObjects: false,
  });
  schema = splitDump(await dumpSchema(source.superuserUrl, home.binFolder));
  data = await dumpData(source.superuserUrl, home.binFolder);
  const env = { SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl };
  const run = await runCli(['backup', '--storage', storage, '--client-path', home.binFolder], { env });
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
}, 5 * minutes);
afterAll(async () => {
  await home?.stop();
  await away?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function restore(target: Target, bin: string, words: readonly string[] = []): Promise<Finished> {
  return runCli(['restore', '--storage', storage, '--client-path', bin, ...words], {
    env: { SUPABASE_BACKUP_TARGET_URL: target.url },
  });
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The statements of a dump by their headings, without what says where in the file they stand. */
function splitDump(text: string): Map<string, string> {
  const parts = text.split(/^--\n-- Name: (?=.*; Type: )/m).slice(1);
  return new Map(
    parts.map((part) => {
      const [, name = '', body = ''] = /^(.*?)\n--\n(.*)$/s.exec(part) ?? [];
      const text = body.replace(/^SET default_.*$/gm, '').trim();
      // Items of default privileges lie in the order in which the server got its roles.
      return [name, name.includes('; Type: DEFAULT ACL;') ? text.split('\n').sort().join('\n') : text];
    }),
  );
}

/** The headings of what is not the same, `+` only in the target, `-` only in the source, `~` in both. */
async function compareSchema(target: Target, bin: string): Promise<string[]> {
  const found = splitDump(await dumpSchema(target.superuserUrl, bin));
  return [...new Set([...schema.keys(), ...found.keys()])]
    .filter((name) => schema.get(name) !== found.get(name))
    .map(
      (name) =>
        `${found.has(name) ? (schema.has(name) ? '~' : '+') : '-'} ${name.replace(/; Owner: .*/s, '')}`,
    )
    .sort();
}

/** What a role can reach, by whichever way, in the words of the server. */
async function readReach(url: string, role: string): Promise<string[]> {
  const rows = await query<{ what: string }>(
    url,
    `SELECT format('%s %I.%I', p, n.nspname, c.relname) AS what
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
          unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND has_table_privilege('${role}', c.oid, p)
     UNION ALL
     SELECT format('%s %I.%I', p, n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
          unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS p
     WHERE c.relkind = 'S' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND has_sequence_privilege('${role}', c.oid, p)
     UNION ALL
     SELECT format('EXECUTE %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND has_function_privilege('${role}', p.oid, 'EXECUTE')
     UNION ALL
     SELECT format('%s schema %I', p, nspname) FROM pg_namespace, unnest(ARRAY['USAGE', 'CREATE']) AS p
     WHERE nspname !~ '^pg_' AND has_schema_privilege('${role}', oid, p)
     ORDER BY 1`,
  );
  return rows.map(({ what }) => what);
}

const defaultPrivileges = `
  SELECT pg_get_userbyid(defaclrole) AS role, defaclnamespace::regnamespace::text AS schema, defaclobjtype AS type,
         -- MAINTAIN came with PostgreSQL 17, and ALL means it there.
         ARRAY(SELECT regexp_replace(i::text, '(=[^/]*)m', '\\1') FROM unnest(defaclacl) AS i ORDER BY 1) AS items
  FROM pg_default_acl ORDER BY 1, 2, 3`;

/** Nobody of the API reaches more than in the source, but for what is the target's own. */
async function expectNoWider(target: Target, own: RegExp = /$^/): Promise<void> {
  for (const role of ['anon', 'authenticated', 'service_role']) {
    const before = new Set(await readReach(source.superuserUrl, role));
    const wider = (await readReach(target.superuserUrl, role)).filter(
      (what) => !before.has(what) && !own.test(what),
    );
    expect(wider, role).toEqual([]);
  }
  expect(await query(target.superuserUrl, defaultPrivileges)).toEqual(
    await query(source.superuserUrl, defaultPrivileges),
  );
}

const options = (server: string, database: string): TargetOptions => ({
  superuserUrl: server,
  database,
  owner,
});

/** The table of a line of `compareData`, or what kind of line it is. */
const nameDifference = (line: string): string => line.replace(/(:| and).*/s, '');

/** Rows of the fixture that `makeProjectTarget` has no place for, and columns that only one of the two has. */
const differentRows = [
  'auth.flow_state',
  'auth.users',
  'auth.sessions',
  'auth.refresh_tokens',
  'cron.job',
  'vault.secrets',
  // Sequences of these.
  'only on the left',
  'only on the left',
  'only on the left',
  'only on the right',
  'only on the right',
];

/** What the user has on tables of the platform and a project takes. */
const added = [
  "It's theirs; -- really",
  'Public avatars',
  'Users upload to their own folder 1oj01fe_0',
  'on_auth_user_created',
];

async function readAdded(target: Target): Promise<string[]> {
  const rows = await query<{ name: string }>(
    target.superuserUrl,
    `SELECT tgname::text AS name FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND NOT tgisinternal
     UNION ALL SELECT polname FROM pg_policy WHERE polrelid = 'storage.objects'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

describe('an empty database of a server that has never heard of Supabase', () => {
  it(
    'gets the roles, and then everything as it was',
    async () => {
      const target = await makePlainTarget(options(away.superuserUrl('postgres'), 'plain'));
      const run = await restore(target, away.binFolder);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      expect(await compareSchema(target, away.binFolder)).toEqual([]);
      expect(compareData(data, await dumpData(target.superuserUrl, away.binFolder))).toEqual([]);
      await expectNoWider(target);
    },
    5 * minutes,
  );
});

const hasCron = existsSync(`/usr/share/postgresql/15/extension/pg_cron.control`);

describe.skipIf(!hasCron)('a server that has pg_cron, and has not loaded it', () => {
  it(
    'gets everything else, and says what it would take',
    async () => {
      await using cron = await startCluster({
        major: 15,
        settings: { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'jobs' },
      });
      await query(cron.superuserUrl('postgres'), 'CREATE DATABASE jobs');
      const url = cron.superuserUrl('jobs');
      await query(
        url,
        `CREATE EXTENSION pg_cron; CREATE TABLE kept (id int); INSERT INTO kept VALUES (1);
         SELECT cron.schedule('nightly', '0 3 * * *', 'VACUUM')`,
      );
      const own = path.join(folder, 'with-cron');
      const words = ['--storage', own, '--client-path', cron.binFolder];
      const backup = await runCli(['backup', ...words], { env: { SUPABASE_BACKUP_DATABASE_URL: url } });
      expect(backup, backup.stderr).toMatchObject({ exitCode: 0 });
      const target = await makePlainTarget(options(away.superuserUrl('postgres'), 'without_cron'));
      const run = await runCli(['restore', ...words], { env: { SUPABASE_BACKUP_TARGET_URL: target.url } });
      expect(run, run.stderr).toMatchObject({ exitCode: 3 });
      expect(await query(target.url, 'SELECT * FROM kept')).toEqual([{ id: 1 }]);
      expect(run.stdout).toMatch(/extension pg_cron .*the server refused it: /);
      expect(run.stdout).toMatch(/cron jobs? .*no pg_cron/);
    },
    5 * minutes,
  );
});

describe('a container of Supabase, as its superuser', () => {
  it(
    'becomes what the source was, the platform included',
    async () => {
      const target = await makeImageTarget(options(away.superuserUrl('postgres'), 'image'));
      const run = await restore(target, away.binFolder);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      expect(await compareSchema(target, away.binFolder)).toEqual([]);
      expect(compareData(data, await dumpData(target.superuserUrl, away.binFolder))).toEqual([]);
      await expectNoWider(target);
    },
    5 * minutes,
  );

  it(
    'is refused when it has rows of a user',
    async () => {
      const target = await makeImageTarget(options(away.superuserUrl('postgres'), 'image'));
      await query(target.superuserUrl, `INSERT INTO storage.buckets (id, name) VALUES ('mine', 'mine')`);
      expectRefusal(await restore(target, away.binFolder), {
        exitCode: 2,
        says: /not empty: it has rows of storage\.buckets/,
      });
    },
    5 * minutes,
  );
});

/** Functions that extensions have only in the versions that come with PostgreSQL 17. */
const ofExtensions = /^EXECUTE extensions\.(hash_ltree|hash_ltree_extended|pg_stat_statements)\(/;

describe.skipIf(TESTBED_PG17_URL === undefined)('PostgreSQL 17, from a backup of 15', () => {
  const server = TESTBED_PG17_URL ?? '';
  const bin = TESTBED_PG17_BIN ?? '';
  const databases = ['target_kinds_plain', 'target_kinds_project'] as const;
  afterAll(async () => {
    for (const database of databases) {
      await query(server, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    }
    await forgetProject(options(server, 'postgres'));
  }, minutes);

  it(
    'gets everything into an empty database',
    async () => {
      const target = await makePlainTarget(options(server, databases[0]));
      const run = await restore(target, bin);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      expect(compareData(data, await dumpData(target.superuserUrl, bin))).toEqual([]);
      await expectNoWider(target, ofExtensions);
    },
    5 * minutes,
  );

  it(
    'gets the rows and what the user has added into a project',
    async () => {
      const target = await makeProjectTarget(options(server, databases[1]));
      const run = await restore(target, bin);
      // Rows of tables that the target's platform lacks are lost.
      expect(run, run.stderr).toMatchObject({ exitCode: 3 });
      expect(compareData(data, await dumpData(target.superuserUrl, bin)).map(nameDifference)).toEqual(
        differentRows,
      );
      expect(await readAdded(target)).toEqual(added);
      await expectNoWider(target, new RegExp(`${ofExtensions.source}|auth\\.one_time_tokens`));
    },
    5 * minutes,
  );
});

/** What the project of `makeProjectTarget` has, or has not, because its platform is of another version. */
const ofThePlatform = /(refresh_tokens|mfa_factors|one_time_tokens)/;

describe('a project made since it opens nothing in public by itself', () => {
  /** Whether somebody of the API reaches what its user creates there after the restore. */
  const opens = async (project: Target, name: string): Promise<boolean> => {
    await query(project.url, `CREATE TABLE public.${name} (id serial)`);
    const [found] = await query<{ reached: boolean }>(
      project.superuserUrl,
      `SELECT bool_or(has_table_privilege(role, 'public.${name}', 'SELECT') OR has_sequence_privilege(role, 'public.${name}_id_seq', 'USAGE'))
         AS reached FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS role`,
    );
    return found?.reached === true;
  };

  it(
    'stays so, whatever the source granted, and is opened where that is asked for',
    async () => {
      const project = await makeProjectTarget({
        ...options(away.superuserUrl('postgres'), 'closed'),
        opensPublic: false,
      });
      const run = await restore(project, away.binFolder);
      // Rows of tables that the target's platform lacks are lost.
      expect(run, run.stderr).toMatchObject({ exitCode: 3 });
      expect(run.stdout).toMatch(
        /default privileges public\.tables of app_owner to anon +the target does not grant this .*ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "public" GRANT/,
      );
      expect(await opens(project, 'later')).toBe(false);
      for (const role of ['anon', 'authenticated', 'service_role']) {
        const before = new Set(await readReach(source.superuserUrl, role));
        const reached = await readReach(project.superuserUrl, role);
        expect(reached.filter((what) => !before.has(what) && !/one_time_tokens/.test(what))).toEqual([]);
      }

      const asked = await makeProjectTarget({
        ...options(away.superuserUrl('postgres'), 'closed'),
        opensPublic: false,
      });
      const outcome = await restore(asked, away.binFolder, ['--default-privileges', 'source']);
      expect(outcome, outcome.stderr).toMatchObject({ exitCode: 3 });
      expect(await opens(asked, 'later')).toBe(true);
    },
    5 * minutes,
  );
});

describe('a hosted project of another version', () => {
  let target: Target;
  let run: Finished;

  beforeAll(async () => {
    target = await makeProjectTarget(options(away.superuserUrl('postgres'), 'project'));
    run = await restore(target, away.binFolder);
  }, 5 * minutes);

  it('keeps its own definitions, and gets what the user has added, as far as the server lets it', async () => {
    const differences = await compareSchema(target, away.binFolder);
    expect(differences.filter((line) => !ofThePlatform.test(line))).toEqual([
      // Refused by the server: those of a table that the role does not own.
      '- TRIGGER on_auth_user_created ON users; Type: COMMENT; Schema: auth',
      // Calls a function that the target lacks.
      '- messages Members may read; Type: POLICY; Schema: realtime',
      '- topic(); Type: FUNCTION; Schema: realtime',
      '- users Admins read users; Type: POLICY; Schema: auth',
      '- users_created_at_idx; Type: INDEX; Schema: auth',
      // Given again by the owner, where another role had given a part of it.
      '~ TABLE granted; Type: ACL; Schema: routines',
      // Columns of other versions.
      '~ flow_state; Type: TABLE; Schema: auth',
      '~ sessions; Type: TABLE; Schema: auth',
      '~ users; Type: TABLE; Schema: auth',
    ]);
    for (const line of differences.filter((name) => name.startsWith('+'))) {
      expect(line).toContain('one_time_tokens');
    }
    expect(await readAdded(target)).toEqual(added);
  });

  it('gets every row that it has a place for', async () => {
    const differences = compareData(data, await dumpData(target.superuserUrl, away.binFolder));
    expect(differences.map(nameDifference)).toEqual(differentRows);
    const columns = (url: string, table: string, without: string) =>
      query(
        url,
        `SELECT md5(string_agg((to_jsonb(t) - '${without}')::text, ' ' ORDER BY id)) AS rows, count(*) FROM ${table} t`,
      );
    for (const [table, column] of [
      ['auth.users', 'is_new'],
      ['auth.sessions', 'user_agent'],
    ] as const) {
      expect(await columns(target.superuserUrl, table, column)).toEqual(
        await columns(source.superuserUrl, table, column),
      );
    }
  });

  it('is not the place where somebody reaches more than in the source', async () => {
    await expectNoWider(target, /auth\.one_time_tokens/);
  });

  it('says what it could not bring, and finds no other difference', async () => {
    expect(run, run.stderr).toMatchObject({ exitCode: 3 });
    for (const line of [
      /table auth\.refresh_tokens .*its 37 rows are lost/,
      /column auth\.sessions\.user_agent .*46 values are lost, all of them the same/,
      /policy realtime\.messages Members may read .*needs function realtime\.topic\(\)/,
      /rows of vault\.secrets .*cannot insert.*SELECT vault\.create_secret\(convert_from\(vault\._crypto_aead_det_decrypt\(/,
      /policy auth\.users Admins read users .*must be owner of table users/,
    ]) {
      expect(run.stdout).toMatch(line);
    }
    expect(run.stderr).toMatch(/table auth\.mfa_factors: the platform's own/);
    expect(run.stderr).toMatch(/rows of auth\.schema_migrations, cron\.job, .*: the target keeps its own/);
  });

  it('leaves nothing switched off', async () => {
    const [state] = await query(target.url, 'SHOW session_replication_role');
    expect(state).toEqual({ session_replication_role: 'origin' });
    const disabled = `SELECT tgrelid::regclass::text AS table, tgname, tgenabled FROM pg_trigger WHERE tgenabled <> 'O' ORDER BY 1, 2`;
    expect(await query(target.superuserUrl, disabled)).toEqual(await query(source.superuserUrl, disabled));
  });

  it(
    'gets a part of it: accounts, and what belongs to them',
    async () => {
      const part = await makeProjectTarget(options(away.superuserUrl('postgres'), 'part'));
      const words = ['--include', 'auth.users,public.profiles'];
      const outcome = await restore(part, away.binFolder, words);
      // A policy of the user's on a table of the platform, which only its owner may make, is missing.
      expect(outcome, outcome.stderr).toMatchObject({ exitCode: 3 });
      expect(outcome.stdout).toMatch(/policy auth\.users Admins read users .*must be owner of table users/);
      expect(
        await query(
          part.superuserUrl,
          'SELECT count(*)::int FROM auth.users JOIN public.profiles USING (id)',
        ),
      ).toEqual([{ count: 50 }]);
      // What is restored is no more open than it was, and what comes after it is as the project wants it.
      const reach = `SELECT has_table_privilege('anon', 'public.profiles', 'TRUNCATE') AS can`;
      expect(await query(part.superuserUrl, reach)).toEqual(await query(source.superuserUrl, reach));
      const fresh = await makeProjectTarget(options(away.superuserUrl('postgres'), 'fresh'));
      expect(await query(part.superuserUrl, defaultPrivileges)).toEqual(
        await query(fresh.superuserUrl, defaultPrivileges),
      );
    },
    5 * minutes,
  );

  it(
    'that does not let triggers be switched off gets the rows all the same, and it is said',
    async () => {
      const strict = options(away.superuserUrl('postgres'), 'strict');
      const project = await makeProjectTarget(strict);
      await forgetProject(strict);
      const outcome = await restore(project, away.binFolder);
      expect(outcome.stdout).toMatch(
        /rows loaded without the platform's triggers .*session_replication_role/,
      );
      const counts = `SELECT (SELECT count(*)::int FROM auth.identities) AS identities, (SELECT count(*)::int FROM auth.sessions) AS sessions,
                             (SELECT count(*)::int FROM storage.objects) AS objects, (SELECT count(*)::int FROM public.profiles) AS profiles`;
      expect(await query(project.superuserUrl, counts)).toEqual(await query(source.superuserUrl, counts));
      expect(outcome.stdout).toMatch(/policy storage\.objects Public avatars .*must be owner/);
      await expectNoWider(project, /auth\.one_time_tokens/);
    },
    5 * minutes,
  );

  it(
    'is refused when it has a user, and not because of what the platform made',
    async () => {
      const occupied = await makeProjectTarget(options(away.superuserUrl('postgres'), 'occupied'));
      await query(occupied.superuserUrl, `INSERT INTO auth.users (id) VALUES (gen_random_uuid())`);
      const words = ['--dry-run'];
      expectRefusal(await restore(occupied, away.binFolder), { exitCode: 2, says: /rows of auth\.users/ });
      await query(occupied.superuserUrl, 'DELETE FROM auth.users');
      const plan = await restore(occupied, away.binFolder, words);
      expect(plan, plan.stderr).toMatchObject({ exitCode: 0 });
      expect(plan.stdout).toMatch(/table auth\.refresh_tokens .*its 37 rows are lost/);
    },
    minutes,
  );
});
