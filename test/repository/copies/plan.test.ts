import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { mirrorTo } from '../../../src/repository/copies/mirror.ts';
import { planMirror } from '../../../src/repository/copies/plan.ts';
import { readCopyStates } from '../../../src/repository/copies/state.ts';
import { objectKey } from '../../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../../src/repository/open.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { FileStorage } from '../../../src/storage/file.ts';
import type { StoredValue } from '../../../src/storage/storage.ts';
import { createContext } from '../../support/context.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { createRepository } from '../example.ts';
import { storeBackup, storeObjects } from './example.ts';

const ids = ['20261120T021700Z-0001', '20261121T021700Z-0001', '20261122T021700Z-0001'] as const;

/** A storage that also lists many objects that it makes up as it goes. */
class VastStorage extends MemoryStorage {
  count = 0;
  /** Every so many objects are left out */
  gap = 0;

  override async *list(prefix: string): AsyncGenerator<StoredValue> {
    yield* super.list(prefix);
    if (!'objects/'.startsWith(prefix.slice(0, 8)) || prefix === '') return;
    for (let index = 0; index < this.count; index++) {
      if (this.gap !== 0 && index % this.gap === 0) continue;
      const name = Math.imul(index, 2654435761) >>> 0;
      const key = objectKey(
        name
          .toString(16)
          .padStart(8, '0')
          .padEnd(64, `${index.toString(16)}f`),
      );
      yield { key, size: 100, modifiedAt: new Date(0) };
    }
  }
}

const options = {
  ...{ whole: true, signal: new AbortController().signal, random: () => 0.5 },
  warn: (message: string) => expect.fail(message),
};

async function makePair(): Promise<[Repository, Repository]> {
  const [here, there] = [new VastStorage(), new VastStorage()];
  const source = await createRepository(here);
  await there.create('repository.json', source.config);
  return [source, await openRepository(there, undefined)];
}

describe('the plan of a mirror', () => {
  it('of 300,000 objects each holds less than 200 MB, and finds what is missing among them', async () => {
    const [source, copy] = await makePair();
    await storeBackup(source, ids[0], await storeObjects(source, 3));
    // What the copy keeps it may have lost objects of, so that both places are listed.
    await storeBackup(copy, ids[1], await storeObjects(copy, 1));
    const [here, there] = [source.storage, copy.storage] as [VastStorage, VastStorage];
    [here.count, there.count, there.gap] = [300_000, 300_000, 1000];
    const before = process.memoryUsage();
    const plan = await planMirror(source, copy, options);
    const after = process.memoryUsage();
    expect([...plan.objects.names('absent')]).toHaveLength(3);
    expect(plan.missing.backups).toEqual([`backups/${ids[0]}.json`]);
    expect(plan.objects.size).toBeGreaterThan(299_000);
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(200e6);
  });

  it('lists the objects of the source only where the copy has a backup that may have lost some', async () => {
    const [source, copy] = await makePair();
    await storeBackup(source, ids[0], await storeObjects(source, 3));
    const list = vi.spyOn(source.storage, 'list');
    const plan = await planMirror(source, copy, options);
    expect(plan.objects.count('absent')).toMatchObject({ objects: 3 });
    expect(list.mock.calls.flat()).not.toContain('objects/');
    await storeBackup(copy, ids[1], await storeObjects(copy, 1));
    await planMirror(source, copy, options);
    expect(list.mock.calls.flat()).toContain('objects/');
  });

  it('fails when a listing does, rather than take a part for the whole', async () => {
    const [source, copy] = await makePair();
    copy.storage.list = async function* () {
      yield { key: objectKey('a'.repeat(64)), size: 1, modifiedAt: new Date(0) };
      throw new StorageError('the listing broke off', 'Wait.');
    };
    await expect(planMirror(source, copy, options)).rejects.toThrow('the listing broke off');
  });
});

describe('how far a copy is behind', () => {
  it('is told by listings: nothing, some backups, all of them, or that nobody knows', async () => {
    const source = await createRepository();
    const storage = new MemoryStorage();
    const places = [{ name: 'copy', storage }];
    const read = async () => (await readCopyStates(source, places, createContext()))[0];
    const first = await storeBackup(source, ids[0], await storeObjects(source, 2));
    expect(await read()).toMatchObject({ isMade: false, lag: { missingBackups: 1, newest: undefined } });

    const mirror = { whole: true, share: 1, dryRun: false, holder: { id: 'x', name: 'a test' } };
    const context = createContext({ now: () => new Date() });
    await mirrorTo(source, { name: 'copy', storage }, mirror, context);
    expect(await read()).toMatchObject({
      ...{ kind: 'read', isMade: true, behindSince: undefined },
      lag: { newest: ids[0], missingBackups: 0, missingChanges: 0, missingBytes: 0 },
    });

    const added = await storeBackup(source, ids[1], await storeObjects(source, 2));
    const more = await storeBackup(source, ids[2], await storeObjects(source, 1));
    expect(await read()).toMatchObject({
      behindSince: new Date('2026-11-21T02:17:00Z'),
      lag: {
        ...{ newest: ids[0], missingBackups: 2, oldestMissing: ids[1] },
        missingBytes: added.totals.added + more.totals.added,
      },
    });
    expect(first.totals.added).toBeGreaterThan(0);

    storage.list = async function* () {
      yield* [];
      throw new StorageError('copy is down', 'Wait.');
    };
    expect(await read()).toEqual({
      kind: 'unreadable',
      name: 'copy',
      location: 'memory',
      why: 'copy is down',
    });
  });
});

describe('a copy in a folder that is that of the storage', () => {
  it.each([
    ['is another name of it', 'link', /one place under two names: both lead to .*real$/],
    ['lies in it', 'link/copy', /lie one inside of the other: .*copy in .*real$/],
    ['is around it', 'parent', /lie one inside of the other: .*real in /],
    ['is beside it, and begins with its name', 'link-2', undefined],
  ])('and %s is told by a dry run and a status, which write nothing', async (_, name, message) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'copies-'));
    try {
      await mkdir(path.join(folder, 'real'));
      await symlink('real', path.join(folder, 'link'));
      await symlink('.', path.join(folder, 'parent'));
      await symlink('real-2', path.join(folder, 'link-2'));
      const context = createContext({ now: () => new Date() });
      const source = await createRepository(new FileStorage(path.join(folder, 'real'), context));
      await storeBackup(source, ids[0], await storeObjects(source, 1));
      const place = { name: 'second', storage: new FileStorage(path.join(folder, name), context) };
      const holder = { id: 'x', name: 'a test' };
      const dryRun = () => mirrorTo(source, place, { whole: true, share: 1, dryRun: true, holder }, context);
      const states = await readCopyStates(source, [place], context);
      if (message === undefined) {
        expect(await dryRun()).toMatchObject({ isNew: true });
        expect(states).toMatchObject([{ kind: 'read', isMade: false }]);
      } else {
        await expect(dryRun()).rejects.toThrow(message);
        expect(states).toMatchObject([{ kind: 'unreadable', why: expect.stringMatching(message) }]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
