import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestoreInputs } from '../../../src/interface/inputs/types.ts';
import { findLost } from '../../../src/operations/restore/loss.ts';
import { inspectTarget, refuseAnother } from '../../../src/operations/restore/target-look.ts';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { createScratchDatabase } from '../../../src/restorer/trial/scratch-database.ts';
import { createRoles } from '../../fixture/seed.ts';
import { makeImageTarget } from '../../fixture/target.ts';
import { makeSupplement } from '../../parity/example.ts';
import { makeManifest } from '../../repository/example.ts';
import { createDatabase, query } from '../../scenarios/shop.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext, emptyContext } from '../../support/context.ts';

/* What a restore finds before it asks, and that what it empties is what it found. */

const minute = 60_000;
const owner = 'app_owner';
let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  await createRoles(cluster.superuserUrl(), owner);
}, minute);
afterAll(async () => {
  await cluster?.stop();
});

const settingsOf = (url: string) => parseConnection('target-url', url, emptyContext);
const look = (url: string, targetKind: RestoreInputs['targetKind'] = 'auto') =>
  inspectTarget(settingsOf(url), { targetKind } as RestoreInputs, createContext());

describe('a look at a container of Supabase', () => {
  it(
    'finds nothing in a new one, and then the tables of who works as its superuser',
    async () => {
      const { url } = await makeImageTarget({
        superuserUrl: cluster.superuserUrl(),
        database: 'image',
        owner,
      });
      expect(await look(url)).toMatchObject({ kind: 'supabase-image', existing: [] });
      await query(url, 'CREATE TABLE public.kept AS SELECT 1 AS id');
      expect(await look(url)).toMatchObject({ existing: ['table public.kept'] });
    },
    minute,
  );

  it(
    'tells what it is, whatever it is to be taken for',
    async () => {
      const { url } = await makeImageTarget({
        superuserUrl: cluster.superuserUrl(),
        database: 'image',
        owner,
      });
      expect(await look(url, 'plain')).toMatchObject({ kind: 'plain', found: 'supabase-image' });
    },
    minute,
  );

  it(
    'calls no function of an index there, and takes such a table for one that has rows',
    async () => {
      const { url } = await makeImageTarget({
        superuserUrl: cluster.superuserUrl(),
        database: 'image',
        owner,
      });
      await query(
        url,
        `CREATE FUNCTION public.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
         ALTER FUNCTION public.trap(int) OWNER TO ${owner}; CREATE TABLE auth.planted (id int);
         CREATE INDEX ON auth.planted ((public.trap(1) + id));
         CREATE OR REPLACE FUNCTION public.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$`,
      );
      const { existing } = await look(url);
      expect(existing).toContain('rows of auth.planted');
    },
    minute,
  );
});

it('a look at a plain target finds the rows that go with an extension, and come with no backup', async () => {
  const url = await createDatabase(cluster.superuserUrl(), 'extended');
  await query(
    url,
    `CREATE EXTENSION citext; CREATE TABLE public.added AS SELECT generate_series(1, 5) AS id; CREATE TABLE public.none (id int);
     ALTER EXTENSION citext ADD TABLE public.added; ALTER EXTENSION citext ADD TABLE public.none; ANALYZE public.added`,
  );
  const { held } = await look(url);
  expect(held).toMatchObject([{ schema: 'public', name: 'added', rows: 5 }]);
  expect(findLost(makeManifest(), await look(url))).toHaveLength(1);
});

describe('what is emptied', () => {
  it('is refused where the address leads to another database by then', async () => {
    const url = await createDatabase(cluster.superuserUrl(), 'emptied');
    const state = await look(url);
    const session = await openSession(settingsOf(url));
    await refuseAnother(session, state);
    await expect(refuseAnother(session, { ...state, databaseOid: 1 })).rejects.toThrow(
      /emptied is now another database/,
    );
    await expect(refuseAnother(session, { ...state, systemIdentifier: '1' })).rejects.toThrow(
      /now another database/,
    );
    await session.close();
  });

  it('is no database of somebody else that has the name of a scratch one', async () => {
    const manifest = makeManifest({ facts: { ...makeManifest().facts, roles: [] } });
    const name = `supabase_backup_drill_${manifest.id.toLowerCase().replace('-', '_')}`;
    const url = await createDatabase(cluster.superuserUrl(), name);
    await query(url, `CREATE TABLE public.kept AS SELECT 1 AS id; ALTER DATABASE ${name} OWNER TO ${owner}`);
    const make = async () => {
      await using made = await createScratchDatabase(
        settingsOf(cluster.superuserUrl()),
        manifest,
        makeSupplement({ roles: [], definitions: [] }),
        createContext(),
      );
      return made.settings.database;
    };
    await expect(make()).rejects.toThrow(/already, and it belongs to app_owner/);
    expect(await query(url, 'SELECT id FROM public.kept')).toEqual([{ id: 1 }]);
    await query(cluster.superuserUrl(), `ALTER DATABASE ${name} OWNER TO CURRENT_USER`);
    expect(await make()).toBe(name);
  });
});
