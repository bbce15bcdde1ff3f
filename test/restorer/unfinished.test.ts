import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { leaveMark, noteStep, readMark, removeMark } from '../../src/restorer/unfinished.ts';
import { createDatabase, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

/* The mark stands in databases that other tools read, too. */

let cluster: Cluster;
let session: Session;
beforeAll(async () => {
  cluster = await startCluster({ settings: { wal_level: 'logical' } });
  const url = await createDatabase(cluster.superuserUrl(), 'marked');
  // As PowerSync, Electric or Debezium ask for it: updates and deletes are refused where a table has no key.
  await query(url, 'CREATE PUBLICATION all_of_it FOR ALL TABLES');
  session = await openSession(parseConnection('target-url', url, {}));
});
afterAll(async () => {
  await session?.close();
  await cluster?.stop();
});

it('is left, kept up and removed where all tables are published', async () => {
  const mark = {
    ...{ backup: '20261120T021700Z-7f3a', startedAt: '2026-11-20T02:17:00.000Z', startedBy: 'octocat' },
    ...{ step: 'beginning', wasEmpty: false, safetyBackup: null },
  };
  await leaveMark(session, mark);
  for (const step of ['Definitions', 'Rows', 'Indexes']) {
    await noteStep(session, step);
    expect(await readMark(session)).toEqual({ ...mark, step, databaseOid: expect.any(Number) });
  }
  await removeMark(session, false);
  expect(await readMark(session)).toBeUndefined();
});

/** What a database may hold against whoever drops a table: nothing but the mark is dropped after it has come. */
function forbidDrops(state: string): string {
  return `CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'drop nothing'; END $$;
    CREATE EVENT TRIGGER forbid ON sql_drop EXECUTE FUNCTION public.forbid(); ALTER EVENT TRIGGER forbid ENABLE ${state}`;
}

it.each([
  ['', 'goes with its schema', 0],
  ['ALWAYS', 'is no mark any more, though its schema stays', 1],
])('where an event trigger %s forbids to drop anything, %s', async (state, _what, schemas) => {
  const url = await createDatabase(cluster.superuserUrl(), `forbidden_${state.toLowerCase()}`);
  const restoring = await openSession(parseConnection('target-url', url, {}));
  const mark = {
    backup: 'x',
    startedAt: 'y',
    startedBy: 'z',
    step: 'beginning',
    wasEmpty: true,
    safetyBackup: null,
  };
  await leaveMark(restoring, mark);
  await query(url, forbidDrops(state));
  await removeMark(restoring, false);
  expect(await readMark(restoring)).toBeUndefined();
  expect(await query(url, `SELECT FROM pg_namespace WHERE nspname = 'supabase_backup'`)).toHaveLength(
    schemas,
  );
  await restoring.close();
});
