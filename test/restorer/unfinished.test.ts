import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { leaveMark, noteStep, readMark, removeMark } from '../../src/restorer/unfinished.ts';
import { createDatabase, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';

/* The mark stands in databases that other tools read, too. */

let cluster: Cluster;
let session: Session;
beforeAll(async () => {
  cluster = await startCluster({ settings: { wal_level: 'logical' } });
  const url = await createDatabase(cluster.superuserUrl(), 'marked');
  // As PowerSync, Electric or Debezium ask for it: updates and deletes are refused where a table has no key.
  await query(url, 'CREATE PUBLICATION all_of_it FOR ALL TABLES');
  session = await openSession(parseConnection('target-url', url, emptyContext));
});
afterAll(async () => {
  await session?.close();
  await cluster?.stop();
});

it('is left, kept up and removed where all tables are published', async () => {
  const mark = {
    ...{ backup: '20261120T021700Z-7f3a', startedAt: '2026-11-20T02:17:00.000Z', startedBy: 'octocat' },
    ...{ wasEmpty: false, safetyBackup: null },
  };
  await leaveMark(session, mark);
  const databaseOid = expect.any(Number);
  const beginning = { step: 'beginning', stepName: 'beginning' };
  expect(await readMark(session)).toEqual({ ...mark, ...beginning, databaseOid });
  for (const [step, title] of [
    [{ name: 'definitions' }, 'Definitions'],
    [{ name: 'rows', tables: 1 }, 'Rows of 1 table'],
    [{ name: 'comparing' }, 'Comparing with the backup'],
  ] as const) {
    await noteStep(session, step);
    expect(await readMark(session)).toEqual({ ...mark, step: title, stepName: step.name, databaseOid });
  }
  await removeMark(session, false);
  expect(await readMark(session)).toBeUndefined();
});

it.each([
  ['Comparing with the backup', 'comparing'],
  ['Sequences and large objects', 'sequences and large objects'],
  ['Rows of 12 tables', undefined],
])('of an older version, which kept only %j of its step, is read', async (step, stepName) => {
  const begun = { backup: 'x', startedAt: 'y', startedBy: 'z', wasEmpty: true, safetyBackup: null };
  await leaveMark(session, begun);
  await session.query(
    `UPDATE supabase_backup.unfinished_restore SET mark = mark - 'stepName' || jsonb_build_object('step', $1::text)`,
    [step],
  );
  expect(await readMark(session)).toMatchObject({ ...begun, step, stepName });
  await removeMark(session, false);
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
  const restoring = await openSession(parseConnection('target-url', url, emptyContext));
  const mark = {
    backup: 'x',
    startedAt: 'y',
    startedBy: 'z',
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
