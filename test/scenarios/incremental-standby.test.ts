import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { until } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { runCli } from '../support/run-cli.ts';
import { copyData, dataFolder, runAsOwner, shutDown } from './data-folder.ts';
import { Ladder } from './ladder.ts';
import { createDatabase, query } from './shop.ts';

/** #37 and #30 of the list of ways in which an incremental backup can be wrong: a hot standby as the source, and its promotion. */

let primary: Cluster;
let standby: Cluster;
let ladder: Ladder;
/** The standby with the password of the primary, which is its own since it is a copy */
let standbyUrl: (database: string) => string;

beforeAll(async () => {
  primary = await startCluster({ settings: { autovacuum: 'off' } });
  const source = await createDatabase(primary.superuserUrl(), 'source');
  await query(
    source,
    `CREATE TABLE calm AS SELECT n AS id, md5(n::text) AS text FROM generate_series(1, 3000) n;
     CREATE TABLE lively AS SELECT n AS id, 'first' AS text FROM generate_series(1, 100) n`,
  );
  standby = await startCluster({ settings: { autovacuum: 'off' } });
  const copy = join(primary.folder, 'copy');
  await runAsOwner(primary, 'pg_basebackup', [
    '-D',
    copy,
    '-R',
    '-X',
    'stream',
    '-c',
    'fast',
    '-d',
    primary.superuserUrl(),
  ]);
  await shutDown(standby);
  await copyData(copy, dataFolder(standby));
  const { password } = new URL(primary.superuserUrl());
  standbyUrl = (database) => reconnect(standby.superuserUrl(database), { password });
  // It has the password of the primary; a start that cannot log in with its own would end the server.
  writeFileSync(join(dataFolder(standby), 'pg_hba.conf'), 'host all all 127.0.0.1/32 trust\n');
  await standby.start();
  // Restored on the primary; read from the standby.
  ladder = new Ladder(
    { superuserUrl: primary.superuserUrl(), bin: primary.binFolder },
    standbyUrl('source'),
    mkdtempSync(join(tmpdir(), 'ladder-standby-')),
  );
});
afterAll(async () => {
  ladder?.[Symbol.dispose]();
  await standby?.crash();
  await standby?.stop();
  await primary?.stop();
});

/** Changes the primary and waits until the standby shows it. */
async function change(sql: string): Promise<void> {
  await query(reconnect(primary.superuserUrl(), { database: 'source' }), sql);
  const [row] = await query(primary.superuserUrl(), 'SELECT pg_current_wal_lsn()::text AS lsn');
  await until(async () => {
    const [at] = await query(standbyUrl('source'), 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [
      row?.lsn,
    ]);
    return at?.there === true;
  });
}

test('#37 a hot standby is read like any other source', async () => {
  await ladder.take('full');
  await change("UPDATE lively SET text = 'second' WHERE id < 10; DELETE FROM lively WHERE id = 50");
  await ladder.climb({ read: ['lively'], reused: ['calm'] });
  await change('VACUUM FREEZE calm');
  await ladder.climb({ reused: ['lively', 'calm'] });
});

test('a standby does not know the slot of captures, and says so where it is asked', async () => {
  const options = { env: { SUPABASE_BACKUP_DATABASE_URL: standbyUrl('source') } };
  const status = await runCli(['status', '--storage', ladder.storage], options);
  expect(status, status.stderr).toMatchObject({ exitCode: 0 });
  expect(status.stderr).toContain(
    'the replication slot cannot be measured now: SUPABASE_BACKUP_DATABASE_URL: the server is a standby',
  );
  expect(status.stdout).toMatch(/slot of captures +not measured\n/);
});

test('#30 a standby that was promoted is read once, and built upon again', async () => {
  await query(standbyUrl('postgres'), 'SELECT pg_promote()');
  await query(standbyUrl('source'), "UPDATE lively SET text = 'of the new timeline' WHERE id = 60");
  await query(standbyUrl('source'), 'CHECKPOINT');
  await ladder.climb({ kind: 'full', because: /new timeline/ });
  await query(standbyUrl('source'), "UPDATE lively SET text = 'later' WHERE id = 61");
  const rung = await ladder.climb({ read: ['lively'], reused: ['calm'] });
  expect(rung.manifest.source.timeline).toBe(2);
});
