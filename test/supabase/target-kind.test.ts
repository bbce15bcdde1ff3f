import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findExistingObjects } from '../../src/restorer/existing-objects.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { readManagedSchemas } from '../../src/supabase/managed-schemas.ts';
import { readTargetCatalog } from '../../src/supabase/target-catalog.ts';
import { chooseTargetKind, detectTargetKind } from '../../src/supabase/target-kind.ts';
import { makeImageTarget, makePlainTarget, makeProjectTarget, type Target } from '../fixture/target.ts';
import { type Database, openDatabase } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
let plain: Target;
let image: Target;
let project: Target;
const opened: Database[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  const options = (database: string) => ({
    superuserUrl: cluster.superuserUrl('postgres'),
    database,
    owner: 'postgres',
  });
  plain = await makePlainTarget(options('plain'));
  image = await makeImageTarget(options('image'));
  project = await makeProjectTarget(options('project'));
}, 120_000);
afterAll(async () => {
  for (const database of opened) await database.close();
  await cluster?.stop();
});

async function open(url: string): Promise<Database> {
  const database = await openDatabase(url);
  opened.push(database);
  return database;
}

const session = async (url: string) => (await open(url)).open();

describe('a target', () => {
  it('is taken for what it is', async () => {
    expect(await detectTargetKind(await session(plain.url))).toBe('plain');
    expect(await detectTargetKind(await session(image.url))).toBe('supabase-image');
    expect(await detectTargetKind(await session(project.url))).toBe('supabase-project');
  });

  it("with schemas of the same names that are a user's own is plain", async () => {
    const database = await open(plain.url);
    await database.run(
      'CREATE SCHEMA auth AUTHORIZATION postgres; CREATE SCHEMA storage AUTHORIZATION postgres',
    );
    expect(await detectTargetKind(await database.open())).toBe('plain');
    await database.run('DROP SCHEMA auth, storage');
  });

  it('is taken for what it is said to be, where the role can do what that takes', async () => {
    expect(await chooseTargetKind(await session(image.url), 'supabase-project')).toBe('supabase-project');
    expect(await chooseTargetKind(await session(image.url), 'plain')).toBe('plain');
    const asImage = async (url: string) => chooseTargetKind(await session(url), 'supabase-image');
    await expect(asImage(plain.url)).rejects.toThrow(ConfigurationError);
    await expect(asImage(project.url)).rejects.toThrow(/not a superuser/);
  });
});

describe('managed schemas', () => {
  it("are those of the platform, and not a user's of the same name", async () => {
    const database = await open(image.superuserUrl);
    await database.run('CREATE SCHEMA topology AUTHORIZATION postgres');
    const managed = await readManagedSchemas(await database.open());
    await database.run('DROP SCHEMA topology');
    expect([...managed].sort()).toEqual(['auth', 'cron', 'graphql_public', 'realtime', 'storage', 'vault']);
  });
});

describe('the catalog of a target', () => {
  it('finds objects by what an archive calls them', async () => {
    const target = await readTargetCatalog(await session(project.url));
    const has = (kind: string, schema: string | undefined, name: string) =>
      target.has({ kind, schema, name });
    expect(has('TABLE', 'auth', 'users')).toBe(true);
    expect(has('INDEX', 'auth', 'users_instance_id_idx')).toBe(true);
    expect(has('CONSTRAINT', 'auth', 'users users_pkey')).toBe(true);
    expect(has('FUNCTION', 'storage', 'foldername(text)')).toBe(true);
    expect(has('FUNCTION', 'storage', 'foldername(integer)')).toBe(false);
    expect(has('TRIGGER', 'storage', 'objects update_objects_updated_at')).toBe(true);
    expect(has('POLICY', 'cron', 'job cron_job_policy')).toBe(true);
    expect(has('TYPE', 'auth', 'aal_level')).toBe(true);
    expect(has('ROW SECURITY', 'auth', 'users')).toBe(true);
    expect(has('PUBLICATION', undefined, 'supabase_realtime')).toBe(true);
    expect(has('EXTENSION', undefined, 'hstore')).toBe(true);
    expect(has('TABLE', 'auth', 'mfa_factors')).toBe(false);
  });

  it('knows what can be written, and which columns take a value', async () => {
    const target = await readTargetCatalog(await session(project.url));
    expect(target.findTable({ schema: 'vault', name: 'secrets' })?.writable).toBe(false);
    const users = target.findTable({ schema: 'auth', name: 'users' });
    expect(users).toMatchObject({ writable: true });
    expect(users?.columns).toContain('is_new');
    expect(users?.columns).not.toContain('confirmed_at');
    expect(target.findTable({ schema: 'auth', name: 'mfa_factors' })).toBeUndefined();
  });
});

describe('what keeps a project from being empty', () => {
  it('is nothing that comes with it', async () => {
    expect(await findExistingObjects(await session(project.url), 'supabase-project')).toEqual([]);
    expect(await findExistingObjects(await session(image.url), 'supabase-image')).toEqual([]);
  });

  it.each([
    ['a table', 'CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO postgres', ['table public.t']],
    [
      'a row of the platform',
      `INSERT INTO storage.buckets (id, name) VALUES ('b', 'b')`,
      ['rows of storage.buckets'],
    ],
    [
      'a trigger on a table of the platform',
      `CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'; ALTER FUNCTION public.f() OWNER TO postgres;
       CREATE TRIGGER mine AFTER INSERT ON auth.users EXECUTE FUNCTION public.f()`,
      ['function public.f', 'trigger mine on auth.users'],
    ],
    [
      'a policy there',
      'CREATE POLICY mine ON storage.objects USING (true)',
      ['policy mine on storage.objects'],
    ],
    [
      'a function there',
      `CREATE FUNCTION auth.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION auth.mine() OWNER TO postgres`,
      ['function auth.mine'],
    ],
  ])('is %s', async (_what, sql, expected) => {
    const database = await open(image.superuserUrl);
    const asked = await database.open();
    await asked.query(`BEGIN; ${sql}`);
    const found = (await findExistingObjects(asked, 'supabase-image')).map(({ what }) => what);
    await asked.query('ROLLBACK');
    expect(found.sort()).toEqual(expected);
  });

  it('is not a migration of the platform, nor a connection to it', async () => {
    const database = await open(image.superuserUrl);
    await database.run(
      `INSERT INTO realtime.messages (topic, extension, inserted_at) VALUES ('a', 'b', '2026-11-17')`,
    );
    expect(await findExistingObjects(await database.open(), 'supabase-image')).toEqual([]);
  });
});
