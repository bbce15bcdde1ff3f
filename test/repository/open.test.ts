import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openForBackup, openRepository } from '../../src/repository/open.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../src/runtime/errors.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { now, onlyMaker, source } from './example.ts';

const key = 'ab'.repeat(32);
const config = async (storage: MemoryStorage) =>
  JSON.parse((await storage.get('repository.json')).toString());

describe('a repository', () => {
  it('is made by the first backup and opened by the next, with the same key', async () => {
    const storage = new MemoryStorage();
    const made = await openForBackup(storage, undefined, source, now, onlyMaker);
    const opened = await openForBackup(storage, undefined, source, new Date(), onlyMaker);
    expect(opened.key.equals(made.key)).toBe(true);
    expect(made.key).toHaveLength(32);
    expect(opened.id).toBe(made.id);
    expect((await openRepository(storage, undefined)).source).toEqual(source);
  });

  it('keeps a key that is held outside out of the storage', async () => {
    const storage = new MemoryStorage();
    const made = await openForBackup(storage, key, source, now, onlyMaker);
    expect(JSON.stringify(await config(storage))).not.toContain(key);
    const hidden = [key, made.key.toString('hex')];
    for (const secret of hidden) expect(JSON.stringify(await config(storage))).not.toContain(secret);
    expect((await openRepository(storage, key.toUpperCase())).key).toEqual(made.key);
  });

  it('has a key of its own, whoever gives the same to several', async () => {
    const [one, other] = [new MemoryStorage(), new MemoryStorage()];
    const first = await openForBackup(one, key, source, now, onlyMaker);
    const second = await openForBackup(other, key, source, now, onlyMaker);
    expect(first.key).not.toEqual(second.key);
    // docs/format.md shows how to make it by hand.
    const bound = createHmac('sha256', Buffer.from(key, 'hex')).update(
      `supabase-backup repository ${first.id}`,
    );
    expect(first.key).toEqual(bound.digest());
  });

  it('of the first format is opened with the key as it is', async () => {
    const storage = new MemoryStorage();
    await openForBackup(storage, key, source, now, onlyMaker);
    const old = JSON.stringify({ ...(await config(storage)), format: 1 });
    await storage.put('repository.json', Buffer.from(old));
    expect((await openRepository(storage, key)).key.toString('hex')).toBe(key);
  });

  it.each([
    ['missing', undefined],
    ['another', 'cd'.repeat(32)],
  ])('with its key outside is not opened when the key is %s', async (_what, given) => {
    const storage = new MemoryStorage();
    await openForBackup(storage, key, source, now, onlyMaker);
    await expect(openRepository(storage, given)).rejects.toThrow(ConfigurationError);
    await expect(openForBackup(storage, given, source, now, onlyMaker)).rejects.toThrow(/repository-key/);
  });

  it('with a key of its own is opened with that key or none, and no other', async () => {
    const storage = new MemoryStorage();
    const made = await openForBackup(storage, undefined, source, now, onlyMaker);
    await expect(openRepository(storage, key)).rejects.toThrow(ConfigurationError);
    // Whoever holds a key outside, and finds one inside, may have the work of somebody else before him.
    await expect(openRepository(storage, key)).rejects.toMatchObject({
      next: expect.stringMatching(
        /^If you have always kept the key outside of the repository, somebody has replaced/,
      ),
    });
    const { key: held } = (await config(storage)) as { key: { value: string } };
    expect((await openRepository(storage, held.value)).key).toEqual(made.key);
  });

  it('that is not there cannot be read from', async () => {
    await expect(openRepository(new MemoryStorage(), undefined)).rejects.toThrow(ConfigurationError);
  });

  it.each([
    ['another server', { ...source, systemIdentifier: '1' }],
    ['another database', { ...source, database: 'other' }],
  ])('takes no backups of %s', async (_what, other) => {
    const storage = new MemoryStorage();
    await openForBackup(storage, undefined, source, now, onlyMaker);
    await expect(openForBackup(storage, undefined, other, now, onlyMaker)).rejects.toThrow(
      ConfigurationError,
    );
    expect((await openRepository(storage, undefined)).source).toEqual(source);
  });

  it('is not made among other files', async () => {
    const storage = new MemoryStorage();
    await storage.put('holiday/photo.jpg', Buffer.from('…'));
    await expect(openForBackup(storage, undefined, source, now, onlyMaker)).rejects.toThrow(
      /holiday\/photo\.jpg/,
    );
    expect(await storage.stat('repository.json')).toBeUndefined();
  });

  it.each([
    ['is empty', ''],
    ['is cut off', '{"format": 1, "id"'],
    ['is no JSON', 'hello'],
    ['lacks its key', JSON.stringify({ format: 1, id: '0'.repeat(32), createdAt: now, source })],
    [
      'has a short key',
      JSON.stringify({
        format: 1,
        id: '0'.repeat(32),
        createdAt: now,
        source,
        key: { held: 'repository', value: 'ab' },
      }),
    ],
  ])('whose file %s is damaged, and no new one is made over it', async (_what, text) => {
    const storage = new MemoryStorage();
    await storage.put('repository.json', Buffer.from(text));
    await expect(openRepository(storage, undefined)).rejects.toThrow(IntegrityError);
    await expect(openForBackup(storage, undefined, source, now, onlyMaker)).rejects.toThrow(IntegrityError);
    expect((await storage.get('repository.json')).toString()).toBe(text);
  });

  it.each([
    ['is another file', 'root:topsecretline\n'],
    ['holds secrets as values', JSON.stringify({ format: 'topsecretline', key: { held: 'topsecretline' } })],
    ['holds secrets as names', JSON.stringify({ topsecretline: 1 })],
    ['is too large', `"topsecretline${' '.repeat(70_000)}"`],
  ])('whose file %s is not quoted', async (_what, text) => {
    const storage = new MemoryStorage();
    await storage.put('repository.json', Buffer.from(text));
    const error = await openRepository(storage, undefined).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(IntegrityError);
    expect((error as Error).message).toContain('repository.json at memory is damaged');
    expect(inspect(error, { depth: 10 })).not.toContain('topsecret');
  });

  it('of a later format asks for a newer version', async () => {
    const storage = new MemoryStorage();
    await openForBackup(storage, undefined, source, now, onlyMaker);
    const later = JSON.stringify({ ...(await config(storage)), format: 3 }, null, 2);
    await storage.put('repository.json', Buffer.from(later));
    await expect(openRepository(storage, undefined)).rejects.toThrow(
      /format 3; this version reads formats 1 and 2/,
    );
  });

  it('passes on a storage that fails, and makes nothing', async () => {
    const failing = new StorageError('the network is down', 'Try again.');
    const storage = Object.assign(new MemoryStorage(), { get: () => Promise.reject(failing) });
    await expect(openForBackup(storage, undefined, source, now, onlyMaker)).rejects.toBe(failing);
  });
});

describe('two first backups at once', () => {
  it('make one repository when both look before either writes', async () => {
    const storage = new MemoryStorage();
    const [one, other] = await Promise.all([
      openForBackup(storage, undefined, source, now, onlyMaker),
      openForBackup(storage, undefined, source, now, onlyMaker),
    ]);
    expect(one.id).toBe(other.id);
    expect(one.key.equals(other.key)).toBe(true);
  });

  it('make one repository when one writes between the other’s two looks', async () => {
    const storage = new MemoryStorage();
    const get = storage.get.bind(storage);
    storage.get = async (name) => {
      storage.get = get;
      const found = await get(name).catch((error: unknown) => error);
      await openForBackup(storage, undefined, source, now, onlyMaker);
      if (found instanceof Error) throw found;
      return found as Buffer;
    };
    const opened = await openForBackup(storage, undefined, source, now, onlyMaker);
    expect(opened.id).toBe((await openRepository(storage, undefined)).id);
  });

  it('of two databases do not share it', async () => {
    const storage = new MemoryStorage();
    const results = await Promise.allSettled([
      openForBackup(storage, undefined, source, now, onlyMaker),
      openForBackup(storage, undefined, { ...source, database: 'other' }, now, onlyMaker),
    ]);
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});
