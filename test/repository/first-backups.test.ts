import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readManifest, writeManifest } from '../../src/repository/backups/manifests.ts';
import { openForBackup, openRepository } from '../../src/repository/open.ts';
import { IntegrityError, StorageError } from '../../src/runtime/errors.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { makeManifest, now, onlyMaker, source } from './example.ts';

/* Time is vitest's: what waits does so without taking any. */

/** As Supabase Storage and s3proxy do it: whatever is said of a condition, what comes later replaces what came before. */
class HeedlessStorage extends MemoryStorage {
  /** Milliseconds that each call takes before it does something, and after it. */
  delay: () => number = () => 0;
  async #pass(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.delay()));
  }
  async #after<T>(perform: () => Promise<T>): Promise<T> {
    await this.#pass();
    const result = await perform();
    await this.#pass();
    return result;
  }
  override put(key: string, value: Uint8Array) {
    return this.#after(() => super.put(key, value));
  }
  override async create(key: string, value: Uint8Array) {
    if (await this.stat(key)) return false;
    await this.put(key, value);
    return true;
  }
  override get(key: string, limit?: number) {
    return this.#after(() => super.get(key, limit));
  }
  override stat(key: string) {
    return this.#after(() => super.stat(key));
  }
  override async *list(prefix: string) {
    await this.#pass();
    const values = [];
    for await (const value of super.list(prefix)) values.push(value);
    await this.#pass();
    yield* values;
  }
  override delete(keys: readonly string[]) {
    return this.#after(() => super.delete(keys));
  }
}

let next = 0;

/** What a first backup does with the repository, at some time of its own. */
async function backUp(storage: MemoryStorage, wait: number): Promise<string> {
  const repository = await openForBackup(storage, undefined, source, now, onlyMaker);
  await new Promise((resolve) => setTimeout(resolve, wait));
  const manifest = makeManifest({ id: `20261120T021700Z-${(next++).toString(16).padStart(4, '0')}` });
  await writeManifest(repository, manifest);
  return manifest.id;
}

async function settle<T>(promises: readonly Promise<T>[]): Promise<PromiseSettledResult<T>[]> {
  let results: PromiseSettledResult<T>[] | undefined;
  void Promise.allSettled(promises).then((all) => {
    results = all;
  });
  for (let passed = 0; results === undefined; passed += 50) {
    if (passed > 600_000) throw new Error('it waits for ever');
    await vi.advanceTimersByTimeAsync(50);
  }
  return results;
}

beforeEach(() => void vi.useFakeTimers({ now }));
afterEach(() => void vi.useRealTimers());

describe('first backups at once, where conditions of a write are ignored', () => {
  it('make one repository, and each that is green can be read, whatever comes first', async () => {
    for (let round = 0; round < 150; round++) {
      const storage = new HeedlessStorage();
      const slowness = 1 + (round % 10) * 60;
      storage.delay = () => Math.random() * slowness;
      const count = 2 + (round % 2);
      const results = await settle(
        Array.from({ length: count }, () => backUp(storage, Math.random() * 5 * slowness)),
      );
      const ids = results.map((result) => {
        if (result.status === 'rejected') throw result.reason;
        return result.value;
      });
      const [opened] = await settle([openRepository(storage, undefined)]);
      if (opened?.status !== 'fulfilled') throw opened?.reason;
      const read = await settle(ids.map((id) => readManifest(opened.value, id)));
      expect(read.map(({ status }) => status)).toEqual(ids.map(() => 'fulfilled'));
    }
  }, 60_000);

  it('leave no lock behind that keeps the next one waiting', async () => {
    const storage = new HeedlessStorage();
    await settle([backUp(storage, 0), backUp(storage, 0)]);
    vi.useRealTimers();
    const keys: string[] = [];
    for await (const { key } of storage.list('locks/')) keys.push(key);
    expect(keys).toEqual([]);
  });
});

describe('a backup whose repository another run has replaced', () => {
  async function replace(storage: MemoryStorage): Promise<void> {
    const other = new MemoryStorage();
    await openForBackup(other, undefined, source, now, onlyMaker);
    await storage.put('repository.json', await other.get('repository.json'));
  }

  it('fails, and writes no manifest that nobody could read', async () => {
    const storage = new MemoryStorage();
    const repository = await openForBackup(storage, undefined, source, now, onlyMaker);
    await replace(storage);
    const failure = await writeManifest(repository, makeManifest()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(IntegrityError);
    expect(failure).toMatchObject({
      message: expect.stringMatching(/is not the one that this run started with/),
      next: expect.stringMatching(/^Nothing was recorded as a backup\. Run it again/),
    });
    for await (const { key } of storage.list('backups/')) throw new Error(`there is ${key}`);
  });

  it('fails when it was removed, too', async () => {
    const storage = new MemoryStorage();
    const repository = await openForBackup(storage, undefined, source, now, onlyMaker);
    await storage.delete(['repository.json']);
    await expect(writeManifest(repository, makeManifest())).rejects.toThrow(
      /repository\.json is not in memory any more/,
    );
  });

  it('does not fail because of one wrong byte on the way', async () => {
    const storage = new MemoryStorage();
    const repository = await openForBackup(storage, undefined, source, now, onlyMaker);
    const get = storage.get.bind(storage);
    let wrong = 2;
    storage.get = async (key, limit) => {
      const bytes = await get(key, limit);
      if (key === 'repository.json' && wrong-- > 0) bytes[40] = (bytes[40] ?? 0) ^ 1;
      return bytes;
    };
    await writeManifest(repository, makeManifest());
    expect(wrong).toBeLessThanOrEqual(0);
  });
});

describe('a place for a first backup', () => {
  it.each([
    'probe-3f0d6b1e-1111-4222-8333-444455556666',
    'probe/3f0d6b1e-1111-4222-8333-444455556666',
    'locks/0123456789abcdef.json',
    `objects/ab/ab${'0'.repeat(62)}`,
  ])('may hold what runs leave that never came to their end: %s', async (key) => {
    const storage = new MemoryStorage();
    await storage.put(key, Buffer.from('left'));
    await vi.advanceTimersByTimeAsync(31 * 60_000);
    const warnings: string[] = [];
    const log = { debug: () => {}, info: () => {}, warn: (text: string) => void warnings.push(text) };
    const maker = { ...onlyMaker, log };
    await openForBackup(storage, undefined, source, now, maker);
    expect(await storage.stat('repository.json')).toBeDefined();
    expect(warnings.length).toBe(key.startsWith('objects/') ? 1 : 0);
  });

  it.each([
    'backups/20261120T021700Z-7f3a.json',
    'records/validations/20261120T021700Z-7f3a.json',
    'changes/20261120T021700Z-7f3a/0-1.json',
  ])('that has lost its repository.json is refused, and what to bring back is said: %s', async (key) => {
    const storage = new MemoryStorage();
    await storage.put(key, Buffer.from('{}'));
    await expect(openForBackup(storage, undefined, source, now, onlyMaker)).rejects.toMatchObject({
      message: expect.stringContaining(key),
      next: expect.stringMatching(/put its repository\.json back from a copy/),
    });
  });

  it.each(['objects/photo.jpg', 'locks/readme', 'probe-me'])(
    'may not hold files of others that look alike: %s',
    async (key) => {
      const storage = new MemoryStorage();
      await storage.put(key, Buffer.from('…'));
      await expect(openForBackup(storage, undefined, source, now, onlyMaker)).rejects.toThrow(key);
    },
  );

  it('is left alone when it fails, and the error is the storage’s', async () => {
    const storage = new MemoryStorage();
    const failing = new StorageError('the network is down', 'Try again.');
    storage.create = () => Promise.reject(failing);
    await expect(openForBackup(storage, undefined, source, now, onlyMaker)).rejects.toBe(failing);
    for await (const { key } of storage.list('')) throw new Error(`there is ${key}`);
  });
});
