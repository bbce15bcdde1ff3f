import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, findServers, startCluster } from '../support/cluster.ts';
import { hasPackagedServer } from '../support/packaged-server.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, createShop, describeDatabase } from './shop.ts';

/*
 * Servers of majors that have no client programs of their own here: those of the next major back them up and restore into them, though
 * they set parameters that the server has never heard of (transaction_timeout, since 17).
 */

const clients = [
  ...(await findServers()).map(({ major, binFolder }) => ({ major, folder: binFolder })),
  ...(process.env.TESTBED_PG17_BIN ? [{ major: 17, folder: process.env.TESTBED_PG17_BIN }] : []),
];
const servers = [14, 16].flatMap((major) => {
  const client = clients.filter((one) => one.major > major).sort((one, other) => one.major - other.major)[0];
  return hasPackagedServer(major) && client !== undefined ? [{ major, client }] : [];
});

describe.each(servers)('PostgreSQL $major with the programs of $client.major', ({ major, client }) => {
  let cluster: Cluster;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'other-major-'));
    cluster = await startCluster({ major });
  });
  afterAll(async () => {
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is backed up, incrementally too, restored and drilled', async () => {
    const source = await createShop(cluster.superuserUrl(), 'shop');
    const words = ['--storage', join(folder, 'repository'), '--client-path', client.folder];
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    await succeed(['backup', ...words], { env });
    await succeed(['backup', '--backup-type', 'incremental', ...words], { env });
    const target = await createDatabase(cluster.superuserUrl(), 'restored');
    const restored = await runCli(['restore', ...words], { env: { SUPABASE_BACKUP_TARGET_URL: target } });
    expect(restored.exitCode, restored.stdout + restored.stderr).toBe(0);
    expect(restored.stdout).toContain('Parity: equal');
    expect(await describeDatabase(target)).toEqual(await describeDatabase(source));
    const drilled = await runCli(['drill', ...words], {
      env: { SUPABASE_BACKUP_TARGET_URL: cluster.superuserUrl() },
    });
    expect(drilled.exitCode, drilled.stdout + drilled.stderr).toBe(0);
  });
});
