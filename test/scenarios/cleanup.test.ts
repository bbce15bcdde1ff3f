import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeManifest } from '../../src/repository/backups/manifests.ts';
import { openForBackup, openRepository, type Repository } from '../../src/repository/open.ts';
import { appendRecord } from '../../src/repository/records.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { S3Storage } from '../../src/storage/s3/store.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { createBackupId } from '../../src/values/timed-id.ts';
import { makeManifest, makeObject, onlyMaker, source } from '../repository/example.ts';
import { presentContext } from '../support/context.ts';
import { type FakeS3, type Fault, startFakeS3 } from '../support/fake-s3.ts';
import { awsSecret, type Finished, runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { flipBit, keyOf, listBackups, listFolder, readStoredManifest } from './repository-folder.ts';

/** A repository needs no server to be cleaned up: backups of made-up objects, taken over the last days, do as well. */

const hour = 3_600_000;
const day = 24 * hour;
const folder = mkdtempSync(join(tmpdir(), 'cleanup-'));
const start = Date.now();
let made = 0;
let waitingRun: Promise<Finished>;
let waitingFolder: string;

interface Backup {
  readonly id: string;
  /** Names of objects that only this backup needs */
  readonly own: readonly string[];
}

/** Backups of the last days, newest first: each with two objects of its own and one that all share. */
async function fill(
  repository: Repository,
  days: number,
  verified: (day: number) => boolean,
): Promise<Backup[]> {
  const shared = makeObject(100);
  const backups: Backup[] = [];
  for (let back = 0; back < days; back++) {
    const time = new Date(start - back * day - hour);
    const objects = [shared, makeObject(1000), makeObject(500)];
    for (const { name, stored } of objects) await repository.storage.put(keyOf(name), Buffer.alloc(stored));
    const example = makeManifest();
    const id = createBackupId(time);
    const manifest = makeManifest({
      id,
      startedAt: time.toISOString(),
      finishedAt: new Date(time.getTime() + 60_000).toISOString(),
      source: { ...example.source, snapshotAt: time.toISOString() },
      objects,
      tables: [],
      archive: { bytes: 0, objects: [] },
      totals: { rows: 0, bytes: 1600, stored: 1600, added: 1500 },
    });
    await writeManifest(repository, manifest);
    backups.push({ id, own: objects.slice(1).map(({ name }) => name) });
  }
  await appendRecord(repository, 'validations', new Date(start), {
    share: 1,
    damagedObjects: [],
    backups: backups
      .filter((_, index) => verified(index))
      .map(({ id }) => ({ id, outcome: 'passed' as const, opened: true })),
  });
  return backups;
}

async function fillFolder(
  days: number,
  verified: (day: number) => boolean = () => true,
): Promise<{ root: string; backups: Backup[] }> {
  const root = join(folder, `repository-${made++}`);
  const repository = await openForBackup(
    new FileStorage(root, presentContext),
    undefined,
    source,
    new Date(start),
    onlyMaker,
  );
  const backups = await fill(repository, days, verified);
  age(root, 30 * day);
  return { root, backups };
}

/** Makes all files so much older. */
function age(root: string, milliseconds: number): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const seconds = (Date.now() - milliseconds) / 1000;
    if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), seconds, seconds);
  }
}

const ageMarks = (root: string, milliseconds: number) => age(join(root, 'garbage'), milliseconds);
const names = (root: string) => Object.keys(listFolder(root));
const wordsFor = (retention: string, root: string, ...more: string[]) => [
  'cleanup',
  '--storage',
  root,
  '--retention',
  retention,
  ...more,
];
const words = (root: string, ...more: string[]) => wordsFor('last=2', root, ...more);

function expectWhole(root: string): void {
  const there = names(root);
  for (const id of listBackups(root))
    for (const { name } of readStoredManifest(root, id).objects) expect(there).toContain(keyOf(name));
}

beforeAll(async () => {
  // It waits for a while for the lock that is in its way, so it runs beside the other tests.
  const { root } = await fillFolder(4);
  waitingFolder = root;
  await succeed(words(root));
  ageMarks(root, 25 * hour);
  const repository = await openRepository(new FileStorage(root, presentContext), undefined);
  const lock = {
    format: 1,
    operation: 'backup',
    mode: 'shared',
    holder: 'https://github.com/acme/shop/actions/runs/17',
    since: new Date().toISOString(),
    ttlSeconds: 1800,
  };
  await repository.storage.put('locks/0123456789abcdef.json', Buffer.from(JSON.stringify(lock)));
  waitingRun = runCli(words(root));
});
afterAll(async () => {
  await waitingRun;
  rmSync(folder, { recursive: true, force: true });
});

describe('a folder', () => {
  test('loses the backups that the policy does not keep, and a grace period later what only they needed', async () => {
    const { root, backups } = await fillFolder(5);
    const before = listFolder(root);

    const foreseen = await succeed(words(root, '--dry-run'));
    expect(listFolder(root)).toEqual(before);
    // Two by last=2, and one more by verified=3.
    expect(foreseen).toEqual({
      backups: 3,
      removed: 2,
      'removed-objects': 0,
      'removed-bytes': 0,
      'marked-objects': 4,
      retained: 0,
    });

    expect(await succeed(words(root))).toEqual(foreseen);
    expect(listBackups(root)).toEqual(
      backups
        .slice(0, 3)
        .map(({ id }) => id)
        .sort(),
    );
    expect(names(root).filter((name) => name.startsWith('objects/'))).toHaveLength(11);
    const [record = ''] = readdirSync(join(root, 'records/prunes'));
    const { content } = JSON.parse(readFileSync(join(root, 'records/prunes', record), 'utf8'));
    expect(content).toMatchObject({
      timeZone: 'UTC',
      retention: { last: 2, verified: 3 },
      objects: { removed: 0, bytes: 0 },
      marked: 4,
      retained: 0,
    });
    const gone = backups.slice(3).map(({ id }) => id);
    expect(content.removed.map(({ id }: { id: string }) => id).sort()).toEqual(gone.sort());
    expect(content.removed[0].why).toBe('not one of the last 2');

    ageMarks(root, 23 * hour);
    expect(await succeed(words(root))).toMatchObject({
      removed: 0,
      'removed-objects': 0,
      'marked-objects': 4,
    });
    ageMarks(root, 25 * hour);
    const due = await succeed(words(root, '--dry-run'));
    expect(due).toMatchObject({ 'removed-objects': 4, 'removed-bytes': 3000, 'marked-objects': 0 });
    expect(await succeed(words(root))).toEqual(due);
    expect(names(root).filter((name) => /^(objects|garbage|locks)\//.test(name))).toHaveLength(7);
    expectWhole(root);
    expect(await succeed(words(root))).toMatchObject({
      removed: 0,
      'removed-objects': 0,
      'marked-objects': 0,
    });
  });

  test('is told of in words: why each backup stays or goes, and when how much is freed', async () => {
    const { root, backups } = await fillFolder(4, (back) => back !== 0);
    const run = await runCli(words(root));
    expect(run.exitCode).toBe(0);
    const linesOf = (index: number) =>
      run.stdout.split('\n').filter((line) => line.startsWith(backups[index]?.id ?? '?'));
    expect(linesOf(0)).toEqual([
      expect.stringMatching(/full +1\.60 kB +no +keep$/),
      expect.stringMatching(/ newest, last 2$/),
    ]);
    expect(linesOf(1)[1]).toMatch(/ newest verified, last 2$/);
    expect(linesOf(3)).toEqual([
      expect.stringMatching(/ keep$/),
      expect.stringMatching(/ newest 3 verified$/),
    ]);
    await succeed(wordsFor('last=1 verified=1', root));
    const again = await runCli(wordsFor('last=1 verified=1', root));
    const tomorrow = new Date(Date.now() + day).toISOString().slice(0, 10);
    expect(again.stdout).toContain(
      '3.00 kB in 4 objects that nothing needs are freed by the cleanups that run after',
    );
    expect(again.stdout).toContain(tomorrow);
  });

  test('with a damaged manifest loses nothing, and the run says no', async () => {
    const { root, backups } = await fillFolder(5);
    await succeed(words(root));
    ageMarks(root, 25 * hour);
    flipBit(join(root, 'backups', `${backups[0]?.id}.json`));
    const before = listFolder(root);
    for (const more of [[], ['--dry-run']]) {
      const run = await runCli(wordsFor('last=1 verified=1', root, ...more));
      expect(run.exitCode).toBe(3);
      expect(run.stdout).toContain(backups[0]?.id);
      expect(run.stdout).toMatch(/Nothing (was|would be) removed/);
      expect(listFolder(root)).toEqual(before);
    }
  });

  test('under a policy without rules loses nothing', async () => {
    const { root } = await fillFolder(5);
    expect(await succeed(wordsFor('verified=1', root))).toMatchObject({ backups: 5, removed: 0 });
  });

  test('that a backup is using keeps its objects until the next run, which is no failure', async () => {
    const run = await waitingRun;
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toContain('https://github.com/acme/shop/actions/runs/17');
    expect(run.stdout).toContain('postponed to the next run');
    expectWhole(waitingFolder);
  }, 60_000);

  test('that is the root of the filesystem is refused', async () => {
    for (const root of ['/', 'file:///', '/../', './../../../../../../../../../..']) {
      expectRefusal(await runCli(words(root)), { exitCode: 2, says: /the root folder/ });
    }
  });

  test('keeps foreign files, whatever lies there for how long', async () => {
    const { root } = await fillFolder(5);
    for (const name of ['notes.txt', 'objects/notes.txt', 'backups/notes.json'])
      writeFileSync(join(root, name), 'mine');
    age(root, 90 * day);
    await succeed(words(root));
    ageMarks(root, 90 * day);
    await succeed(words(root));
    expect(names(root)).toEqual(
      expect.arrayContaining(['notes.txt', 'objects/notes.txt', 'backups/notes.json']),
    );
  });
});

describe('a bucket', () => {
  let s3: FakeS3;
  let storage: Storage;
  let backups: Backup[];

  beforeEach(async () => {
    s3 = await startFakeS3({ pageSize: 7 });
    process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
    process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;
    storage = new S3Storage({
      bucket: s3.bucket,
      prefix: 'shop',
      endpoint: new URL(s3.endpoint),
      context: presentContext,
    });
    const repository = await openForBackup(storage, undefined, source, new Date(start), onlyMaker);
    backups = await fill(repository, 5, () => true);
    ageValues('shop/', 30 * day);
  });
  afterEach(async () => {
    await storage.close();
    await s3.close();
  });

  function ageValues(prefix: string, milliseconds: number): void {
    for (const [key, value] of s3.values) {
      if (key.startsWith(prefix)) value.modifiedAt = new Date(Date.now() - milliseconds);
    }
  }
  const s3Words = (...more: string[]) => [
    ...words(`s3://${s3.bucket}/shop`, '--s3-endpoint', s3.endpoint),
    ...more,
  ];
  const keys = (prefix: string) => [...s3.values.keys()].filter((key) => key.startsWith(`shop/${prefix}`));

  test('is cleaned up like a folder', async () => {
    expect(await succeed(s3Words())).toMatchObject({ backups: 3, removed: 2, 'marked-objects': 4 });
    ageValues('shop/garbage/', 25 * hour);
    expect(await succeed(s3Words())).toMatchObject({
      'removed-objects': 4,
      'removed-bytes': 3000,
      retained: 0,
    });
    expect(keys('objects/')).toHaveLength(7);
    expect([...keys('garbage/'), ...keys('locks/')]).toEqual([]);
  });

  test('with a retention lock keeps what it keeps, which is told and no failure', async () => {
    const locked = `shop/backups/${backups[4]?.id}.json`;
    s3.retains = (key) => key === locked || key.startsWith('shop/objects/');
    expect(await succeed(s3Words())).toMatchObject({
      backups: 4,
      removed: 1,
      'marked-objects': 2,
      retained: 1,
    });
    ageValues('shop/garbage/', 25 * hour);
    const run = await runCli(s3Words());
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toContain(locked.replace('shop/', ''));
    for (const name of backups[3]?.own ?? []) expect(run.stdout).toContain(keyOf(name));
    expect(keys('objects/')).toHaveLength(11);
  });

  test('with credentials that may not delete stays as it is', async () => {
    s3.retains = () => true;
    expect(await succeed(s3Words())).toMatchObject({
      backups: 5,
      removed: 0,
      'marked-objects': 0,
      retained: 2,
    });
    expect(keys('objects/')).toHaveLength(11);
  });

  test('whose clock is another is refused, and nothing is removed', async () => {
    const before = [...s3.values.keys()].sort();
    const set = s3.values.set.bind(s3.values);
    s3.values.set = (key, value) => set(key, { ...value, modifiedAt: new Date(Date.now() + hour) });
    expectRefusal(await runCli(s3Words()), {
      exitCode: 2,
      says: /the clock of this machine is \d+ seconds behind/,
    });
    const isRun = (key: string) => key.includes('/records/runs/');
    expect([...s3.values.keys()].filter((key) => !before.includes(key)).every(isRun)).toBe(true);
    expect(before.filter((key) => !s3.values.has(key))).toEqual([]);
  });

  test('as a whole is refused before anything is asked of it', async () => {
    s3.requests.length = 0;
    for (const whole of [`s3://${s3.bucket}`, `s3://${s3.bucket}/`]) {
      for (const more of [[], ['--dry-run']]) {
        const run = await runCli(words(whole, '--s3-endpoint', s3.endpoint, ...more));
        expectRefusal(run, { exitCode: 2, says: /a whole bucket/ });
      }
    }
    // Whoever records the run asks whether there is a repository.
    const others = s3.requests.filter(({ method, key }) => method !== 'GET' || key !== 'repository.json');
    expect(others).toEqual([]);
  });

  test('that fails midway leaves every backup whole, and the next run ends the work', async () => {
    // The second manifest fails; a store that knows no deletion in batches is asked for each key.
    let deletes = 0;
    const refusal: Fault = { kind: 'answer', status: 400, code: 'InvalidRequest' };
    s3.fault = ({ method, query, key }) => {
      if (method === 'POST' && query.has('delete')) return refusal;
      return method === 'DELETE' && key.includes('/backups/') && ++deletes === 2 ? refusal : undefined;
    };
    const run = await runCli(s3Words());
    s3.fault = () => undefined;
    expectRefusal(run, { exitCode: 1, says: /cannot delete backups\// });
    expect(keys('backups/')).toHaveLength(4);
    const [record = ''] = keys('records/prunes/');
    const { content } = JSON.parse(String(s3.values.get(record)?.bytes));
    expect(content.removed.map(({ id }: { id: string }) => id)).toEqual([backups[4]?.id]);
    expect(keys('objects/')).toHaveLength(11);
    expect(await succeed(s3Words())).toMatchObject({ backups: 3, 'marked-objects': 4 });
  });
});
