import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInputs } from '../../src/interface/inputs/parse.ts';
import { run } from '../../src/operations/run.ts';
import type { Parity } from '../../src/parity/compare.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { readManifest } from '../../src/repository/backups/manifests.ts';
import { createReader } from '../../src/repository/objects/store.ts';
import { openRepository } from '../../src/repository/open.ts';
import { chooseRecovery } from '../../src/restorer/choose.ts';
import { prepareRestore } from '../../src/restorer/execute.ts';
import type { RestoreRequest } from '../../src/restorer/request.ts';
import { PhaseClock } from '../../src/runtime/phase-clock.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { createContext, emptyContext, presentContext } from '../support/context.ts';

/* A backup, brought forward by what was captured after it, as a restore does it. */

let cluster: Cluster;
const folder = mkdtempSync(path.join(tmpdir(), 'bring-forward-'));

beforeAll(async () => {
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '1GB' } });
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const context = createContext({ temporaryFolder: folder, now: () => new Date() });

/** A source with its own repository */
async function createSource(definitions: string) {
  const source = await createDatabase(cluster);
  await source.run(definitions);
  const storage = path.join(folder, source.name);
  const operate = async (operation: string) => {
    const given: Record<string, string> = { operation, 'database-url': source.url, storage };
    const outcome = await run(
      parseInputs((name) => given[name], {}),
      context,
    );
    expect(outcome.exitCode).toBe(0);
  };
  return { source, operate, storage };
}

async function recover(storage: string, overrides: Partial<RestoreRequest> = {}) {
  const repository = await openRepository(new FileStorage(storage, presentContext), undefined);
  const [candidate] = await chooseRecovery(
    repository,
    { backupId: 'latest', recoveryTargetTime: 'latest', encryptionIdentity: [] },
    1,
    context,
  );
  if (candidate === undefined) throw new Error('nothing can be recovered');
  const manifest = await readManifest(repository, candidate.id);
  const target = await createDatabase(cluster);
  const clock = new PhaseClock();
  const prepared = await prepareRestore(
    {
      ...{
        manifest,
        reader: createReader(repository, manifest, []),
        clientPath: undefined,
        installClient: 'auto',
        include: [],
        exclude: [],
      },
      ...{ jobs: 2, verify: 'content', recovery: candidate.recovery },
      settings: parseConnection('target-url', target.url, emptyContext),
      ...overrides,
    },
    context,
    clock,
  );
  const planned = prepared.scope.notCarried.map(({ what }) => what);
  const parity = await prepared.run();
  if (parity === undefined) throw new Error('nothing was compared');
  return { target, parity, planned, clock, scope: prepared.scope };
}

const linesOf = (lines: Parity['groups']['tables']) =>
  Object.fromEntries(lines.map(({ what, expected, found, status }) => [what, { expected, found, status }]));

async function rowsOf(database: Database, table: string): Promise<string[][]> {
  return database.rows(`SELECT t::text FROM ${table} t ORDER BY 1`);
}

describe('a backup that is brought to a point in time', () => {
  it('has the rows and sequences of then, and is compared with what these should be', async () => {
    const { source, operate, storage } = await createSource(
      `CREATE TABLE public.people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
       CREATE TABLE public.still (id serial PRIMARY KEY); CREATE TABLE public.emptied (id int PRIMARY KEY);
       INSERT INTO public.people (name) SELECT 'p' || n FROM generate_series(1, 10) n; INSERT INTO public.still DEFAULT VALUES;
       INSERT INTO public.emptied VALUES (1), (2);
       CREATE TABLE public.seen (what text);
       CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (TG_OP); RETURN NULL; END $$;
       CREATE TRIGGER see AFTER INSERT ON public.people EXECUTE FUNCTION public.see();
       CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) FROM public.people;
       SELECT lo_create(4711)`,
    );
    await operate('capture');
    await source.run(
      `INSERT INTO public.people (name) VALUES ('a'), ('b'), ('c'); DELETE FROM public.people WHERE id = 1;
       UPDATE public.people SET name = 'changed' WHERE id = 2; TRUNCATE public.emptied; INSERT INTO public.emptied VALUES (3)`,
    );
    await source.run('INSERT INTO public.people (id, name) OVERRIDING SYSTEM VALUE VALUES (-1, NULL)');
    await operate('capture');
    const { target, parity, clock, scope } = await recover(storage);
    for (const table of ['people', 'still', 'emptied', 'seen']) {
      expect(await rowsOf(target, `public.${table}`)).toEqual(await rowsOf(source, `public.${table}`));
    }
    expect(await rowsOf(target, 'public.counted')).toEqual([['(13)']]);
    expect(linesOf(parity.groups.tables)).toMatchObject({
      'public.people': {
        expected: '13 rows, 10 of the backup, 4 added, 1 removed since',
        found: '13 rows',
        status: 'equal',
      },
      'public.emptied': { expected: '1 rows, emptied since the backup', found: '1 rows', status: 'equal' },
      'public.still': { status: 'equal' },
      'public.seen': { expected: '2 rows, 0 of the backup, 2 added, 0 removed since', status: 'equal' },
    });
    expect(linesOf(parity.groups.tables)['public.still']?.expected).toMatch(/^1 rows, …[0-9a-f]{8}$/);
    expect(linesOf(parity.groups.sequences)).toMatchObject({
      'public.people_id_seq': { expected: '13', found: '13', status: 'equal' },
      'public.still_id_seq': { expected: '1', found: '1', status: 'equal' },
    });
    expect(parity.groups.freshness).toEqual([]);
    expect(parity.equal).toBe(true);
    expect(scope.replayed).toMatchObject({ transactions: 2, tables: 3, endedBefore: null });
    expect(Object.keys(clock.milliseconds())).toContain('replay');
    expect(scope.notCarried.map(({ what }) => what)).toContain('changes of large objects since the backup');
    await target.run(`INSERT INTO public.people (name) VALUES ('next')`);
    expect(await target.rows('SELECT max(id) FROM public.people')).toEqual([['14']]);
  });

  it('says what it leaves as the backup has it, and goes around foreign keys that no longer hold', async () => {
    const { source, operate, storage } = await createSource(
      `CREATE TABLE public.people (id int PRIMARY KEY); INSERT INTO public.people VALUES (1), (2), (3);
       CREATE TABLE public.keyless (person int REFERENCES public.people, what text); INSERT INTO public.keyless VALUES (1, 'one'), (2, 'two');
       CREATE TABLE public.visits (person int REFERENCES public.people, part int) PARTITION BY LIST (part);
       CREATE TABLE public.visits1 PARTITION OF public.visits FOR VALUES IN (1); INSERT INTO public.visits VALUES (1, 1);
       CREATE TABLE public.held (person int PRIMARY KEY REFERENCES public.people);
       CREATE TABLE public.idle (what text); INSERT INTO public.idle VALUES ('x');
       CREATE UNLOGGED TABLE public.unlogged (id int PRIMARY KEY)`,
    );
    await operate('capture');
    await source.run(`UPDATE public.idle SET what = 'z'`);
    await operate('backup');
    await source.run(
      `UPDATE public.keyless SET person = 3 WHERE person = 1; UPDATE public.visits SET person = 2; INSERT INTO public.held VALUES (2); DELETE FROM public.people WHERE id = 1; INSERT INTO public.people VALUES (4);
       INSERT INTO public.unlogged VALUES (1)`,
    );
    await operate('capture');
    const { target, parity, planned, scope } = await recover(storage);
    expect(await rowsOf(target, 'public.people')).toEqual([['(2)'], ['(3)'], ['(4)']]);
    expect(await rowsOf(target, 'public.keyless')).toEqual([['(1,one)'], ['(2,two)']]);
    expect(planned).toContain('changes of public.keyless since the backup');
    // It changed before the backup, and nobody knows from the captured log alone.
    expect(planned).toContain('changes of public.idle since the backup');
    expect(await rowsOf(target, 'public.idle')).toEqual([['(z)']]);
    const left = scope.notCarried.map(({ what }) => what);
    expect(left).toContain('changes of public.keyless since the backup');
    expect(left).toContain('changes of public.unlogged since the backup');
    expect(left).not.toContain('changes of public.idle since the backup');
    expect(left.filter((what) => what.includes('_fkey')).sort()).toEqual([
      'constraint public.visits1 visits_person_fkey',
      'fk constraint public.keyless keyless_person_fkey',
      'fk constraint public.visits visits_person_fkey',
    ]);
    expect(parity.groups.tables.find(({ what }) => what === 'public.keyless')?.status).toBe('equal');
    // Keys that rows break hold for new ones, on a partitioned table partition by partition.
    expect(
      parity.groups.definitions
        .filter(({ status, why }) => status === 'different' && why !== undefined)
        .map(({ what }) => what),
    ).toEqual([
      'public.keyless keyless_person_fkey',
      'public.visits visits_person_fkey',
      'public.visits1 visits_person_fkey',
    ]);
    expect(
      await target.rows(
        `SELECT conrelid::regclass, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1::text`,
      ),
    ).toEqual([
      ['held', 't'],
      ['keyless', 'f'],
      ['visits1', 'f'],
    ]);
  });

  it('may be a part of it, of which the rest is passed over', async () => {
    const { source, operate, storage } = await createSource(
      `CREATE TABLE public.wanted (id serial PRIMARY KEY); CREATE TABLE public.other (id serial PRIMARY KEY);
       INSERT INTO public.wanted DEFAULT VALUES; INSERT INTO public.other DEFAULT VALUES`,
    );
    await operate('capture');
    await source.run('INSERT INTO public.wanted DEFAULT VALUES; INSERT INTO public.other DEFAULT VALUES');
    await operate('capture');
    const { target, parity, scope } = await recover(storage, { include: ['public.wanted'] });
    expect(await rowsOf(target, 'public.wanted')).toEqual([['(1)'], ['(2)']]);
    expect(parity.equal).toBe(true);
    expect(linesOf(parity.groups.sequences)).toEqual({
      'public.wanted_id_seq': { expected: '2', found: '2', status: 'equal' },
    });
    expect(scope.notCarried).toEqual([]);
  });
});
