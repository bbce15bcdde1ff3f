import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey, readManifest } from '../../../src/repository/backups/manifests.ts';
import { segmentKey } from '../../../src/repository/changes/segments.ts';
import { type MirrorOptions, mirrorTo } from '../../../src/repository/copies/mirror.ts';
import { acquireLock } from '../../../src/repository/locks/locks.ts';
import { createReader, objectKey } from '../../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../../src/repository/open.ts';
import { appendRecord } from '../../../src/repository/records.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../../src/runtime/errors.ts';
import { createContext } from '../../support/context.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { type Call, ScriptedStorage } from '../../support/scripted-storage.ts';
import { createRepository } from '../example.ts';
import { contentOf, spoil, storeBackup, storeChanges, storeObjects } from './example.ts';

const ids = ['20261120T021700Z-0001', '20261121T021700Z-0001', '20261122T021700Z-0001'] as const;
const everything: MirrorOptions = {
  ...{ whole: true, share: 1, dryRun: false },
  holder: { id: 'test', name: 'a test' },
};

let storage: MemoryStorage;
let source: Repository;
let copy: ScriptedStorage;

beforeEach(async () => {
  storage = new MemoryStorage();
  source = await createRepository(storage);
  copy = new ScriptedStorage();
});

const context = () => createContext({ now: copy.now });
const mirror = (options: Partial<MirrorOptions> = {}) =>
  mirrorTo(source, { name: 'second', storage: copy }, { ...everything, ...options }, context());

async function storeAll(): Promise<void> {
  const objects = await storeObjects(source, 6);
  await storeBackup(source, ids[0], objects.slice(0, 4));
  await storeBackup(source, ids[1], objects.slice(2));
  await storeChanges(source, [1, 2]);
  await appendRecord(source, 'pins', new Date(), { backup: ids[0], pinned: true });
}

describe('a copy', () => {
  it('that is the source itself, by another name, is refused', async () => {
    await storeAll();
    const self = { name: 'second', storage };
    await expect(mirrorTo(source, self, everything, context())).rejects.toThrow(
      'are one place under two names',
    );
    expect(await contentOf(storage)).toEqual(await contentOf(source.storage));
  });

  it('gets no backup, segment or record from where another one lies in its place', async () => {
    await storeAll();
    await appendRecord(source, 'pins', new Date(), { backup: ids[1], pinned: true });
    const moved: string[] = [];
    for (const kind of ['backups/', 'changes/', 'records/pins/']) {
      const keys: string[] = [];
      for await (const { key } of storage.list(kind)) keys.push(key);
      const [one, other] = keys as [string, string];
      await storage.put(one, await storage.get(other));
      moved.push(one);
    }
    const mirrored = await mirror();
    expect(mirrored.refused.map(({ key }) => key).sort()).toEqual(moved.sort());
    expect(mirrored.refused[0]?.why).toContain('it says that it is');
    for (const key of moved) expect((await contentOf(copy)).has(key)).toBe(false);
  });

  it('has every byte of the source, and nothing that is of one place alone', async () => {
    await storeAll();
    await storage.put('garbage/20261120T021700Z-0001.json', Buffer.from('{}'));
    await storage.put('outlines.json', Buffer.from('{}'));
    await storage.put('notes.txt', Buffer.from('of somebody else'));
    const mirrored = await mirror();
    expect(mirrored).toMatchObject({
      isNew: true,
      copied: { objects: 8, backups: 2, changes: 2, signatures: 0, records: 1 },
      refused: [],
      checked: { byStore: 0, byReading: 8 },
      lag: { newest: ids[1], missingBackups: 0, missingChanges: 0, missingBytes: 0 },
    });
    const expected = await contentOf(storage);
    expected.delete('outlines.json');
    expected.delete('notes.txt');
    expect(await contentOf(copy)).toEqual(expected);
    expect(await copy.keys('locks/')).toEqual([]);
    expect(await copy.keys('garbage/')).toEqual([]);
  });

  it('opens as the same repository, and gives back what was stored', async () => {
    await storeAll();
    await mirror();
    const opened = await openRepository(copy, undefined);
    expect([opened.id, opened.key]).toEqual([source.id, source.key]);
    const manifest = await readManifest(opened, ids[1]);
    const reader = createReader(opened, manifest, []);
    for (const object of manifest.objects) expect(await reader.prove(object)).toHaveLength(300);
  });

  it('gets only what it lacks when it is mirrored again', async () => {
    await storeAll();
    await mirror();
    copy.calls.length = 0;
    expect(await mirror()).toMatchObject({ isNew: false, bytes: 0, copied: { objects: 0, records: 0 } });
    const written = copy.calls.filter(
      ({ method, key }) => /put|create/.test(method) && !key.startsWith('locks/'),
    );
    expect(written).toEqual([]);
    await storeBackup(source, ids[2], await storeObjects(source, 1));
    expect(await mirror()).toMatchObject({ copied: { objects: 1, backups: 1, changes: 0, records: 0 } });
  });

  it('keeps what the source has removed, and takes its records of that without obeying them', async () => {
    await storeAll();
    await mirror();
    const before = await contentOf(copy);
    await storage.delete([manifestKey(ids[0])]);
    await appendRecord(source, 'prunes', new Date(), prune([ids[0]]));
    expect(await mirror()).toMatchObject({ copied: { objects: 0, backups: 0, records: 1 } });
    const after = await contentOf(copy);
    for (const [key, value] of before) expect(after.get(key)).toBe(value);
  });

  it('does not get back what its own cleanup has removed', async () => {
    await storeAll();
    await mirror();
    const own = await openRepository(copy, undefined);
    const { objects } = await readManifest(own, ids[0]);
    await copy.delete([manifestKey(ids[0]), ...objects.slice(0, 2).map(({ name }) => objectKey(name))]);
    await appendRecord(own, 'prunes', new Date(), prune([ids[0]]));
    expect(await mirror()).toMatchObject({
      copied: { objects: 0, backups: 0 },
      lag: { missingBackups: 0, newest: ids[1] },
    });
  });

  it('gets again an object that it has lost, or that is too short there', async () => {
    await storeAll();
    await mirror();
    const { objects } = await readManifest(source, ids[1]);
    const [lost, short] = objects.map(({ name }) => objectKey(name));
    await copy.delete([lost as string]);
    await copy.put(short as string, Buffer.from('short'));
    expect(await mirror()).toMatchObject({ copied: { objects: 2, backups: 0 } });
    for (const key of [lost, short])
      expect((await copy.read(key as string)).equals(await storage.get(key as string, 100_000))).toBe(true);
  });

  it('gets after a backup only what that needs, and is not listed whole', async () => {
    await storeAll();
    await mirror();
    await storeBackup(source, ids[2], await storeObjects(source, 2));
    expect(await mirror({ whole: false })).toMatchObject({ copied: { objects: 2, backups: 1 } });
  });
});

describe('a dry run', () => {
  it('tells what would be copied, and writes nothing, not even a lock', async () => {
    await storeAll();
    const told = await mirror({ dryRun: true });
    expect(told).toMatchObject({
      isNew: true,
      copied: { objects: 8, backups: 2, changes: 2, records: 1 },
      lag: { newest: undefined, missingBackups: 2, missingChanges: 2, oldestMissing: ids[0] },
    });
    expect(await copy.keys()).toEqual([]);
    expect(copy.calls.filter(({ method }) => method !== 'get' && method !== 'list')).toEqual([]);
    expect(told.bytes).toBe((await mirror()).bytes);
  });
});

describe('rot in the source', () => {
  it('of an object is told and never copied, nor a backup that needs it; the rest is', async () => {
    const objects = await storeObjects(source, 3);
    await storeBackup(source, ids[0], objects.slice(0, 2));
    await storeBackup(source, ids[1], objects.slice(1));
    const rotten = objectKey(objects[0]?.name ?? '');
    await spoil(storage, rotten);
    const mirrored = await mirror();
    expect(mirrored.refused.map(({ key }) => key)).toEqual([rotten, manifestKey(ids[0])]);
    expect(mirrored.refused[0]?.why).toMatch(/its SHA-256 is not the recorded one .*\(read 3 times\)$/);
    expect(mirrored.lag).toMatchObject({ newest: ids[1], missingBackups: 1, oldestMissing: ids[0] });
    expect(await copy.keys('objects/')).not.toContain(rotten);
    expect(await copy.keys('backups/')).toEqual([manifestKey(ids[1])]);
  });

  it('of a manifest, a header and a record is told and never copied', async () => {
    await storeAll();
    const [header] = await storeChanges(source, [3]);
    await appendRecord(source, 'pins', new Date(), { backup: ids[1], pinned: true });
    const keys = [manifestKey(ids[1]), segmentKey(header as never)];
    const records = [...(await contentOf(storage)).keys()].filter((key) => key.startsWith('records/'));
    keys.push(records[0] as string);
    for (const key of keys) await spoil(storage, key);
    const mirrored = await mirror();
    expect(mirrored.refused.map(({ key }) => key).sort()).toEqual(keys.toSorted());
    for (const key of keys) expect(await copy.keys()).not.toContain(key);
    expect(mirrored.copied).toMatchObject({ backups: 1, changes: 2, records: 1 });
  });

  it('that hides a lost object refuses its backup', async () => {
    const objects = await storeObjects(source, 2);
    await storeBackup(source, ids[0], objects);
    await storage.delete([objectKey(objects[1]?.name ?? '')]);
    expect((await mirror()).refused).toMatchObject([{ why: expect.stringMatching(/it is missing/) }, {}]);
    expect(await copy.keys('backups/')).toEqual([]);
  });
});

describe('a place that is no copy', () => {
  it('is refused when it holds another repository', async () => {
    await createRepository(copy);
    const before = await copy.keys();
    await expect(mirror()).rejects.toThrow(ConfigurationError);
    await expect(mirror()).rejects.toThrow('copies: second holds another repository than memory');
    expect(await copy.keys()).toEqual(before);
  });

  it('is refused when it holds something else', async () => {
    await copy.put('letters/2026.txt', Buffer.from('dear'));
    await expect(mirror()).rejects.toThrow('copies: second is not empty (it holds letters/2026.txt)');
  });

  it('is refused when its repository.json is damaged', async () => {
    await mirror();
    await spoil(copy, 'repository.json');
    await expect(mirror()).rejects.toThrow(IntegrityError);
  });
});

describe('faults', () => {
  it('a run that dies at any write leaves no backup without its objects, and the next one finishes', async () => {
    await storeAll();
    let deaths = 0;
    await mirror();
    const calls = copy.calls.length;
    for (let call = 1; call <= calls; call++) {
      copy = new ScriptedStorage();
      copy.death = { call, when: call % 2 === 0 ? 'before' : 'after' };
      const died = await mirror().then(
        () => false,
        () => true,
      );
      if (died) deaths++;
      const left = new ScriptedStorage();
      for (const key of await copy.keys())
        if (!key.startsWith('locks/')) await left.put(key, await copy.read(key));
      await expectWhole(left);
      copy = left;
      await mirror();
      expect([...(await contentOf(copy)).keys()]).toEqual([...(await contentOf(storage)).keys()]);
    }
    expect(deaths).toBeGreaterThan(20);
  });

  it('a store that keeps other bytes than it confirms is sent them again, and found out', async () => {
    await storeAll();
    const [target] = (await readManifest(source, ids[0])).objects.map(({ name }) => objectKey(name));
    const lie = (times: number) => {
      let left = times;
      copy.before = async ({ method, key }: Call) => {
        if (method === 'get' && key === target && left-- > 0) await copy.rot(key, Buffer.alloc(300));
      };
    };
    lie(1);
    expect((await mirror()).refused).toEqual([]);
    expect((await copy.read(target as string)).equals(await storage.get(target as string, 9999))).toBe(true);
    copy = new ScriptedStorage();
    lie(99);
    await expect(mirror()).rejects.toThrow(/scripted confirmed objects\/.* and twice gave back other bytes/);
    expect(await copy.keys('backups/')).toEqual([]);
  });

  it('a copy that does not answer fails, and the error names it', async () => {
    copy.before = () => {
      throw new StorageError('second is down', 'Wait.');
    };
    await expect(mirror()).rejects.toThrow('second is down');
  });

  it('the lock of a mirror that was killed ends before the next one has waited for it', async () => {
    await storeAll();
    let seconds: number | undefined;
    copy.before = async ({ method, key }) => {
      if (method !== 'create' || !key.startsWith('objects/')) return;
      const [lock] = await copy.keys('locks/');
      seconds = JSON.parse(String(await copy.read(lock as string))).ttlSeconds;
    };
    await mirror();
    // A quarter of an hour is what a mirror waits.
    expect(seconds).toBeLessThanOrEqual(600);
  });

  it('another mirror of the same copy is waited for, and named', async () => {
    await mirror();
    const lock = await acquireLock(
      { storage: copy },
      {
        ...context(),
        operation: 'mirror',
        mode: 'exclusive',
        holder: { id: 'x', name: 'run 7' },
        waitSeconds: 0,
      },
    );
    const stop = new AbortController();
    const stopped = mirrorTo(
      source,
      { name: 'second', storage: copy },
      everything,
      createContext({ now: copy.now, signal: stop.signal }),
    );
    setTimeout(() => stop.abort(new Error('stopped')), 50);
    await expect(stopped).rejects.toThrow('stopped');
    await lock.release();
    await mirror();
  });
});

function prune(removed: readonly string[]) {
  return {
    ...{
      retention: { daily: 1 },
      timeZone: 'UTC',
      objects: { removed: 0, bytes: 0 },
      marked: 0,
      retained: 0,
    },
    removed: removed.map((id) => ({ id, why: 'no rule keeps it' })),
  };
}

/** Every manifest and header that a place has finds all its objects there. */
async function expectWhole(place: ScriptedStorage): Promise<void> {
  const keys = new Set(await place.keys());
  for (const key of keys) {
    if (!/^(backups|changes)\//.test(key)) continue;
    const { objects } = JSON.parse((await place.read(key)).toString()) as { objects: { name: string }[] };
    for (const { name } of objects) expect(keys).toContain(objectKey(name));
  }
}
