import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ArchiveEntry, readContents } from '../../../src/postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import type { ConnectionSettings } from '../../../src/postgres/session/settings.ts';
import { ArchiveRestore } from '../../../src/restorer/archive/restore.ts';
import { steps } from '../../../src/restorer/archive/steps.ts';
import { TargetError } from '../../../src/runtime/errors.ts';
import { asRole, createDatabase, type Database } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext } from '../../support/context.ts';

/* A restore by a role that is no superuser, of objects some of which only a superuser can make. */

let cluster: Cluster;
let entries: ArchiveEntry[];
const folder = mkdtempSync(path.join(tmpdir(), 'archive-restore-'));
const archive = path.join(folder, 'archive');
const context = createContext({ temporaryFolder: folder });

beforeAll(async () => {
  cluster = await startCluster();
  const source = await createDatabase(cluster);
  await source.run(`
    CREATE ROLE guest LOGIN PASSWORD 'guest'; CREATE ROLE stranger; CREATE ROLE friend; GRANT friend TO guest;
    CREATE TABLE public.plain (id int PRIMARY KEY);
    CREATE FUNCTION public.quick(int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'int4up';
    CREATE VIEW public.quickly AS SELECT public.quick(id) FROM public.plain;
    CREATE TABLE public.after (id int);
    CREATE TABLE public.theirs (id int); ALTER TABLE public.theirs OWNER TO stranger;
    CREATE TABLE public.friendly (id int); ALTER TABLE public.friendly OWNER TO friend;
    COMMENT ON FUNCTION public.quick(int) IS 'quick'; COMMENT ON TABLE public.after IS 'after';
    ALTER TABLE public.plain OWNER TO guest; ALTER TABLE public.after OWNER TO guest;
    ALTER FUNCTION public.quick(int) OWNER TO guest; ALTER VIEW public.quickly OWNER TO guest;
    GRANT SELECT ON public.after TO friend`);
  const env = clientEnvironment(source.settings, process.env, () => '');
  execFileSync(`${cluster.binFolder}/pg_dump`, ['-Fc', '-f', archive], { env });
  entries = await readContents(client(), archive, ['guest', 'stranger', 'friend', 'supabase_admin'], context);
  await source.close();
}, 60_000);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const client = () => ({
  major: cluster.major,
  version: String(cluster.major),
  pgDump: `${cluster.binFolder}/pg_dump`,
  pgRestore: `${cluster.binFolder}/pg_restore`,
});

async function createTarget(): Promise<{ database: Database; settings: ConnectionSettings }> {
  const database = await createDatabase(cluster, 'OWNER guest');
  return { database, settings: asRole(database.settings, 'guest', 'guest') };
}

async function restore(settings: ConnectionSettings) {
  const file = {
    path: archive,
    client: client(),
    entries,
    settings,
    encoding: 'UTF8',
    searchPaths: { candidates: [], needed: undefined },
    env: clientEnvironment(settings, process.env, () => ''),
    jobs: 2,
    refusedExtensions: 'lost' as const,
    extensionOwners: new Map<string, string>(),
  };
  const restored = new ArchiveRestore(file, context);
  for (const step of steps) if (restored.has(step)) await restored.run(step);
  return restored;
}

const relations = `SELECT relname, pg_get_userbyid(relowner) FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1`;

describe('a restore', () => {
  it('goes on behind what the server refuses, without what needs it, and says so', async () => {
    const { database, settings } = await createTarget();
    await database.run('GRANT CREATE ON SCHEMA public TO friend');
    const { notCarried } = await restore(settings);
    expect(await database.rows(relations)).toEqual([
      ['after', 'guest'],
      ['friendly', 'friend'],
      ['plain', 'guest'],
      ['theirs', 'guest'],
    ]);
    expect(notCarried.map(({ what }) => what).sort()).toEqual([
      'comment public.FUNCTION quick(integer)',
      'function public.quick(integer)',
      'owner public.theirs',
      'view public.quickly',
    ]);
    expect(notCarried.find(({ what }) => what.startsWith('function'))?.why).toMatch(
      /permission denied for language/,
    );
    expect(notCarried.find(({ what }) => what.startsWith('view'))?.why).toMatch(
      /needs function public\.quick/,
    );
    expect(await database.rows(`SELECT obj_description('public.after'::regclass)`)).toEqual([['after']]);
    expect(await database.rows(`SELECT has_table_privilege('friend', 'public.after', 'SELECT')`)).toEqual([
      ['t'],
    ]);
    await database.close();
  });

  it('ends when the server is lost, and calls nothing refused then', async () => {
    const { database, settings } = await createTarget();
    await database.run(`ALTER ROLE guest CONNECTION LIMIT 0`);
    const failure = await restore(settings).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TargetError);
    expect((failure as Error).message).toMatch(/^definitions: .*too many connections for role "guest"/);
    await database.run(`ALTER ROLE guest CONNECTION LIMIT -1`);
    await database.close();
  });

  it('leaves an object with its maker where the owner may not have it there', async () => {
    const { database, settings } = await createTarget();
    await database.run('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    const { notCarried } = await restore(settings);
    expect(
      await database.rows(`SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'friendly'`),
    ).toEqual([['guest']]);
    expect(notCarried.find(({ what }) => what === 'owner public.friendly')?.why).toMatch(
      /permission denied for schema public/,
    );
    await database.close();
  });
});
