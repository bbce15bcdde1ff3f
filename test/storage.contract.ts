import { createHash, randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StorageError } from '../src/runtime/errors.ts';
import {
  type Capabilities,
  ForeignValueError,
  type Storage,
  type StoredValue,
} from '../src/storage/storage.ts';

const climbing = ['..', '../up', 'a/../../up', 'a/..', './a'];
const malformed = ['', '/', '/etc/passwd', 'a//b', 'a/', 'a\\b', 'a b', 'ä', 'a\0b', 'a\n'];
const refusedKeys = [...climbing, ...malformed, 'tmp', 'tmp/a'];

/**
 * What every storage promises. `open` returns an empty storage each time; `expected` is what its probe learns. One that `tears` breaks its
 * word: who reads a value that is being replaced may see some of each. A repository replaces nothing but locks.
 */
export function describeStorage(
  name: string,
  open: () => Promise<Storage>,
  expected: Capabilities = { createOnly: true, deletes: true },
  { tears = false }: { tears?: boolean } = {},
): void {
  describe(`${name} keeps the storage contract`, () => {
    let storage: Storage;
    beforeEach(async () => {
      storage = await open();
    });
    afterEach(async () => {
      await storage.close();
    });

    test('a probe tells what the storage can do and leaves nothing behind', async () => {
      expect(await storage.probe()).toEqual(expected);
      expect(await keysOf(storage, '')).toEqual([]);
      expect(await storage.probe()).toEqual(expected);
    });

    test('probes of several writers at once do not disturb each other', async () => {
      const probes = await Promise.all(Array.from({ length: 5 }, () => storage.probe()));
      expect(probes).toEqual(Array(5).fill(expected));
      expect(await keysOf(storage, '')).toEqual([]);
    });

    test('a value comes back as it was put', async () => {
      const value = randomBytes(100_003);
      await storage.put('objects/ab/value', value);
      expect((await storage.get('objects/ab/value')).equals(value)).toBe(true);
    });

    test('an empty value is a value', async () => {
      await storage.put('empty', new Uint8Array());
      expect(await storage.get('empty')).toHaveLength(0);
      expect(await storage.stat('empty')).toMatchObject({ key: 'empty', size: 0 });
    });

    test('a value of 40 MB comes back whole', { timeout: 60_000 }, async () => {
      const value = randomBytes(40_000_000);
      await storage.put('large', value);
      expect(sha256(await storage.get('large'))).toBe(sha256(value));
    });

    test('a value that is larger than its reader takes is told from a failure, and not read', async () => {
      await storage.put('large', Buffer.alloc(100_001));
      expect(await storage.get('large', 100_001)).toHaveLength(100_001);
      const error = await storage.get('large', 100_000).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ForeignValueError);
      expect(error).toMatchObject({ missing: false, how: 'it has 100001 bytes; the limit is 100000' });
      expect((error as Error).message).toContain('large in');
    });

    test('only the viewed part of a buffer is stored', async () => {
      await storage.put('part', Buffer.from('0123456789').subarray(3, 6));
      expect((await storage.get('part')).toString()).toBe('345');
    });

    test('a put replaces the older value, longer or shorter', async () => {
      for (const text of ['first', 'a longer second', '3']) {
        await storage.put('key', Buffer.from(text));
        expect((await storage.get('key')).toString()).toBe(text);
      }
    });

    test('a caller may reuse its buffer after a put, and change what it got', async () => {
      const buffer = Buffer.from('kept');
      await storage.put('key', buffer);
      buffer.fill('x');
      (await storage.get('key')).fill('y');
      expect((await storage.get('key')).toString()).toBe('kept');
    });

    test('an absent key is an error that says so', async () => {
      const error = await storage.get('absent/key').catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageError);
      expect(error).toMatchObject({ missing: true, message: expect.stringContaining('absent/key') });
      expect((error as Error).message).toContain(storage.location);
    });

    test('an absent key has no size', async () => {
      await storage.put('folder/key', Buffer.from('value'));
      expect(await storage.stat('absent')).toBeUndefined();
      expect(await storage.stat('folder')).toBeUndefined();
      expect(await storage.stat('folder/key/below')).toBeUndefined();
    });

    test('a size is in bytes, and a time of change is near now', async () => {
      await storage.put('key', Buffer.from('äöü'));
      const found = await storage.stat('key');
      expect(found).toMatchObject({ key: 'key', size: 6 });
      expect(Math.abs(Date.now() - Number(found?.modifiedAt))).toBeLessThan(60_000);
    });

    test('create stores an absent key, and leaves a present one as it is', async () => {
      expect(await storage.create('locks/one', Buffer.from('first'))).toBe(true);
      expect(await storage.create('locks/one', Buffer.from('second'))).toBe(false);
      expect((await storage.get('locks/one')).toString()).toBe('first');
    });

    test('create sees what put has stored, and works again after a delete', async () => {
      await storage.put('key', Buffer.from('put'));
      expect(await storage.create('key', Buffer.from('created'))).toBe(false);
      await storage.delete(['key']);
      expect(await storage.create('key', Buffer.from('created'))).toBe(true);
    });

    test.runIf(expected.createOnly)('of concurrent creates of one key exactly one succeeds', async () => {
      for (let round = 0; round < 5; round++) {
        const key = `race/${round}`;
        const texts = Array.from({ length: 12 }, (_, writer) => `writer ${writer}`);
        const outcomes = await Promise.all(texts.map((text) => storage.create(key, Buffer.from(text))));
        expect(outcomes.filter(Boolean)).toHaveLength(1);
        expect((await storage.get(key)).toString()).toBe(texts[outcomes.indexOf(true)]);
      }
    });

    test.skipIf(tears)(
      'a concurrent reader sees an older or a newer value, never a part of one',
      async () => {
        const values = Array.from({ length: 8 }, (_, index) => Buffer.alloc(300_000 + index, index));
        await storage.put('key', values[0] as Buffer);
        let writing = true;
        const reading = (async () => {
          while (writing) {
            const read = await storage.get('key');
            expect(values.some((value) => value.equals(read))).toBe(true);
          }
        })();
        for (const value of values) await storage.put('key', value);
        writing = false;
        await reading;
      },
    );

    test('a list has the keys of a prefix with their sizes, even when the prefix ends inside a name', async () => {
      const keys = ['a', 'b/1', 'b/12', 'b/2/deep/er', 'bc/1', 'c'];
      for (const key of keys) await storage.put(key, Buffer.alloc(key.length));
      expect(await keysOf(storage, '')).toEqual(keys);
      expect(await keysOf(storage, 'b/')).toEqual(['b/1', 'b/12', 'b/2/deep/er']);
      expect(await keysOf(storage, 'b')).toEqual(['b/1', 'b/12', 'b/2/deep/er', 'bc/1']);
      expect(await keysOf(storage, 'b/1')).toEqual(['b/1', 'b/12']);
      expect(await keysOf(storage, 'b/2/de')).toEqual(['b/2/deep/er']);
      expect(await keysOf(storage, 'absent/')).toEqual([]);
      expect(await keysOf(storage, 'a/')).toEqual([]);
      for await (const { key, size, modifiedAt } of storage.list('')) {
        expect(size).toBe(key.length);
        expect(Math.abs(Date.now() - modifiedAt.getTime())).toBeLessThan(60_000);
      }
    });

    test('more keys than fit a page are listed and deleted, each once', { timeout: 120_000 }, async () => {
      const limit = pLimit(16);
      const keys = Array.from({ length: 1050 }, (_, index) => `objects/${index % 16}/${index}`).sort();
      await Promise.all(keys.map((key) => limit(() => storage.put(key, Buffer.from(key)))));
      await storage.put('kept', Buffer.from('kept'));
      expect(await keysOf(storage, 'objects/')).toEqual(keys);
      await storage.delete(keys);
      expect(await keysOf(storage, '')).toEqual(['kept']);
    });

    test('deleting an absent key, or none, is no error', async () => {
      await storage.put('key', Buffer.from('value'));
      await storage.delete([]);
      await storage.delete(['absent', 'key', 'absent/too', 'key']);
      expect(await keysOf(storage, '')).toEqual([]);
    });

    test('a key that could leave the repository, or that not every storage has, is refused by every method', async () => {
      const value = Buffer.from('value');
      for (const key of refusedKeys) {
        for (const call of [
          () => storage.put(key, value),
          () => storage.create(key, value),
          () => storage.get(key),
          () => storage.stat(key),
          () => storage.delete(['fine', key]),
        ]) {
          await expect(call(), key).rejects.toThrow('not a storage key');
        }
      }
      for (const prefix of ['/', '../', 'a/../', '..', '//', 'tmp/']) {
        await expect(keysOf(storage, prefix), prefix).rejects.toThrow('not a prefix');
      }
    });
  });
}

export async function valuesOf(storage: Storage, prefix: string): Promise<StoredValue[]> {
  const values: StoredValue[] = [];
  for await (const value of storage.list(prefix)) values.push(value);
  return values;
}

export async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  return (await valuesOf(storage, prefix)).map(({ key }) => key).sort();
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
