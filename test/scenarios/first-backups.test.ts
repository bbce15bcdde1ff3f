import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import { type MisbehavingProxy, startMisbehavingProxy } from '../support/misbehaving-proxy.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/** The first backups of a place, several at once, each a process of its own: whichever is green can be restored. */

let cluster: Cluster;
let source: string;
let folder: string;
let s3: FakeS3;
let proxy: MisbehavingProxy;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'first-'));
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'first');
  await query(source, "CREATE TABLE t AS SELECT n, md5('t' || n) AS text FROM generate_series(1, 500) n");
  // As Supabase Storage does it, and s3proxy.
  s3 = await startFakeS3({ conditionalWrites: 'ignored' });
  proxy = await startMisbehavingProxy(s3.endpoint);
});
afterAll(async () => {
  await proxy?.close();
  await s3?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function expectAllGreen(words: readonly string[], count: number): Promise<void> {
  const env = { SUPABASE_BACKUP_DATABASE_URL: source };
  const runs = await Promise.all(Array.from({ length: count }, () => runCli(['backup', ...words], { env })));
  for (const { exitCode, stderr } of runs) expect(exitCode, stderr).toBe(0);
  expect(await succeed(['validate', ...words, '--backup-id', 'all'])).toMatchObject({
    backups: count,
    damaged: 0,
  });
}

describe('first backups at once', () => {
  test.each([
    [2, 0],
    [3, 0],
    [2, 150],
    [3, 80],
  ])(
    'in a bucket whose store ignores conditions: %i, %i ms away, are all whole',
    async (count, milliseconds) => {
      proxy.misbehave({ does: { kind: 'latency', milliseconds } });
      const place = `s3://${s3.bucket}/first-${count}-${milliseconds}`;
      await expectAllGreen(['--storage', place, '--s3-endpoint', proxy.endpoint], count);
    },
  );

  test.each([2, 3])('in a folder: %i are all whole, and leave no lock', async (count) => {
    const place = join(folder, `first-${count}`);
    await expectAllGreen(['--storage', place], count);
    expect(readdirSync(join(place, 'locks'))).toEqual([]);
  });
});
