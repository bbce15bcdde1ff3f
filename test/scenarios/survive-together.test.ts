import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { writeManifest } from '../../src/repository/backups/manifests.ts';
import { openRepository } from '../../src/repository/open.ts';
import { isKnownError } from '../../src/runtime/errors.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { runCli, startCli, succeed } from '../support/run-cli.ts';
import { type Call, ScriptedStorage } from '../support/scripted-storage.ts';
import { operate } from './in-process.ts';
import { waitUntil } from './processes.ts';
import { listBackups } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/** Runs beside each other, runs beside those that were killed, and clocks that are wrong. */

const stage = vi.hoisted(() => ({ storage: undefined as unknown }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
type Words = Partial<Record<InputName, string>>;
type Options = Parameters<typeof operate>[2];

let cluster: Cluster;
let source: string;
let folder: string;
let storage: ScriptedStorage;

beforeAll(async () => {
  cluster = await startCluster();
  folder = mkdtempSync(join(tmpdir(), 'together-'));
  source = await createDatabase(cluster.superuserUrl(), 'together');
  await query(
    source,
    `CREATE SCHEMA one; CREATE SCHEMA two;
     CREATE TABLE one.t AS SELECT n, md5('one' || n) AS text FROM generate_series(1, 500) n;
     CREATE TABLE two.t AS SELECT n, md5('two' || n) AS text FROM generate_series(1, 500) n;`,
  );
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  storage = new ScriptedStorage();
  stage.storage = storage;
});

const run = (words: Words, options?: Options) => operate(storage, words, options);
const backup = (type = 'full', more: Words = {}): Words => ({
  operation: 'backup',
  'database-url': source,
  'backup-type': type,
  jobs: '2',
  ...more,
});
const cleanup: Words = { operation: 'cleanup', retention: 'last=1 verified=1' };
const change = () => query(source, 'UPDATE one.t SET text = md5(text)');
const backups = () => storage.keys('backups/');

async function expectSound(count: number): Promise<void> {
  expect(await run({ operation: 'validate' })).toMatchObject({
    exitCode: 0,
    outputs: { backups: count, damaged: 0 },
  });
}

async function expectRestorable(id = 'latest'): Promise<void> {
  const target = await createDatabase(cluster.superuserUrl(), 'target');
  expect(await run({ operation: 'restore', 'target-url': target, 'backup-id': id })).toMatchObject({
    outputs: { parity: 'equal' },
  });
}

/** Holds the next call that fits, until it is released. */
function holdAt(fits: (call: Call) => boolean): { reached: Promise<void>; release: () => void } {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const before = storage.before;
  storage.before = async (call) => {
    if (!fits(call)) return before(call);
    storage.before = before;
    reached.resolve();
    await released.promise;
  };
  return { reached: reached.promise, release: released.resolve };
}

const isCommit = ({ method, key }: Call) => method === 'create' && key.startsWith('backups/');

/** Nobody can begin to store before all have got so far. */
function meetAt(count: number, fits: (call: Call) => boolean): void {
  const met = Promise.withResolvers<void>();
  let there = 0;
  storage.before = async (call) => {
    if (!fits(call)) return;
    there += 1;
    if (there === count) met.resolve();
    await met.promise;
  };
}

describe('two backups at once', () => {
  test.each([
    ['into a place that is empty', 0, ({ method }: Call) => method === 'probe'],
    ['of which both are about to commit', 1, isCommit],
  ])('%s are both whole, and store equal rows once', async (_, earlier, fits) => {
    for (let made = 0; made < earlier; made++) await run(backup());
    await change();
    meetAt(2, fits);
    const words = backup('incremental', { 'rollback-token': 'true' });
    const outcomes = await Promise.all([run(words), run(words)]);
    expect(outcomes.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(await backups()).toHaveLength(earlier + 2);
    await expectSound(earlier + 2);
    // Of rows one and two, of changed ones one more, of definitions one or two for each backup.
    expect((await storage.keys('objects/')).length).toBeLessThanOrEqual(2 + earlier + 2 * (2 + earlier));
    for (const key of await backups()) await expectRestorable(key.slice('backups/'.length, -'.json'.length));
    expect(await storage.keys('locks/')).toEqual([]);
    await query(source, 'DROP SCHEMA supabase_backup CASCADE');
  });
});

describe('a cleanup beside', () => {
  /** Only an exclusive lock is waited for with pauses; the clock is moved on so that nobody has to. */
  function hurry(): void {
    storage.before = ({ method, key }) => {
      if (method === 'list' && key === 'locks/') storage.ahead += 10_000;
    };
  }

  test('an incremental removes its base: the incremental is whole all the same', async () => {
    await run(backup());
    const [base = ''] = await backups();
    await change();
    const held = holdAt(isCommit);
    const running = run(backup('incremental'));
    await held.reached;
    // Meanwhile another backup does not need any more what the incremental builds upon.
    await query(source, 'UPDATE two.t SET text = md5(text)');
    await run(backup());
    await expectSound(2);
    expect(await run(cleanup)).toMatchObject({ outputs: { backups: 1, removed: 1 } });
    expect(await backups()).not.toContain(base);
    const marked = (await storage.keys('garbage/')).length;
    expect(marked).toBe(1);
    // A day later it still runs, and has refreshed its lock.
    storage.ahead += 25 * hour;
    await storage.age('locks/', -25 * hour);
    hurry();
    const objects = await storage.keys('objects/');
    const postponed = await run(cleanup);
    expect(JSON.stringify(postponed.report)).toContain('postponed');
    expect(await storage.keys('objects/')).toEqual(objects);
    held.release();
    const { outputs } = await running;
    expect(outputs).toMatchObject({ 'backup-type': 'incremental' });
    await expectSound(2);
    await expectRestorable(String(outputs['backup-id']));
    for (let days = 0; days < 2; days++) {
      storage.ahead += 25 * hour;
      await run({ ...cleanup, retention: 'last=9' });
    }
    await expectSound(2);
    await expectRestorable(String(outputs['backup-id']));
  });

  test('a backup whose lock somebody has removed sweeps, and the backup writes no manifest', async () => {
    await run(backup());
    await change();
    const held = holdAt(({ method, key }) => method === 'create' && key.startsWith('objects/'));
    const running = run(backup('incremental')).catch((error: unknown) => error);
    await held.reached;
    const [lock = ''] = await storage.keys('locks/');
    await storage.remove(lock);
    held.release();
    const error = await running;
    expect(isKnownError(error)).toBe(true);
    expect(String(error)).toMatch(/the lock locks\/\w+\.json of this backup .* is lost: somebody removed it/);
    expect(await backups()).toHaveLength(1);
    expect(await storage.keys('locks/')).toEqual([]);
    await run(backup('incremental'));
    await expectSound(2);
  });

  test('another cleanup: both end, and what is needed stays', async () => {
    for (let made = 0; made < 3; made++) {
      await change();
      await run(backup());
    }
    await expectSound(3);
    meetAt(2, ({ method, key }) => method === 'delete' && key.startsWith('backups/'));
    const first = await Promise.all([run(cleanup), run(cleanup)]);
    expect(first.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(await backups()).toHaveLength(1);
    await expectSound(1);
    storage.ahead += 25 * hour;
    // Both find marks that are due and ask for the repository alone.
    meetAt(2, ({ method, key }) => method === 'list' && key === 'garbage/');
    const second = await Promise.all([run(cleanup), run(cleanup)]);
    expect(second.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    storage.before = () => {};
    await run(cleanup);
    await expectSound(1);
    await expectRestorable();
    // Two of rows, definitions, and the supplement.
    expect(await storage.keys('objects/')).toHaveLength(4);
    expect(await storage.keys('locks/')).toEqual([]);
  });
});

describe('a lock', () => {
  const content = {
    format: 1,
    operation: 'cleanup',
    mode: 'exclusive',
    holder: 'https://github.com/acme/shop/actions/runs/17',
    since: '2026-11-20T02:17:00.000Z',
    ttlSeconds: 1800,
  };
  const key = 'locks/0123456789abcdef.json';

  test('of another run that lives is waited for and named', async () => {
    await run(backup());
    const objects = await storage.keys('objects/');
    await change();
    await storage.put(key, Buffer.from(JSON.stringify(content)));
    const messages: string[] = [];
    const running = run(backup(), { messages });
    await waitUntil('it waits', () => messages.some((message) => message.startsWith('waiting:')));
    expect(messages.join('\n')).toContain('https://github.com/acme/shop/actions/runs/17');
    expect(messages.join('\n')).toContain(key);
    await sleep(300);
    expect(await storage.keys('objects/')).toEqual(objects);
    await storage.remove(key);
    expect((await running).exitCode).toBe(0);
    await expectSound(2);
  });

  test('of a run that was killed expires half an hour after it was last refreshed', async () => {
    const root = join(folder, 'expired');
    const words = ['--storage', root];
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    await succeed(['backup', ...words], { env });
    const run = startCli(['backup', ...words], { env });
    // Whatever moment that is: what it leaves is what a killed run leaves.
    await sleep(150);
    run.child.kill('SIGKILL');
    await run.finished;
    const file = join(root, key);
    mkdirSync(join(root, 'locks'), { recursive: true });
    writeFileSync(file, JSON.stringify(content));
    const age = (minutes: number) => {
      const seconds = Date.now() / 1000 - minutes * 60;
      utimesSync(file, seconds, seconds);
    };
    age(29);
    const waiting = startCli(['backup', ...words], { env });
    await waitUntil('it waits', () => /waiting: cleanup/.test(waiting.stderr()));
    waiting.child.kill('SIGTERM');
    expect((await waiting.finished).exitCode).toBe(143);
    age(31);
    const before = listBackups(root).length;
    await succeed(['backup', ...words], { env });
    expect(listBackups(root)).toHaveLength(before + 1);
    expect((await runCli(['validate', ...words])).exitCode).toBe(0);
  });
});

describe('a clock', () => {
  test.each([
    ['ahead of', day],
    ['behind', -day],
  ])(
    'of a runner that is a day %s the storage: the backup is dated by the storage, and cleanup refuses',
    async (_, error) => {
      await run(backup());
      await change();
      // Ids tell seconds.
      storage.ahead += minute;
      const now = () => new Date(storage.now().getTime() + error);
      const messages: string[] = [];
      const { outputs } = await run(backup('incremental'), { now, messages });
      expect(messages.join('\n')).toMatch(/the clock of this machine is 8\d{4} seconds (ahead of|behind)/);
      const { startedAt, finishedAt, id } = await readManifest(String(outputs['backup-id']));
      for (const time of [startedAt, finishedAt])
        expect(Math.abs(Date.parse(time) - storage.now().getTime())).toBeLessThan(minute / 2);
      // The latest is the latest, and the next one builds on it.
      storage.ahead += minute;
      await change();
      expect((await run(backup('incremental'))).outputs).toMatchObject({ 'base-id': id });
      await expectSound(3);
      const before = await storage.keys();
      await expect(run(cleanup, { now })).rejects.toThrow(/the clock of this machine is 8\d{4} seconds/);
      expect(await storage.keys()).toEqual(before);
    },
  );

  test('of a source that is years ahead: its backup is never removed, and pushes none out', async () => {
    for (let made = 0; made < 3; made++) {
      await change();
      await run(backup());
      storage.ahead += minute;
    }
    // As if its server had dated the last but one.
    const repository = await openRepository(storage, undefined);
    const [, second = ''] = await backups();
    const manifest = await readManifest(second.slice('backups/'.length, -'.json'.length));
    const future = {
      ...manifest,
      id: `${manifest.id.slice(0, -4)}ffff`,
      source: { ...manifest.source, snapshotAt: '2041-01-01T00:00:00.000000Z' },
    };
    await storage.remove(second);
    await writeManifest(repository, future);
    await expectSound(3);
    storage.ahead += 48 * hour;
    for (let days = 0; days < 3; days++) {
      await run(cleanup);
      storage.ahead += 25 * hour;
    }
    // The newest of those whose time can be believed, and the one whose cannot.
    const kept = await backups();
    expect(kept).toHaveLength(2);
    expect(kept).toContain(`backups/${future.id}.json`);
    await expectSound(2);
    await expectRestorable(future.id);
  });
});

async function readManifest(id: string): Promise<Manifest> {
  const { seal: _, ...manifest } = JSON.parse((await storage.read(`backups/${id}.json`)).toString());
  return manifest as Manifest;
}
