import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { StoredObject } from '../../../src/format/manifest.ts';
import { createEncoder } from '../../../src/repository/objects/codec.ts';
import { Inventory } from '../../../src/repository/objects/inventory.ts';
import { createNaming, ObjectWriter, objectKey } from '../../../src/repository/objects/store.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { type Call, ScriptedStorage } from '../../support/scripted-storage.ts';

const { signal } = new AbortController();
const key = randomBytes(32);
let storage: ScriptedStorage;
beforeEach(() => {
  storage = new ScriptedStorage();
});

const count = (method: Call['method']) => storage.calls.filter((call) => call.method === method).length;
const contents = (amount: number) =>
  Array.from({ length: amount }, (_, index) => Buffer.from(`content ${index}`));

async function write(
  known: readonly StoredObject[] = [],
  inventory: Inventory | undefined = undefined,
): Promise<ObjectWriter> {
  return new ObjectWriter(storage, createNaming(key, []), createEncoder([], 3), {
    inventory: inventory ?? (await Inventory.take(storage, known.length, signal)),
    known: new Map(known.map((object) => [object.name, object])),
    suspects: new Map(),
  });
}

const storeAll = (writer: ObjectWriter, plaintexts: readonly Buffer[]) =>
  Promise.all(plaintexts.map((plaintext) => writer.store(plaintext)));

/** Objects of somebody else, so many that a listing of all has many pages */
async function crowd(amount: number): Promise<void> {
  for (let index = 0; index < amount; index++) {
    await storage.put(objectKey(index.toString(16).padStart(64, '0')), Buffer.from('x'));
  }
  storage.calls.length = 0;
}

describe('storing objects after a listing', () => {
  it.each([10, 500])('takes %i writes of as many new ones, and two listings', async (amount) => {
    const writer = await write();
    const objects = await storeAll(writer, contents(amount));
    await writer.assertStored(objects, signal);
    expect(count('create')).toBe(amount);
    expect(count('list')).toBe(2);
    expect(storage.calls).toHaveLength(amount + 2);
  });

  it('takes no more than the listings for what is there already', async () => {
    const objects = await storeAll(await write(), contents(100));
    storage.calls.length = 0;
    const writer = await write(objects);
    expect(await storeAll(writer, contents(100))).toEqual(objects);
    await writer.assertStored(objects, signal);
    expect(storage.calls.map(({ method }) => method)).toEqual(['list', 'list']);
  });

  it('stores anew what the listing shows to be gone, or of another size', async () => {
    const objects = await storeAll(await write(), contents(2));
    await storage.remove(objectKey(objects[0]?.name ?? ''));
    await storage.put(objectKey(objects[1]?.name ?? ''), Buffer.from('cut'));
    const writer = await write(objects);
    expect(await storeAll(writer, contents(2))).toEqual(objects);
    await writer.assertStored(objects, signal);
    expect(writer.addedBytes).toBe(objects.reduce((sum, { stored }) => sum + stored, 0));
  });

  it('describes what another run has stored since the listing, and does not overwrite it', async () => {
    const [first, second] = [await write(), await write()];
    const [ours] = await storeAll(first, contents(1));
    storage.calls.length = 0;
    expect(await storeAll(second, contents(1))).toEqual([ours]);
    expect(second).toMatchObject({ reused: 1, addedBytes: 0 });
    expect(count('put')).toBe(0);
  });

  it('asks for each object where there are far more than it looks for', async () => {
    await crowd(10_001);
    const inventory = await Inventory.take(storage, 0, signal);
    expect(await inventory.look(objectKey('f'.repeat(64)))).toBeUndefined();
    expect(count('stat')).toBe(1);
  });
});

describe('the proof before a manifest', () => {
  const lose = async (object: StoredObject | undefined) => storage.remove(objectKey(object?.name ?? ''));

  it('finds a write that was confirmed and lost', async () => {
    const writer = await write();
    const objects = await storeAll(writer, contents(3));
    await lose(objects[1]);
    const proof = writer.assertStored(objects, signal);
    await expect(proof).rejects.toThrow(StorageError);
    await expect(proof).rejects.toThrow(`${objectKey(objects[1]?.name ?? '')} is not there`);
  });

  it('finds one of which less was kept', async () => {
    const writer = await write();
    const objects = await storeAll(writer, contents(3));
    await storage.put(objectKey(objects[2]?.name ?? ''), Buffer.from('cut'));
    await expect(writer.assertStored(objects, signal)).rejects.toThrow(/has 3 of \d+ bytes/);
  });

  it('finds one gone that was there when the run began', async () => {
    const objects = await storeAll(await write(), contents(3));
    const writer = await write(objects);
    await storeAll(writer, contents(3));
    await lose(objects[0]);
    await expect(writer.assertStored(objects, signal)).rejects.toThrow(/is not there/);
  });

  it('looks at the few that were stored where a listing had many pages', async () => {
    await crowd(10_001);
    const writer = await write([], await Inventory.take(storage, 1000, signal));
    const objects = await storeAll(writer, contents(20));
    storage.calls.length = 0;
    await writer.assertStored(objects, signal);
    expect(count('list')).toBe(0);
    expect(count('stat')).toBe(20);
    await lose(objects[7]);
    await expect(writer.assertStored(objects, signal)).rejects.toThrow(/is not there/);
  });
});
