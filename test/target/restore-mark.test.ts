import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSession, type Session } from '../../src/postgres/connection.ts';
import { parseConnection } from '../../src/postgres/settings.ts';
import { leaveMark, noteStep, readMark, removeMark } from '../../src/target/restore-mark.ts';
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
    expect(await readMark(session)).toEqual({ ...mark, step });
  }
  await removeMark(session, false);
  expect(await readMark(session)).toBeUndefined();
});
