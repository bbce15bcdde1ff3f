import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareData, dumpData } from '../fixture/dump.ts';
import { type Seeded, seedDatabase } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { mulberry32 } from '../support/random.ts';
import { runCli, startCli, succeed } from '../support/run-cli.ts';
import { findProcesses, hasProc, Watcher, waitUntil } from './processes.ts';
import { expectRefusal } from './refusal.ts';
import { listBackups, listFolder } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/**
 * The end of the process at any moment. Points are spread over the whole run, one at random in each equal part of it; KILL_SEED
 * repeats a sweep. What must hold does not depend on where a point falls.
 */

const seed = Number(process.env.KILL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const kills = 20;
const terminations = 6;

let cluster: Cluster;
let seeded: Seeded;
let watcher: Watcher;
let folder: string;
/** Milliseconds that a whole run takes, by the fastest so far. */
let duration: number;

const random = mulberry32(seed);

beforeAll(async () => {
  console.info(`KILL_SEED=${seed}`);
  folder = mkdtempSync(join(tmpdir(), 'kill-sweep-'));
  cluster = await startCluster();
  seeded = await seedDatabase({
    superuserUrl: cluster.superuserUrl(),
    database: 'source',
    tinyTables: 100,
    bulkRows: 120_000,
  });
  watcher = await Watcher.open(cluster.superuserUrl());
  const started = performance.now();
  await succeed(backupWords(join(folder, 'measured')), { env: environment() });
  duration = performance.now() - started;
}, 120_000);
afterAll(async () => {
  await watcher?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => ({ SUPABASE_BACKUP_DATABASE_URL: seeded.ownerUrl });
/** A level that keeps the processor busy, so that most points fall into the copying. */
const backupWords = (storage: string): string[] => [
  ...['backup', '--storage', storage],
  ...['--jobs', '2', '--compression-level', '6'],
];

/** Starts a backup, ends it after a while with a signal, and waits for what it must leave behind on the server and here. */
async function interrupt(storage: string, signal: NodeJS.Signals, moment: () => Promise<void>) {
  const mark = `LC_SCENARIO=${seed}-${Math.random()}`;
  const [name = '', value = ''] = mark.split('=');
  const run = startCli(backupWords(storage), {
    env: { ...environment(), [name]: value },
    temporaryFolder: mkdtempSync(join(folder, 'tmp-')),
  });
  const started = performance.now();
  await Promise.race([run.finished, moment()]);
  run.child.kill(signal);
  const finished = await run.finished;
  // The more is stored already, the sooner a run is done: the points follow.
  if (finished.exitCode === 0) duration = Math.min(duration, performance.now() - started);
  await watcher.until('source', (sessions) => sessions.length === 0, 10_000);
  if (hasProc) await waitUntil('no child process is left', () => findProcesses(mark).length === 0, 10_000);
  return { ...finished, leftInTemporary: readdirSync(run.temporaryFolder) };
}

function hasObjects(storage: string): boolean {
  return Object.keys(listFolder(storage)).some((key) => key.startsWith('objects/'));
}

async function expectIntact(storage: string): Promise<void> {
  const validated = await runCli(['validate', '--storage', storage, '--json']);
  if (listFolder(storage)['repository.json'] === undefined) {
    expectRefusal(validated, { exitCode: 2, says: /there is no repository at/ });
    return;
  }
  expect(validated, validated.stderr).toMatchObject({ exitCode: 0 });
  expect(readPrinted(validated.stdout).outputs).toMatchObject({
    backups: listBackups(storage).length,
    damaged: 0,
  });
}

async function expectNoLocks(): Promise<void> {
  const locks = await query(
    seeded.superuserUrl,
    `SELECT relation::regclass, mode FROM pg_locks l JOIN pg_database d ON d.oid = l.database
     WHERE d.datname = 'source' AND l.pid <> pg_backend_pid() AND l.locktype = 'relation'
       AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid AND a.backend_type <> 'client backend')`,
  );
  expect(locks).toEqual([]);
}

describe.each([
  ['SIGKILL', kills],
  ['SIGTERM', terminations],
] as const)('a backup ended by %s', (signal, count) => {
  const storage = () => join(folder, signal);
  const points = Array.from({ length: count }, (_, index) => (index + random()) / count);
  let ended = 0;

  test(`at any of ${count} moments leaves a repository that is whole`, async () => {
    mkdirSync(storage());
    for (const [index, point] of points.entries()) {
      const where = `${signal} ${index} at ${(point * 100).toFixed(1)}% of ${duration.toFixed(0)} ms, KILL_SEED=${seed}`;
      const before = listBackups(storage());
      const run = await interrupt(storage(), signal, () => sleep(point * duration));
      const added = listBackups(storage()).filter((id) => !before.includes(id));
      if (run.signal === 'SIGKILL' || (signal === 'SIGTERM' && run.exitCode !== 0)) {
        ended += 1;
        // A machine that has become busier: otherwise the end of a run would not be reached any more.
        if (point > 0.7) duration *= 1.1;
        // A manifest is the last thing written, so one that is there stands for a backup that is whole: validation below.
        if (signal === 'SIGTERM') {
          // Before our handler is installed, Node itself ends by the signal.
          expect([143, null], where).toContain(run.exitCode);
          expect(run.leftInTemporary, where).toEqual([]);
          if (run.exitCode === 143) expect(run.stderr, where).toMatch(/error: stopped by SIGTERM\n→ /);
          expect(added, where).toEqual([]);
        }
      } else {
        expect(run.exitCode, `${where}: ${run.stderr}`).toBe(0);
        expect(added, where).toHaveLength(1);
      }
      await expectIntact(storage());
      await expectNoLocks();
    }
    // One more moment that is sure to fall between the first object and the manifest, however fast the machine is.
    await interrupt(storage(), signal, () => waitUntil('an object is stored', () => hasObjects(storage())));
    await expectIntact(storage());
    expect(ended).toBeGreaterThan(count / 3);
  }, 180_000);

  test('is followed by one that builds on what is stored and restores equal', async () => {
    const outputs = await succeed(backupWords(storage()), { env: environment() });
    expect(Number(outputs['new-bytes'])).toBeLessThan(Number(outputs['stored-bytes']));
    await expectIntact(storage());
    const target = await createDatabase(cluster.superuserUrl(), `after_${signal.toLowerCase()}`);
    const env = { SUPABASE_BACKUP_TARGET_URL: target };
    expect(await succeed(['restore', '--storage', storage()], { env })).toMatchObject({ parity: 'equal' });
    const source = await dumpData(seeded.superuserUrl, cluster.binFolder);
    expect(compareData(source, await dumpData(target, cluster.binFolder))).toEqual([]);
  }, 60_000);
});

describe('a restore ended by SIGKILL', () => {
  test('leaves a target that the next restore refuses, and harms no other', async () => {
    const storage = join(folder, 'measured');
    const target = await createDatabase(cluster.superuserUrl(), 'killed');
    const env = { SUPABASE_BACKUP_TARGET_URL: target };
    const run = startCli(['restore', '--storage', storage], { env });
    await watcher.until('killed', (sessions) =>
      sessions.some(({ query }) => /^COPY .* FROM STDIN/.test(query)),
    );
    run.child.kill('SIGKILL');
    expect(await run.finished).toMatchObject({ signal: 'SIGKILL' });
    await watcher.until('killed', (sessions) => sessions.length === 0, 10_000);

    expectRefusal(await runCli(['restore', '--storage', storage], { env }), {
      exitCode: 2,
      says: /target-url: the database is not empty/,
    });
    const fresh = await createDatabase(cluster.superuserUrl(), 'fresh');
    const outputs = await succeed(['restore', '--storage', storage], {
      env: { SUPABASE_BACKUP_TARGET_URL: fresh },
    });
    expect(outputs).toMatchObject({ parity: 'equal' });
  }, 60_000);
});

/** A small generator of numbers from 0 to 1 that a seed repeats. */
