import { createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { beforeEach, describe, expect, it } from 'vitest';
import { storedSize } from '../../../src/format/limits.ts';
import type { Manifest, StoredObject } from '../../../src/format/manifest.ts';
import { createEncoder } from '../../../src/repository/objects/codec.ts';
import { Inventory } from '../../../src/repository/objects/inventory.ts';
import {
  createNaming,
  createReader,
  ObjectWriter,
  objectKey,
  readStored,
} from '../../../src/repository/objects/store.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../../src/runtime/errors.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { createRepository, makeManifest } from '../example.ts';

const zstd = promisify(zlib.zstdCompress);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

class CountingStorage extends MemoryStorage {
  readonly writes: string[] = [];
  override async put(key: string, value: Uint8Array): Promise<void> {
    this.writes.push(key);
    await super.put(key, value);
  }
}

let storage: CountingStorage;
let repository: Repository;
beforeEach(async () => {
  storage = new CountingStorage();
  repository = await createRepository(storage);
  storage.writes.length = 0;
});

function write(
  recipients: readonly string[] = [],
  known: readonly StoredObject[] = [],
  suspects: ReadonlyMap<string, Date> = new Map(),
  inventory = Inventory.askEach(storage),
): ObjectWriter {
  return new ObjectWriter(storage, createNaming(repository.key, recipients), createEncoder(recipients, 3), {
    inventory,
    known: new Map(known.map((object) => [object.name, object])),
    suspects,
  });
}

function read(recipients: readonly string[] = [], identities: readonly string[] = []) {
  const encryption: Manifest['encryption'] =
    recipients.length === 0 ? { scheme: 'none' } : { scheme: 'age', recipients: [...recipients] };
  return createReader(repository, makeManifest({ encryption }), identities);
}

const rows = Buffer.from('1\tone\n2\ttwo\n'.repeat(1000));

describe('storing objects', () => {
  it.each([
    ['rows', rows],
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['what does not compress', randomBytes(100_000)],
  ])('gives back %s and describes what is stored', async (_what, plaintext) => {
    const object = await write().store(plaintext);
    const there = await storage.get(objectKey(object.name));
    expect(object).toEqual({
      name: object.name,
      bytes: plaintext.length,
      stored: there.length,
      sha256: sha256(there),
    });
    expect((await read().read(object)).equals(plaintext)).toBe(true);
  });

  it('stores equal content once, also when it comes twice at the same time', async () => {
    const writer = write();
    const [one, other] = await Promise.all([writer.store(rows), writer.store(Buffer.from(rows))]);
    const third = await writer.store(Buffer.from(rows));
    expect(one).toEqual(other);
    expect(third).toEqual(one);
    expect(storage.writes).toEqual([objectKey(one.name)]);
    expect(writer.addedBytes).toBe(one.stored);
  });

  it('does not store again what a listed backup has', async () => {
    const first = await write().store(rows);
    const writer = write([], [first]);
    expect(await writer.store(rows)).toEqual(first);
    expect(storage.writes).toHaveLength(1);
    expect(writer).toMatchObject({ addedBytes: 0, reused: 1 });
  });

  it.each([
    ['vanished', (key: string) => storage.delete([key])],
    ['shrank', (key: string) => storage.put(key, Buffer.from('x'))],
    ['grew', (key: string) => storage.put(key, Buffer.alloc(5000))],
  ])('stores a listed object again that %s since', async (_what, spoil) => {
    const first = await write().store(rows);
    await spoil(objectKey(first.name));
    const writer = write([], [first]);
    const again = await writer.store(rows);
    expect((await read().read(again)).equals(rows)).toBe(true);
    expect(writer.addedBytes).toBe(again.stored);
  });

  it('adopts what a run without a manifest left behind, and describes the bytes that are there', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const left = await write(recipients).store(rows);
    const writer = write(recipients);
    const adopted = await writer.store(rows);
    // Encryption made other bytes this time; they were not stored.
    expect(adopted).toEqual(left);
    expect(storage.writes).toHaveLength(1);
    expect(writer).toMatchObject({ addedBytes: 0, reused: 1 });
    expect((await read(recipients, [identity]).read(adopted)).equals(rows)).toBe(true);
  });

  it('stores a suspect object anew, unless somebody has done so since', async () => {
    const object = await write().store(rows);
    const key = objectKey(object.name);
    const storedAt = (await storage.stat(key))?.modifiedAt as Date;
    const suspectSince = (milliseconds: number) =>
      new Map([[object.name, new Date(storedAt.getTime() + milliseconds)]]);

    storage.writes.length = 0;
    await write([], [object], suspectSince(-1)).store(rows);
    expect(storage.writes).toEqual([]);
    // Damaged, of the same length: neither a listing nor a size tells.
    await MemoryStorage.prototype.put.call(storage, key, randomBytes(object.stored));
    await write([], [object], suspectSince(60_000)).store(rows);
    expect(storage.writes).toEqual([key]);
    expect((await read().prove(object)).equals(rows)).toBe(true);
    // Marked for removal, and needed by no listed backup.
    storage.writes.length = 0;
    await write([], [], suspectSince(60_000)).store(rows);
    expect(storage.writes).toEqual([key]);
  });

  it('gives two runs that store the same at the same time objects that both can be read', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const objects = await Promise.all([write(recipients).store(rows), write(recipients).store(rows)]);
    for (const object of objects)
      expect((await read(recipients, [identity]).read(object)).equals(rows)).toBe(true);
    expect(objects[0]).toEqual(objects[1]);
  });

  it('does not hide that the storage failed', async () => {
    const failure = new StorageError('disk full', 'Make room.');
    storage.create = () => Promise.reject(failure);
    await expect(write().store(rows)).rejects.toBe(failure);
  });
});

describe('the name of an object', () => {
  it('depends on the content, the key and for whom it is sealed, and not on their order', () => {
    const key = randomBytes(32);
    const name = createNaming(key, [])(rows);
    expect(name).toMatch(/^[0-9a-f]{64}$/);
    expect(createNaming(key, [])(Buffer.from(rows))).toBe(name);
    const others = [
      createNaming(key, [])(rows.subarray(1)),
      createNaming(randomBytes(32), [])(rows),
      createNaming(key, ['age1a'])(rows),
      createNaming(key, ['age1a', 'age1b'])(rows),
    ];
    expect(new Set([name, ...others]).size).toBe(5);
    expect(createNaming(key, ['age1b', 'age1a'])(rows)).toBe(createNaming(key, ['age1a', 'age1b'])(rows));
  });

  it('keeps what was stored in the clear apart from its encrypted copy', async () => {
    const recipients = [await identityToRecipient(await generateIdentity())];
    const clear = await write().store(rows);
    const sealed = await write(recipients, [clear]).store(rows);
    expect(sealed.name).not.toBe(clear.name);
    expect(storage.writes).toHaveLength(2);
  });
});

describe('reading an object back', () => {
  let object: StoredObject;
  const replace = async (bytes: Uint8Array, overrides: Partial<StoredObject> = {}) => {
    await storage.put(objectKey(object.name), bytes);
    return { ...object, stored: bytes.length, sha256: sha256(bytes), ...overrides };
  };
  beforeEach(async () => {
    object = await write().store(rows);
  });
  const expectDamaged = async (described: StoredObject, how: RegExp) => {
    const reading = read().read(described);
    await expect(reading).rejects.toThrow(IntegrityError);
    await expect(reading).rejects.toThrow(how);
    await expect(reading).rejects.toThrow(objectKey(object.name));
  };

  it('finds it missing', async () => {
    await storage.delete([objectKey(object.name)]);
    await expectDamaged(object, /it is missing/);
  });

  it('finds it cut off at any place', async () => {
    const bytes = await storage.get(objectKey(object.name));
    for (let length = 0; length < bytes.length; length++) {
      await storage.put(objectKey(object.name), bytes.subarray(0, length));
      await expectDamaged(object, /bytes instead of/);
    }
  });

  it('accepts what a later backup stored in place of a lost object: other bytes, the same content', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const lost = await write(recipients).store(rows);
    await storage.delete([objectKey(lost.name)]);
    const healed = await write(recipients, [lost]).store(rows);
    expect(healed.sha256).not.toBe(lost.sha256);
    expect((await read(recipients, [identity]).read(lost)).equals(rows)).toBe(true);
  });

  it('without a key tells whether the stored bytes are the recorded ones', async () => {
    const bytes = await storage.get(objectKey(object.name));
    await readStored(storage, object);
    for (const other of [
      bytes.subarray(0, -1),
      Buffer.concat([bytes, Buffer.from('x')]),
      Buffer.alloc(bytes.length),
    ]) {
      await storage.put(objectKey(object.name), other);
      await expect(readStored(storage, object)).rejects.toThrow(IntegrityError);
    }
  });

  it('finds any one bit changed', async () => {
    const bytes = await storage.get(objectKey(object.name));
    for (let bit = 0; bit < bytes.length * 8; bit += 5) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      await storage.put(objectKey(object.name), changed);
      await expectDamaged(object, /SHA-256/);
    }
  });

  it('finds other content under its name, even with a description that fits', async () => {
    const other = Buffer.from(rows);
    other[0] = 0x39;
    await expect(read().prove(await replace(await zstd(other)))).rejects.toThrow(
      /content is not what its name says/,
    );
  });

  it('finds what is no zstd', async () => {
    await expectDamaged(await replace(rows), /does not decompress/);
  });

  it.each([
    ['more', 1],
    ['less', -1],
  ])('finds %s content than recorded', async (_what, difference) => {
    await expectDamaged({ ...object, bytes: object.bytes - difference }, /does not decompress/);
  });

  it('does not unpack more than was recorded', async () => {
    const bomb = await zstd(Buffer.alloc(400 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(100_000);
    const described = await replace(bomb, { bytes: 1000 });
    const before = process.memoryUsage().rss;
    await expectDamaged(described, /does not decompress/);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('does not read more than an object can have', async () => {
    await storage.put(objectKey(object.name), Buffer.alloc(storedSize + 1));
    await expectDamaged(object, /it has 35651585 bytes; the limit is 35651584/);
    await expect(readStored(storage, object)).rejects.toThrow(IntegrityError);
  });

  it('does not trust the key of another repository', async () => {
    const other = { ...repository, key: randomBytes(32) };
    const reader = createReader(other, makeManifest(), []);
    await expect(reader.prove(object)).rejects.toThrow(/content is not what its name says/);
  });

  it('passes on that the storage failed: that is no damage', async () => {
    const failure = new StorageError('the network is down', 'Try again.');
    storage.get = () => Promise.reject(failure);
    await expect(read().read(object)).rejects.toBe(failure);
  });

  it('asks for an identity before anything is read, and says when it is the wrong one', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const sealed = await write(recipients).store(rows);
    expect(() => read(recipients)).toThrow(ConfigurationError);
    await expect(read(recipients, [await generateIdentity()]).read(sealed)).rejects.toThrow(
      ConfigurationError,
    );
    const several = [await generateIdentity(), identity];
    expect((await read(recipients, several).read(sealed)).equals(rows)).toBe(true);
  });

  it('takes what somebody encrypted for himself for damage, and for no fault of the identity', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const sealed = await write(recipients).store(rows);
    const theirs = await createEncoder([await identityToRecipient(await generateIdentity())], 3)(rows);
    await storage.put(objectKey(sealed.name), theirs);
    const error = await read(recipients, [identity])
      .prove(sealed)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(IntegrityError);
    expect((error as IntegrityError).next).not.toContain('identity');
  });

  it('tries no more recipients than the backup has, however many somebody wrote into the file', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const sealed = await write(recipients).store(rows);
    const stanza = () =>
      `-> X25519 ${randomBytes(32).toString('base64').slice(0, 43)}\n${randomBytes(32).toString('base64').slice(0, 43)}\n`;
    const header = `age-encryption.org/v1\n${Array.from({ length: 300_000 }, stanza).join('')}--- ${'A'.repeat(43)}\n`;
    await storage.put(objectKey(sealed.name), Buffer.from(header));
    const started = performance.now();
    await expect(read(recipients, [identity]).read(sealed)).rejects.toThrow(IntegrityError);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('finds encrypted bytes that were changed and described anew', async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const sealed = await write(recipients).store(rows);
    const bytes = await storage.get(objectKey(sealed.name));
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    await storage.put(objectKey(sealed.name), bytes);
    const described = { ...sealed, sha256: sha256(bytes) };
    await expect(read(recipients, [identity]).read(described)).rejects.toThrow(/does not decrypt/);
  });
});
