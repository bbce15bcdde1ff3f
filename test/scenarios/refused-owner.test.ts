import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/* A role that owns the target and is no superuser: what only a superuser may make is left out and told, and everything else comes. */

let source: Cluster;
let target: Cluster;
let folder: string;
let databases = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'refused-owner-'));
  [source, target] = await Promise.all([startCluster(), startCluster()]);
  await query(target.superuserUrl(), `CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'of-the-owner'`);
  await query(source.superuserUrl(), 'CREATE ROLE reader; CREATE ROLE lender');
});
afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

async function restoreFrom(
  sql: string,
  words: readonly string[] = [],
): Promise<{ url: string; run: Finished }> {
  databases += 1;
  const from = await createDatabase(source.superuserUrl(), `source_${databases}`);
  await query(from, sql);
  const storage = join(folder, String(databases));
  await succeed(['backup', '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: from } });
  const url = await createDatabase(target.superuserUrl(), `target_${databases}`);
  await query(target.superuserUrl(), `ALTER DATABASE target_${databases} OWNER TO owner`);
  const restoring = new URL(url);
  restoring.username = 'owner';
  restoring.password = 'of-the-owner';
  const env = { SUPABASE_BACKUP_TARGET_URL: restoring.href };
  return { url, run: await runCli(['restore', '--storage', storage, ...words], { env }) };
}

async function read(url: string, sql: string): Promise<unknown> {
  const [row] = await query(url, `SELECT ${sql} AS value`);
  return (row as { value: unknown }).value;
}

test.each(['content', 'counts'])(
  'rows that row security hides from their owner, too, are compared (%s)',
  async (verify) => {
    const sql = `
      CREATE TABLE public.tenant (id int PRIMARY KEY, v text); INSERT INTO public.tenant SELECT n, 'v' FROM generate_series(1, 100) n;
      CREATE TABLE public.plain (id int); INSERT INTO public.plain VALUES (1);
      ALTER TABLE public.tenant ENABLE ROW LEVEL SECURITY; ALTER TABLE public.tenant FORCE ROW LEVEL SECURITY;
      CREATE POLICY mine ON public.tenant USING (id = 1);
      CREATE STATISTICS public.both_columns ON id, v FROM public.tenant;
      CREATE OPERATOR public.=%= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
      CREATE SCHEMA more; CREATE TABLE more.t (id int);
      SELECT lo_from_bytea(4711, '\\x0102')`;
    const { url, run } = await restoreFrom(sql, ['--verify', verify]);
    // Owners that the role may not give it to are told, and no difference.
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toContain('owner');
    const state = `FROM pg_class WHERE oid = 'public.tenant'::regclass`;
    expect(await read(url, `(SELECT relrowsecurity AND relforcerowsecurity ${state})`)).toBe(true);
    expect(await read(url, '(SELECT count(*) FROM public.tenant)')).toBe('100');
  },
);

test('what others have granted is granted by the owner, and nobody may do more', async () => {
  const { url, run } = await restoreFrom(`
    CREATE TABLE public.book (id int); CREATE FUNCTION public.lend() RETURNS int LANGUAGE sql AS 'SELECT 1';
    REVOKE ALL ON FUNCTION public.lend() FROM PUBLIC;
    GRANT SELECT ON public.book TO lender WITH GRANT OPTION; GRANT EXECUTE ON FUNCTION public.lend() TO lender WITH GRANT OPTION;
    SET ROLE lender; GRANT SELECT ON public.book TO reader; GRANT EXECUTE ON FUNCTION public.lend() TO reader`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(0);
  expect(
    await query(
      url,
      `SELECT r.name, has_table_privilege(r.name, 'public.book', 'SELECT') AS book, has_function_privilege(r.name, 'public.lend()', 'EXECUTE') AS lend
       FROM (VALUES ('lender'), ('reader'), ('pg_monitor')) r (name)`,
    ),
  ).toEqual([
    { name: 'lender', book: true, lend: true },
    { name: 'reader', book: true, lend: true },
    { name: 'pg_monitor', book: false, lend: false },
  ]);
});

test('rows of a partition come though its access method may not be created', async () => {
  const { url, run } = await restoreFrom(`
    CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE public.log (k int) PARTITION BY LIST (k); CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1) USING heap2;
    INSERT INTO public.log VALUES (1), (1);`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(3);
  expect(await read(url, '(SELECT count(*) FROM public.log_1)')).toBe('2');
  expect(run.stdout).toContain('access method heap2');
});

test('what belongs to a role that the restore makes is compared, although the connected one is no member of it in the end', async () => {
  await query(source.superuserUrl(), 'CREATE ROLE newcomer');
  const { url, run } = await restoreFrom(`
    CREATE SCHEMA app AUTHORIZATION newcomer; CREATE TABLE app.x (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY);
    INSERT INTO app.x VALUES (1), (2); ALTER TABLE app.x OWNER TO newcomer;
    CREATE SEQUENCE app.alone; ALTER SEQUENCE app.alone OWNER TO newcomer; SELECT nextval('app.alone')`);
  expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 0 });
  expect(await read(url, '(SELECT count(*)::int FROM app.x)')).toBe(2);
  const members = `(SELECT count(*)::int FROM pg_auth_members WHERE roleid = 'newcomer'::regrole AND member = 'owner'::regrole)`;
  expect(await read(url, members)).toBe(0);
});
