import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  listBackupIds,
  manifestKey,
  readManifest,
  writeManifest,
} from '../../../src/repository/backups/manifests.ts';
import {
  readSegments,
  type Segment,
  segmentKey,
  writeSegment,
} from '../../../src/repository/changes/segments.ts';
import { acquireLock } from '../../../src/repository/locks/locks.ts';
import { objectKey } from '../../../src/repository/objects/store.ts';
import { openForBackup, type Repository } from '../../../src/repository/open.ts';
import { readMarkFiles } from '../../../src/repository/prune/garbage-marks.ts';
import {
  type Garbage,
  lockForRemoval,
  markGarbage,
  type PruneContext,
  previewGarbage,
} from '../../../src/repository/prune/prune.ts';
import {
  type Removal,
  removeBackups,
  removeOldRuns,
  removeProbes,
  removeSegments,
} from '../../../src/repository/prune/removal.ts';
import { type Sweep, sweepGarbage } from '../../../src/repository/prune/sweep.ts';
import { ConfigurationError, type IntegrityError, StorageError } from '../../../src/runtime/errors.ts';
import { FileStorage } from '../../../src/storage/file.ts';
import { RetainedError, type Storage, type StoredValue } from '../../../src/storage/storage.ts';
import { presentContext } from '../../support/context.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { makeChain } from '../changes-example.ts';
import { makeManifest, makeObject, onlyMaker, source } from '../example.ts';

const hour = 3_600_000;
const gracePeriod = 24 * hour;
const folder = mkdtempSync(join(tmpdir(), 'prune-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A storage whose clock a test sets forward, and whose calls it counts, fails or refuses. */
class TestStorage implements Storage {
  readonly location = 'test';
  readonly #inner: Storage;
  readonly #writtenAhead = new Map<string, number>();
  /** milliseconds by which this storage's clock is ahead of the inner one's */
  ahead = 0;
  calls = 0;
  /** Asked before every call; what it throws is thrown. `after` calls are done, and their answer is lost. */
  before: (call: number, method: string) => void = () => {};
  after: (call: number, method: string) => void = () => {};
  retains: (key: string) => boolean = () => false;

  constructor(inner: Storage) {
    this.#inner = inner;
  }

  now = (): Date => new Date(Date.now() + this.ahead);

  async #call<T>(method: string, perform: () => Promise<T>): Promise<T> {
    const call = ++this.calls;
    this.before(call, method);
    const result = await perform();
    this.after(call, method);
    return result;
  }

  #shift(value: StoredValue): StoredValue {
    const ahead = this.#writtenAhead.get(value.key) ?? 0;
    return { ...value, modifiedAt: new Date(value.modifiedAt.getTime() + ahead) };
  }

  probe() {
    return this.#inner.probe();
  }

  put(key: string, value: Uint8Array) {
    return this.#call('put', async () => {
      await this.#inner.put(key, value);
      this.#writtenAhead.set(key, this.ahead);
    });
  }

  create(key: string, value: Uint8Array) {
    return this.#call('create', async () => {
      const created = await this.#inner.create(key, value);
      if (created) this.#writtenAhead.set(key, this.ahead);
      return created;
    });
  }

  get(key: string, limit?: number) {
    return this.#call('get', () => this.#inner.get(key, limit));
  }

  stat(key: string) {
    return this.#call('stat', async () => {
      const found = await this.#inner.stat(key);
      return found && this.#shift(found);
    });
  }

  async *list(prefix: string) {
    await this.#call('list', async () => {});
    for await (const value of this.#inner.list(prefix)) yield this.#shift(value);
  }

  async delete(keys: readonly string[]) {
    const retained = keys.filter((key) => this.retains(key));
    const [first, ...rest] = keys.filter((key) => !retained.includes(key));
    // Of several keys one is gone already when the rest fails.
    if (first !== undefined) await this.#call('delete', () => this.#inner.delete([first]));
    if (rest.length > 0) await this.#call('delete', () => this.#inner.delete(rest));
    if (retained.length > 0) throw new RetainedError(retained, this.location);
  }

  close() {
    return this.#inner.close();
  }

  [Symbol.asyncDispose]() {
    return this.close();
  }
}

const warnings: string[] = [];
const log = {
  debug: () => {},
  info: () => {},
  progress: () => {},
  warn: (text: string) => void warnings.push(text),
};

let folders = 0;
const kinds = {
  memory: () => new MemoryStorage(),
  file: () => new FileStorage(join(folder, `root-${folders++}`), presentContext),
};

interface Stage {
  readonly storage: TestStorage;
  readonly repository: Repository;
  readonly context: PruneContext;
}

async function setStage(inner: Storage): Promise<Stage> {
  const storage = new TestStorage(inner);
  const context = {
    holder: { id: 'a test', name: 'a test' },
    now: storage.now,
    random: Math.random,
    signal: new AbortController().signal,
    log,
    gracePeriod,
    sweepWaitSeconds: 0,
  };
  return {
    storage,
    repository: await openForBackup(storage, undefined, source, storage.now(), onlyMaker),
    context,
  };
}

const contentOf = (name: string) => Buffer.from(name.slice(0, 10));
const nameOf = (text: string) => Buffer.from(text.padEnd(32, '.')).toString('hex');

function storeObject({ storage }: Stage, name: string): Promise<void> {
  return storage.put(objectKey(name), contentOf(name));
}

async function readMarks(repository: Repository): Promise<Set<string>> {
  return new Set((await readMarkFiles(repository, () => {})).flatMap(({ names }) => names));
}

function makeId(day: number): string {
  return `202611${String(day).padStart(2, '0')}T021700Z-0000`;
}

/** Stores a backup of the 1st to 30th of a month that needs objects with these names. */
async function storeBackup(stage: Stage, day: number, names: readonly string[]): Promise<string> {
  for (const name of names) await storeObject(stage, name);
  return commit(stage, day, names);
}

async function commit({ repository }: Stage, day: number, names: readonly string[]): Promise<string> {
  const id = makeId(day);
  const objects = names.map((name) => ({ ...makeObject(), name, stored: contentOf(name).length }));
  await writeManifest(
    repository,
    makeManifest({ id, objects, tables: [], archive: { bytes: 0, objects: [] } }),
  );
  return id;
}

/** Stores a segment that needs objects with these names, and returns its key. */
async function storeSegment(stage: Stage, hour: number, names: readonly string[]): Promise<string> {
  for (const name of names) await storeObject(stage, name);
  return commitSegment(stage, hour, names);
}

async function commitSegment({ repository }: Stage, hour: number, names: readonly string[]): Promise<string> {
  const objects = names.map((name) => ({ ...makeObject(), name, stored: contentOf(name).length }));
  const [segment] = makeChain([hour], { objects });
  if (segment === undefined) throw new Error('no segment');
  await writeSegment(repository, segment);
  return segmentKey(segment);
}

/** A cleanup whose plan is to remove these backups, and these segments. */
async function prune(
  stage: Stage,
  ids: readonly string[] = [],
  keys: readonly string[] = [],
): Promise<Garbage & { sweep: Sweep; retained: string[] }> {
  const { repository, context } = stage;
  const lock = await lockForRemoval(repository, context);
  let garbage: Garbage;
  const retained: string[] = [];
  const keep = (removal: Removal) => retained.push(...removal.retained.map(({ key }) => key));
  try {
    await removeBackups(repository, ids, context.signal, keep);
    keep(await removeSegments(repository, keys, context.signal));
    garbage = await markGarbage(repository, context);
  } finally {
    await lock.release();
  }
  return { ...garbage, retained, sweep: await sweepGarbage(repository, context, lock.acquiredAt) };
}

async function keysOf(storage: Storage, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys.sort();
}

/** The promise of all this: of every backup and every segment that is listed every object is there. */
async function expectWhole({ repository, storage }: Stage): Promise<string[]> {
  const ids = await listBackupIds(repository);
  for (const id of ids) {
    for (const { name } of (await readManifest(repository, id)).objects) {
      expect(await storage.stat(objectKey(name)), `${name} of ${id}`).toBeDefined();
    }
  }
  const onDamaged = (error: IntegrityError) => {
    throw error;
  };
  for (const segment of await readSegments(repository, onDamaged)) {
    for (const { name } of segment.objects) {
      expect(await storage.stat(objectKey(name)), `${name} of ${segment.to}`).toBeDefined();
    }
  }
  return ids;
}

const [a, b, c, d, lost] = ['a', 'b', 'c', 'd', 'lost'].map(nameOf) as [
  string,
  string,
  string,
  string,
  string,
];
const total = ({ marked }: Garbage) => marked.reduce((sum, { objects }) => sum + objects, 0);

describe.each(Object.entries(kinds))('pruning a %s storage', (_, make) => {
  let stage: Stage;
  beforeEach(async () => {
    warnings.length = 0;
    stage = await setStage(make());
  });
  const later = (milliseconds: number) => {
    stage.storage.ahead += milliseconds;
  };

  it('removes a backup at once, and what only it needed after the grace period', async () => {
    const old = await storeBackup(stage, 1, [a, b]);
    const kept = await storeBackup(stage, 2, [b, c]);
    later(hour);
    const first = await prune(stage, [old]);
    expect(await listBackupIds(stage.repository)).toEqual([kept]);
    expect(first.marked).toMatchObject([{ objects: 1, bytes: 10 }]);
    expect(first.sweep.removed).toEqual({ objects: 0, bytes: 0 });
    expect([...(await readMarks(stage.repository))]).toEqual([a]);

    later(gracePeriod - hour);
    const second = await prune(stage);
    expect(second.sweep.removed).toEqual({ objects: 0, bytes: 0 });
    expect(total(second)).toBe(1);
    expect(await keysOf(stage.storage, 'garbage/')).toHaveLength(1);

    later(hour);
    const third = await prune(stage);
    expect(third.sweep).toEqual({
      damaged: [],
      removed: { objects: 1, bytes: 10 },
      hidden: { objects: 0, bytes: 0 },
      versions: 0,
      retained: [],
      postponed: undefined,
    });
    expect(await keysOf(stage.storage, 'objects/')).toEqual([b, c].map(objectKey).sort());
    expect(await keysOf(stage.storage, 'garbage/')).toEqual([]);
    expect(await keysOf(stage.storage, 'locks/')).toEqual([]);
    await expectWhole(stage);
  });

  it('removes what a killed backup left, and not before the grace period', async () => {
    await storeBackup(stage, 1, [a]);
    await storeObject(stage, lost);
    for (const [wait, there] of [
      [hour, true],
      [gracePeriod - 1000, true],
      [hour, false],
    ] as const) {
      later(wait);
      await prune(stage);
      expect((await keysOf(stage.storage, 'objects/')).includes(objectKey(lost))).toBe(there);
    }
    await expectWhole(stage);
  });

  it('spares an object that a backup needs again, and forgets its mark', async () => {
    await storeBackup(stage, 1, [a]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    await commit(stage, 2, [a, lost]);
    later(gracePeriod);
    expect((await prune(stage)).sweep.removed.objects).toBe(0);
    await expectWhole(stage);
    expect(await readMarks(stage.repository)).toEqual(new Set());
    // Unneeded once more, it waits for the whole grace period.
    await prune(stage, [makeId(2)]);
    later(gracePeriod - hour);
    await prune(stage);
    expect(await keysOf(stage.storage, 'objects/')).toContain(objectKey(lost));
    later(hour);
    expect((await prune(stage)).sweep.removed.objects).toBe(1);
  });

  it('spares an object that was stored anew after its mark', async () => {
    await commit(stage, 9, []);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    later(gracePeriod - hour);
    await storeObject(stage, lost);
    later(2 * hour);
    const run = await prune(stage);
    expect(run.sweep.removed.objects).toBe(0);
    expect(await keysOf(stage.storage, 'objects/')).toEqual([objectKey(lost)]);
    // It is marked again, by the time that counts now.
    expect(await readMarks(stage.repository)).toEqual(new Set([lost]));
    later(gracePeriod);
    expect((await prune(stage)).sweep.removed.objects).toBe(1);
  });

  it('touches no foreign file', async () => {
    const name = nameOf('foreign');
    const foreign = [
      'notes.txt',
      'objects/readme',
      `objects/${name}`,
      `objects/00/${name}`,
      `objects/${name.slice(0, 2)}/${name}.bak`,
      `objects/${name.slice(0, 2)}/${name.slice(0, -1)}`,
      `objects/${name.slice(0, 2)}/${name.slice(0, -1)}G`,
      `objects/${name.slice(0, 2)}/more/${name}`,
      'garbage/readme.json',
      'backups/notes.json',
    ].sort();
    for (const key of foreign) await stage.storage.put(key, Buffer.from('mine'));
    for (let run = 0; run < 3; run++) {
      later(gracePeriod);
      expect(total(await prune(stage))).toBe(0);
    }
    expect((await keysOf(stage.storage)).filter((key) => key !== 'repository.json')).toEqual(foreign);
  });

  it('marks and removes nothing while a manifest is damaged, and says which', async () => {
    await storeBackup(stage, 1, [a]);
    const bad = await storeBackup(stage, 2, [b]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    const whole = await stage.storage.get(manifestKey(bad));
    for (const broken of [whole.subarray(0, -20), Buffer.alloc(0), Buffer.from('{"format":2}')]) {
      await stage.storage.put(manifestKey(bad), broken);
      later(gracePeriod);
      const run = await prune(stage);
      expect(run.damaged.map(({ id }) => id)).toEqual([bad]);
      expect(run.damaged[0]?.message).toContain(manifestKey(bad));
      expect(run.marked).toEqual([]);
      expect(run.sweep.damaged.map(({ id }) => id)).toEqual([bad]);
      expect(await keysOf(stage.storage, 'objects/')).toEqual([a, b, lost].map(objectKey).sort());
      expect(await keysOf(stage.storage, 'garbage/')).toHaveLength(1);
    }
    await stage.storage.put(manifestKey(bad), whole);
    expect((await prune(stage)).sweep.removed.objects).toBe(1);
    await expectWhole(stage);
  });

  it('removes a segment at once, and what only it needed after the grace period', async () => {
    const old = await storeSegment(stage, 1, [a, b]);
    const kept = await storeSegment(stage, 2, [b, c]);
    await storeBackup(stage, 1, [d]);
    later(hour);
    expect(total(await prune(stage))).toBe(0);
    const first = await prune(stage, [], [old]);
    expect(await keysOf(stage.storage, 'changes/')).toEqual([kept]);
    expect(first.marked).toMatchObject([{ objects: 1, bytes: 10 }]);
    expect([...(await readMarks(stage.repository))]).toEqual([a]);
    later(gracePeriod);
    expect((await prune(stage)).sweep.removed).toEqual({ objects: 1, bytes: 10 });
    expect(await keysOf(stage.storage, 'objects/')).toEqual([b, c, d].map(objectKey).sort());
    await expectWhole(stage);
  });

  it('spares what a capture has stored, whose header comes after the mark', async () => {
    await commit(stage, 9, []);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    expect([...(await readMarks(stage.repository))]).toEqual([lost]);
    await commitSegment(stage, 1, [lost]);
    later(gracePeriod);
    expect((await prune(stage)).sweep.removed.objects).toBe(0);
    await expectWhole(stage);
  });

  it('marks and removes nothing while a segment is damaged, and says which', async () => {
    await storeBackup(stage, 1, [a]);
    const bad = await storeSegment(stage, 1, [b]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    const whole = await stage.storage.get(bad);
    const wrong = [whole.subarray(0, -20), Buffer.alloc(0), Buffer.from('{"format":2}')];
    for (const broken of wrong) {
      await stage.storage.put(bad, broken);
      later(gracePeriod);
      const run = await prune(stage);
      expect(run.damaged.map(({ id }) => id)).toEqual([bad]);
      expect(run.damaged[0]?.message).toContain(bad);
      expect(run.marked).toEqual([]);
      expect(run.sweep.damaged.map(({ id }) => id)).toEqual([bad]);
      expect(await keysOf(stage.storage, 'objects/')).toEqual([a, b, lost].map(objectKey).sort());
    }
    await stage.storage.put(bad, whole);
    expect((await prune(stage)).sweep.removed.objects).toBe(1);
    await expectWhole(stage);
  });

  it('counts a segment that the storage retains, and keeps it whole', async () => {
    await commit(stage, 9, []);
    const old = await storeSegment(stage, 1, [a]);
    const next = await storeSegment(stage, 2, [b]);
    stage.storage.retains = (key) => key === old;
    later(hour);
    const run = await prune(stage, [], [old, next]);
    expect(run.retained).toEqual([old]);
    expect(total(run)).toBe(1);
    later(gracePeriod);
    await prune(stage);
    expect(await keysOf(stage.storage, 'objects/')).toEqual([objectKey(a)]);
    await expectWhole(stage);
  });

  it('leaves the sweep to the next run while a backup runs, and spares what the backup found', async () => {
    await storeBackup(stage, 1, [a]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    later(gracePeriod);
    const backup = await acquireLock(stage.repository, {
      ...stage.context,
      operation: 'backup',
      mode: 'shared',
      holder: { id: '17', name: 'run 17' },
      waitSeconds: 0,
    });
    const run = await prune(stage);
    expect(run.sweep.postponed).toMatch(/run 17/);
    expect(run.sweep.removed.objects).toBe(0);
    await commit(stage, 2, [lost]);
    await backup.release();
    expect((await prune(stage)).sweep).toMatchObject({ postponed: undefined, removed: { objects: 0 } });
    expect(await expectWhole(stage)).toHaveLength(2);
  });

  it('does not wait for the lock of a killed run for ever', async () => {
    await commit(stage, 9, []);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    const dead = await acquireLock(stage.repository, {
      ...stage.context,
      operation: 'backup',
      mode: 'shared',
      holder: { id: 'dead', name: 'dead' },
      waitSeconds: 0,
    });
    later(gracePeriod);
    expect((await prune(stage)).sweep.removed.objects).toBe(1);
    expect(await keysOf(stage.storage, 'locks/')).toEqual([]);
    await dead.release();
  });

  it('marks and removes nothing when no manifest is listed, and says so', async () => {
    await storeBackup(stage, 1, [a]);
    const old = await storeBackup(stage, 2, [b]);
    await storeSegment(stage, 1, [c]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage, [old]);
    const list = stage.storage.list.bind(stage.storage);
    stage.storage.list = async function* (prefix: string) {
      if (prefix !== 'backups/') yield* list(prefix);
    };
    for (let run = 0; run < 2; run++) {
      later(gracePeriod);
      expect(await prune(stage)).toMatchObject({
        blind: true,
        marked: [],
        sweep: {
          removed: { objects: 0 },
          postponed: expect.stringMatching(/^test lists no backup at the moment/),
        },
      });
    }
    stage.storage.list = list;
    expect(await keysOf(stage.storage, 'objects/')).toEqual([a, b, c, lost].map(objectKey).sort());
    expect((await prune(stage)).sweep.removed.objects).toBe(2);
    await expectWhole(stage);
  });

  it('does not say that what the storage still lists is removed, although it confirmed that', async () => {
    await storeBackup(stage, 1, [a]);
    const old = await storeBackup(stage, 2, [b]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    const remove = stage.storage.delete.bind(stage.storage);
    stage.storage.delete = async (keys) => {
      const deaf = new Set([objectKey(lost), manifestKey(old)]);
      await remove(keys.filter((key) => !deaf.has(key)));
    };
    later(gracePeriod);
    const run = await prune(stage, [old]);
    expect(run.retained).toEqual([manifestKey(old)]);
    expect(run.sweep).toMatchObject({
      removed: { objects: 0, bytes: 0 },
      retained: [{ key: objectKey(lost), confirmed: true }],
    });
  });

  it('counts as hidden what a bucket keeps as versions, and frees none of its bytes', async () => {
    await storeBackup(stage, 1, [a]);
    await storeObject(stage, b);
    await storeObject(stage, c);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    later(gracePeriod);
    const until = new Date('2027-01-01T00:00:00Z');
    Object.assign(stage.storage, {
      purge: async (keys: readonly string[]) => {
        await stage.storage.delete(keys.filter((key) => key !== objectKey(lost)));
        const hidden = keys.filter((key) => key === objectKey(b));
        const retained = keys.includes(objectKey(lost)) ? [{ key: objectKey(lost), until }] : [];
        return { hidden, retained, versions: 0 };
      },
    });
    expect((await prune(stage)).sweep).toMatchObject({
      removed: { objects: 1, bytes: 10 },
      hidden: { objects: 1, bytes: 10 },
      retained: [{ key: objectKey(lost), until }],
    });
  });

  it('removes locks that were given back, and what probes have left', async () => {
    await commit(stage, 9, []);
    const left = ['probe/17-000000', 'probe-3f0d6b1e-1111-4222-8333-444455556666'];
    for (const key of [...left, 'probes', 'probe/readme']) await stage.storage.put(key, Buffer.from('x'));
    stage.storage.retains = (key) => key.startsWith('locks/');
    const lock = await acquireLock(stage.repository, {
      ...stage.context,
      operation: 'backup',
      mode: 'shared',
      waitSeconds: 0,
    });
    await lock.release();
    expect(await keysOf(stage.storage, 'locks/')).toHaveLength(1);
    stage.storage.retains = () => false;
    later(25 * hour);
    await prune(stage);
    await removeProbes(stage.repository, stage.storage.now());
    expect(await keysOf(stage.storage, 'locks/')).toEqual([]);
    expect(await keysOf(stage.storage, 'probe')).toEqual(['probe/readme', 'probes']);
  });

  it('forgets the runs of more than thirteen months ago, and keeps what else is recorded', async () => {
    const now = new Date('2026-11-20T02:17:00Z');
    const keys = [
      'records/runs/20251020T021659Z-ffff0123456789ab.json',
      'records/runs/20251020T021700Z-0000.json',
      'records/runs/20261119T021700Z-0000.json',
      'records/runs/20240101T000000Z-0000.txt',
      ...['drills', 'pins', 'prunes', 'restores', 'validations'].map(
        (kind) => `records/${kind}/20240101T000000Z-0000.json`,
      ),
    ];
    for (const key of keys) await stage.storage.put(key, Buffer.from('{}'));
    await removeOldRuns(stage.repository, now);
    expect((await keysOf(stage.storage, 'records/')).toSorted()).toEqual(keys.slice(1).toSorted());
    stage.storage.retains = () => true;
    await removeOldRuns(stage.repository, new Date('2027-11-20T02:17:00Z'));
    expect(await keysOf(stage.storage, 'records/')).toHaveLength(8);
  });

  it('counts what the storage retains, and keeps whole the backups whose manifests are among it', async () => {
    const ids = [await storeBackup(stage, 1, [a]), await storeBackup(stage, 2, [b])];
    await storeBackup(stage, 3, [c]);
    stage.storage.retains = (key) => key === manifestKey(ids[0] ?? '') || key === objectKey(b);
    later(hour);
    const first = await prune(stage, ids);
    expect(first.retained).toEqual([manifestKey(ids[0] ?? '')]);
    expect(total(first)).toBe(1);
    later(gracePeriod);
    const second = await prune(stage, [ids[0] ?? '']);
    expect(second.sweep).toMatchObject({
      removed: { objects: 0, bytes: 0 },
      retained: [{ key: objectKey(b) }],
    });
    expect(await expectWhole(stage)).toEqual([ids[0], makeId(3)]);
    // Once the storage lets go, everything does, by a new mark.
    stage.storage.retains = () => false;
    later(gracePeriod);
    await prune(stage, [ids[0] ?? '']);
    later(gracePeriod);
    await prune(stage);
    expect(await keysOf(stage.storage, 'objects/')).toEqual([objectKey(c)]);
  });

  it('works where nothing at all may be deleted', async () => {
    const old = await storeBackup(stage, 1, [a]);
    await storeObject(stage, lost);
    stage.storage.retains = (key) => !key.startsWith('locks/');
    later(hour);
    expect((await prune(stage, [old])).retained).toEqual([manifestKey(old)]);
    for (let run = 0; run < 3; run++) {
      later(gracePeriod);
      const { sweep } = await prune(stage, [old]);
      expect(sweep.retained.map(({ key }) => key)).toContain(objectKey(lost));
    }
    await expectWhole(stage);
  });

  it('ignores a mark that is damaged or forged, and removes it after the grace period', async () => {
    await commit(stage, 9, []);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    const [key = ''] = await keysOf(stage.storage, 'garbage/');
    const text = (await stage.storage.get(key)).toString().replace(lost, a);
    await stage.storage.put(key, Buffer.from(text));
    await storeObject(stage, a);
    expect(await readMarks(stage.repository)).toEqual(new Set());
    later(hour);
    await prune(stage);
    expect(warnings.join()).toContain(key);
    later(gracePeriod - hour);
    await prune(stage);
    expect(await keysOf(stage.storage, 'garbage/')).not.toContain(key);
    expect(await keysOf(stage.storage, 'objects/')).toHaveLength(2);
  });

  it('does not take a mark under another name', async () => {
    await commit(stage, 9, []);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    const [key = ''] = await keysOf(stage.storage, 'garbage/');
    await stage.storage.put('garbage/20200101T000000Z-0000.json', await stage.storage.get(key));
    const errors: IntegrityError[] = [];
    const marks = await readMarkFiles(stage.repository, (error) => errors.push(error));
    expect(errors).toHaveLength(1);
    expect(marks.find((mark) => mark.key.includes('20200101'))?.names).toEqual([]);
  });

  it('foresees what a run finds, without changing anything', async () => {
    const old = await storeBackup(stage, 1, [a, b]);
    await storeBackup(stage, 2, [b, c]);
    const outdated = await storeSegment(stage, 1, [nameOf('change'), c]);
    await storeObject(stage, lost);
    later(hour);
    await prune(stage);
    await storeObject(stage, d);
    later(hour);
    const keys = await keysOf(stage.storage);
    const foreseen = await previewGarbage(stage.repository, stage.context, new Set([old, outdated]));
    expect(await keysOf(stage.storage)).toEqual(keys);
    const run = await prune(stage, [old], [outdated]);
    const counts = ({ marked }: Garbage) => marked.map(({ objects, bytes }) => ({ objects, bytes }));
    expect(counts(foreseen)).toEqual(counts(run));
    expect(counts(run)).toEqual([
      { objects: 1, bytes: 10 },
      { objects: 3, bytes: 30 },
    ]);
  });

  it('fails when the storage does, and the next run goes on', async () => {
    const old = await storeBackup(stage, 1, [a]);
    await storeBackup(stage, 2, [b]);
    later(hour);
    const failure = new StorageError('the network is down', 'Try again.');
    stage.storage.before = (_call, method) => {
      if (method === 'delete') throw failure;
    };
    await expect(prune(stage, [old])).rejects.toBe(failure);
    stage.storage.before = () => {};
    later(hour);
    await prune(stage, [old]);
    later(gracePeriod);
    expect((await prune(stage)).sweep.removed.objects).toBe(1);
    await expectWhole(stage);
  });
});

describe('the clocks', () => {
  it.each([301, -301])('that differ by %d seconds stop everything', async (seconds) => {
    const stage = await setStage(new MemoryStorage());
    const wrong = { ...stage.context, now: () => new Date(Date.now() + seconds * 1000) };
    const error = await lockForRemoval(stage.repository, wrong).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(String(error)).toContain(seconds > 0 ? 'ahead of' : 'behind');
    expect(await keysOf(stage.storage, 'locks/')).toEqual([]);
  });

  it('may differ by a few minutes', async () => {
    const stage = await setStage(new MemoryStorage());
    const lock = await lockForRemoval(stage.repository, {
      ...stage.context,
      now: () => new Date(Date.now() + 290_000),
    });
    await lock.release();
  });
});

describe('many objects', () => {
  it('are marked in files of at most 50,000 names, each once', async () => {
    const inner = new MemoryStorage();
    const stage = await setStage(inner);
    await commit(stage, 9, []);
    const count = 100_001;
    for (let index = 0; index < count; index++) {
      await inner.put(objectKey(index.toString(16).padStart(64, '0')), Buffer.alloc(1));
    }
    stage.storage.ahead += hour;
    expect(total(await prune(stage))).toBe(count);
    expect(total(await prune(stage))).toBe(count);
    const sizes = (await readMarkFiles(stage.repository, () => {})).map(({ names }) => names.length);
    expect(sizes.sort((one, other) => other - one)).toEqual([50_000, 50_000, 1]);
    stage.storage.ahead += gracePeriod;
    expect((await prune(stage)).sweep.removed).toEqual({ objects: count, bytes: count });
  });
});

describe('a run that dies', () => {
  class Crash extends Error {}

  /** Two cleanups a grace period apart, with a mark that is due in each, and a crash at one call of the storage. */
  async function runUntil(
    crashAt: number,
    when: 'before' | 'after',
  ): Promise<{ crashed: boolean; stage: Stage }> {
    const stage = await setStage(new MemoryStorage());
    await storeBackup(stage, 1, [a, b]);
    await storeBackup(stage, 2, [b, c]);
    await storeBackup(stage, 3, [c, d]);
    const segments = [
      await storeSegment(stage, 1, [nameOf('change 1')]),
      await storeSegment(stage, 2, [nameOf('change 2'), nameOf('change 1')]),
      await storeSegment(stage, 3, [nameOf('change 3'), nameOf('change 2')]),
      await storeSegment(stage, 4, [nameOf('change 4')]),
    ];
    await storeObject(stage, lost);
    stage.storage.ahead += hour;
    await prune(stage, [makeId(1)], segments.slice(0, 1));
    await storeObject(stage, nameOf('other'));
    stage.storage.ahead += gracePeriod;
    stage.storage.calls = 0;
    stage.storage[when] = (call) => {
      // What is dead makes no further call.
      if (call >= crashAt) throw new Crash();
    };
    let crashed = false;
    await prune(stage, [makeId(2)], segments.slice(1, 3)).catch((error: unknown) => {
      if (!(error instanceof Crash)) throw error;
      crashed = true;
    });
    stage.storage.before = () => {};
    stage.storage.after = () => {};
    return { crashed, stage };
  }

  it.each(['before', 'after'] as const)('%s any call leaves all that is listed whole', async (when) => {
    let crashes = 0;
    for (let crashAt = 1; ; crashAt++) {
      const { crashed, stage } = await runUntil(crashAt, when);
      if (!crashed) break;
      crashes++;
      const left = await expectWhole(stage);
      expect(left).toContain(makeId(3));
      // The next runs end what it began.
      for (let run = 0; run < 2; run++) {
        stage.storage.ahead += gracePeriod + hour;
        const outdated = (await keysOf(stage.storage, 'changes/')).slice(0, -1);
        await prune(stage, left.includes(makeId(2)) ? [makeId(2)] : [], outdated);
        await expectWhole(stage);
      }
      const segment = segmentKey(makeChain([4])[0] as Segment);
      const objects = [c, d, nameOf('change 4')].map(objectKey);
      expect(await keysOf(stage.storage)).toEqual(
        ['repository.json', manifestKey(makeId(3)), segment, ...objects].sort(),
      );
    }
    expect(crashes).toBeGreaterThan(20);
  });
});
