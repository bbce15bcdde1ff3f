import { beforeEach, describe, expect, it } from 'vitest';
import {
  listBackupIds,
  manifestKey,
  readManifest,
  writeManifest,
} from '../../src/repository/backups/manifests.ts';
import {
  listSegmentFiles,
  readSegments,
  segmentKey,
  writeSegment,
} from '../../src/repository/changes/segments.ts';
import type { Repository } from '../../src/repository/open.ts';
import { StorageError } from '../../src/runtime/errors.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { makeChain } from './changes-example.ts';
import { createRepository, makeManifest } from './example.ts';

let storage: MemoryStorage;
let repository: Repository;
beforeEach(async () => {
  storage = new MemoryStorage();
  repository = await createRepository(storage);
});

const manifest = makeManifest();
const key = manifestKey(manifest.id);
const failing = new StorageError('the store kept answering InternalError (HTTP 500)', 'Run it again later.');
const flip = (bytes: Uint8Array) => {
  const changed = Buffer.from(bytes);
  changed[60] = (changed[60] ?? 0) ^ 1;
  return changed;
};
const write = () => writeManifest(repository, manifest);

describe('a manifest is recorded', () => {
  it('when the store has it, although it answered an error', async () => {
    const create = storage.create.bind(storage);
    storage.create = async (name, value) => {
      await create(name, value);
      throw failing;
    };
    await write();
    expect((await readManifest(repository, manifest.id)).id).toBe(manifest.id);
  });

  it('when the store kept other bytes at first, and the right ones when they were sent again', async () => {
    const create = storage.create.bind(storage);
    storage.create = (name, value) => create(name, flip(value));
    await write();
    expect((await readManifest(repository, manifest.id)).id).toBe(manifest.id);
  });

  it('when one byte is changed on the way back', async () => {
    const get = storage.get.bind(storage);
    let wrong = 1;
    storage.get = async (name, limit) => {
      const bytes = await get(name, limit);
      return name === key && wrong-- > 0 ? flip(bytes) : bytes;
    };
    await write();
    expect(wrong).toBe(-1);
  });
});

describe('a manifest is not recorded', () => {
  it('when the store does not have it after an error, which is what is told', async () => {
    storage.create = () => Promise.reject(failing);
    await expect(write()).rejects.toBe(failing);
    expect(await listBackupIds(repository)).toEqual([]);
  });

  it.each([
    ['other bytes', /confirmed backups\/.* and twice returned other bytes than were sent/],
    ['nothing', /confirmed backups\/.* and twice did not have it afterwards/],
  ])('when the store confirms it and keeps %s, and nothing of it stays', async (what, message) => {
    const put = storage.put.bind(storage);
    const keep = async (name: string, value: Uint8Array) => {
      if (what === 'other bytes') await put(name, flip(value));
    };
    storage.put = keep;
    storage.create = async (name, value) => {
      await keep(name, value);
      return true;
    };
    const failure = await write().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StorageError);
    expect((failure as Error).message).toMatch(message);
    expect(await listBackupIds(repository)).toEqual([]);
  });

  it('in the place of another', async () => {
    await write();
    await expect(write()).rejects.toThrow(/already exists/);
  });
});

describe('a manifest may be recorded', () => {
  it.each([
    ['it answered an error', () => Promise.reject(failing)],
    ['it confirmed it', () => Promise.resolve(true)],
  ])(
    'when the store does not answer any more after %s, and then the error says so',
    async (_what, create) => {
      const get = storage.get.bind(storage);
      storage.create = create;
      storage.get = (name, limit) => (name === key ? Promise.reject(failing) : get(name, limit));
      await expect(write()).rejects.toMatchObject({
        message: expect.stringMatching(
          /^backup 20261120T021700Z-7f3a may have been recorded: the store kept/,
        ),
        next: expect.stringMatching(/^Run `list` when memory answers again/),
      });
    },
  );
});

describe('a segment of changes', () => {
  const [segment] = makeChain([1]);
  if (segment === undefined) throw new Error('a chain has a segment');

  it('is recorded when the store has it, although it answered an error', async () => {
    const create = storage.create.bind(storage);
    storage.create = async (name, value) => {
      await create(name, value);
      throw failing;
    };
    await writeSegment(repository, segment);
    expect(await readSegments(repository, (error) => expect.fail(error.message))).toHaveLength(1);
  });

  it('of another run is not replaced after an error', async () => {
    const put = storage.put.bind(storage);
    storage.create = async (name) => {
      await put(name, Buffer.from('of another run'));
      throw failing;
    };
    await expect(writeSegment(repository, segment)).rejects.toBe(failing);
    expect((await storage.get(segmentKey(segment))).toString()).toBe('of another run');
    expect(await listSegmentFiles(repository)).toHaveLength(1);
  });
});
