import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseInputs } from '../../src/interface/inputs/parse.ts';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { describeManagedRestore } from '../../src/operations/managed-restore/report.ts';
import { restoreProject } from '../../src/operations/managed-restore/restore-project.ts';
import { readCatalog } from '../../src/repository/backups/catalog.ts';
import { openRepository } from '../../src/repository/open.ts';
import { connectFake } from '../operations/managed/example.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { CollectingLog, createContext } from '../support/context.ts';
import { type FakeManagement, makeClock, startFakeManagement } from '../support/fake-management.ts';
import { ScriptedStorage } from '../support/scripted-storage.ts';
import { operate } from './in-process.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What a restore by the platform does in the database and the repository around it: the stand-in restores nothing, so the database stays
 * as it is, and what was done to it is seen.
 */

const stage = vi.hoisted(() => ({ storage: undefined as unknown }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

let cluster: Cluster;
let platform: FakeManagement;
let storage: ScriptedStorage;
let url: string;
let log: CollectingLog;
const now = new Date();
const target = `${new Date(now.getTime() - 3_600_000).toISOString().slice(0, 19)}Z`;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off', max_slot_wal_keep_size: '1GB' } });
});
afterAll(() => cluster?.stop());

beforeEach(async () => {
  platform = await startFakeManagement(now);
  platform.project.isPitr = true;
  platform.project.backups = [];
  platform.project.window = { earliest: new Date(now.getTime() - 86_400_000), latest: now };
  platform.project.onRestore = () => {
    platform.project.statuses = ['RESTORING', 'ACTIVE_HEALTHY'];
  };
  storage = new ScriptedStorage();
  stage.storage = storage;
  log = new CollectingLog();
  await query(cluster.superuserUrl(), 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
  url = await createDatabase(cluster.superuserUrl(), 'shop');
  await query(url, 'CREATE TABLE numbers (id int PRIMARY KEY); INSERT INTO numbers VALUES (1), (2)');
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

async function run(given: Partial<Record<InputName, string>> = {}) {
  const inputs: Partial<Record<InputName, string>> = {
    ...{ operation: 'restore', managed: 'true', storage: './scripted', confirm: 'RESTORE PRODUCTION' },
    ...{ 'supabase-access-token': platform.token, 'project-ref': platform.project.ref, 'target-url': url },
    ...{ 'recovery-target-time': target, 'management-api-url': platform.url, ...given },
  };
  const parsed = parseInputs((name) => inputs[name], {});
  if (parsed.operation !== 'restore' || !parsed.managed) throw new Error('is no restore by the platform');
  const temporaryFolder = mkdtempSync(join(tmpdir(), 'managed-'));
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  const clock = makeClock(now);
  const context = createContext({ log, env, temporaryFolder, now: () => new Date() });
  try {
    return describeManagedRestore(
      await restoreProject(parsed, context, { api: connectFake(platform, clock), clock }),
    );
  } finally {
    rmSync(temporaryFolder, { recursive: true, force: true });
  }
}

async function listBackups() {
  const { backups } = await readCatalog(await openRepository(storage, undefined), {
    onDamaged: (error) => expect(error).toBeUndefined(),
    signal: new AbortController().signal,
  });
  return backups.toReversed();
}

const slots = async () => (await query(url, 'SELECT slot_name FROM pg_replication_slots')).length;

describe('a restore by the platform, with storage and database', () => {
  test('takes a safety backup, drops the slot before it asks, and takes a new base after', async () => {
    await operate(storage, { operation: 'capture', 'database-url': url });
    expect(await slots()).toBe(1);
    let slotsThen: Promise<number> | undefined;
    const { onRestore } = platform.project;
    platform.project.onRestore = () => {
      onRestore();
      slotsThen = slots();
    };
    const { exitCode, outputs } = await run();
    expect(exitCode).toBe(0);
    expect(await slotsThen).toBe(0);
    const [captured, safety, base, ...more] = await listBackups();
    expect(captured?.purpose).toBe('ordinary');
    expect(safety).toMatchObject({
      id: outputs['safety-backup-id'],
      purpose: 'safety',
      pinned: true,
      kind: 'full',
    });
    expect(base).toMatchObject({
      id: outputs['backup-id'],
      purpose: 'ordinary',
      pinned: false,
      kind: 'full',
    });
    expect(base?.totals.rows).toBe(2);
    expect(more).toEqual([]);
  });

  test('shows in a dry run what it would do, and does nothing', async () => {
    await operate(storage, { operation: 'capture', 'database-url': url });
    await query(url, "SELECT pg_create_physical_replication_slot('of_others')");
    const { report } = await run({ 'dry-run': 'true', confirm: '' });
    expect(JSON.stringify(report)).toMatch(/supabase_backup_\w{8} is dropped before/);
    expect(JSON.stringify(report)).toContain('of_others');
    expect(await slots()).toBe(2);
    expect(await listBackups()).toHaveLength(1);
    expect(platform.project.restores).toEqual([]);
  });

  test('is refused where the storage is of another database', async () => {
    await operate(storage, { operation: 'backup', 'database-url': url });
    const other = await createDatabase(cluster.superuserUrl(), 'other');
    await expect(run({ 'target-url': other })).rejects.toThrow(
      /holds backups of database "shop".*this is "other"/,
    );
    expect(platform.project.restores).toEqual([]);
  });

  test('is refused where the safety backup fails, and goes on without one and without a slot', async () => {
    await operate(storage, { operation: 'backup', 'database-url': url });
    const gone = url.replace(/:\d+\//, ':1/');
    await expect(run({ 'target-url': gone })).rejects.toThrow(/nothing was asked of Supabase/);
    expect(platform.project.restores).toEqual([]);
    const { exitCode, outputs } = await run({ 'target-url': gone, 'safety-backup': 'false' });
    expect(log.warnings.join()).toContain('its replication slot is not dropped');
    // The new base could not be taken either, and the answer says so.
    expect([exitCode, outputs['managed-restore'], outputs['backup-id']]).toEqual([3, 'back', '']);
    expect(platform.project.restores).toHaveLength(1);
  });
});
