import { beforeEach, describe, expect, it } from 'vitest';
import type { StoredObject } from '../../src/format/manifest.ts';
import {
  manifestKey,
  readManifest,
  readOutline,
  writeManifest,
} from '../../src/repository/backups/manifests.ts';
import { readSegments, segmentKey, writeSegment } from '../../src/repository/changes/segments.ts';
import { createEncoder } from '../../src/repository/objects/codec.ts';
import { Inventory } from '../../src/repository/objects/inventory.ts';
import {
  createNaming,
  createReader,
  ObjectWriter,
  objectKey,
  readStored,
} from '../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../src/repository/open.ts';
import { MarkWriter, readMarkFiles } from '../../src/repository/prune/garbage-marks.ts';
import { readAgain } from '../../src/repository/reading.ts';
import { appendRecord, readRecords } from '../../src/repository/records.ts';
import { IntegrityError, StorageError } from '../../src/runtime/errors.ts';
import {
  BrokenBodyError,
  DeniedValueError,
  ForeignValueError,
  type ReadOptions,
} from '../../src/storage/storage.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { makeChain } from './changes-example.ts';
import { createRepository, makeManifest } from './example.ts';

type Spoil = (bytes: Buffer) => Buffer;

/** A storage whose answers are changed on the way for a number of readings. */
class DistantStorage extends MemoryStorage {
  readonly readings: { key: string; fresh: boolean }[] = [];
  /** By the beginning of a key, how many readings are spoilt, and how. */
  spoilt: { under: string; times: number; spoil: Spoil } | undefined;

  override async get(
    key: string,
    limit?: number,
    { freshConnection: fresh = false }: ReadOptions = {},
  ): Promise<Buffer> {
    this.readings.push({ key, fresh });
    const bytes = await super.get(key, limit);
    const { spoilt } = this;
    if (!spoilt || spoilt.times === 0 || !key.startsWith(spoilt.under)) return bytes;
    spoilt.times -= 1;
    return spoilt.spoil(bytes);
  }
}

const flip: Spoil = (bytes) => {
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
};
const cut: Spoil = (bytes) => bytes.subarray(0, bytes.length - 7);
const breakOff: Spoil = () => {
  const cause = new BrokenBodyError('the answer broke off after 5 bytes');
  throw new StorageError('cannot read it: the answer broke off after 5 bytes', 'Check it.', { cause });
};
const lengthen: Spoil = () => {
  throw new ForeignValueError('key', 'memory', 'it has 99999999999 bytes; the limit is 5');
};
const spoils = { 'one bit is another': flip, 'its end is missing': cut, 'it breaks off': breakOff };

let storage: DistantStorage;
let repository: Repository;
let object: StoredObject;
const rows = Buffer.from('1\tone\n2\ttwo\n'.repeat(1000));

beforeEach(async () => {
  storage = new DistantStorage();
  repository = await createRepository(storage);
  const naming = createNaming(repository.key, []);
  const contents = { inventory: Inventory.askEach(storage), known: new Map(), suspects: new Map() };
  object = await new ObjectWriter(storage, naming, createEncoder([], 3), contents).store(rows);
});

const read = () => createReader(repository, makeManifest(), []).read(object);
const freshness = (under: string) =>
  storage.readings.filter(({ key }) => key.startsWith(under)).map(({ fresh }) => fresh);

describe.each(Object.entries(spoils))('of which, on the way, %s', (_how, spoil) => {
  beforeEach(() => {
    storage.readings.length = 0;
  });

  it('an object is read again over a new connection, and whole', async () => {
    storage.spoilt = { under: 'objects/', times: 2, spoil };
    expect((await read()).equals(rows)).toBe(true);
    expect(freshness('objects/')).toEqual([false, true, true]);
    storage.spoilt.times = 2;
    await readStored(storage, object);
    storage.spoilt.times = 2;
    expect((await createReader(repository, makeManifest(), []).prove(object)).equals(rows)).toBe(true);
  });

  it('a manifest, a segment, a record and a mark are, too', async () => {
    const manifest = makeManifest();
    await writeManifest(repository, manifest);
    const [segment] = makeChain([1]);
    if (segment === undefined) throw new Error('a chain has a segment');
    await writeSegment(repository, segment);
    const pinned = { backup: manifest.id, pinned: true };
    await appendRecord(repository, 'pins', new Date(), pinned);
    const fail = (error: IntegrityError) => expect.fail(error.message);
    storage.spoilt = { under: manifestKey(manifest.id), times: 2, spoil };
    expect((await readManifest(repository, manifest.id)).id).toBe(manifest.id);
    storage.spoilt.times = 2;
    expect((await readOutline(repository, manifest.id))?.id).toBe(manifest.id);
    storage.spoilt = { under: segmentKey(segment), times: 2, spoil };
    expect(await readSegments(repository, fail)).toHaveLength(1);
    storage.spoilt = { under: 'records/', times: 2, spoil };
    expect(await readRecords(repository, 'pins', fail)).toMatchObject([{ content: pinned }]);
  });

  it('a repository.json is, too, and keeps its key', async () => {
    storage.spoilt = { under: 'repository.json', times: 1, spoil };
    const opened = await openRepository(storage, undefined);
    expect(opened.key.equals(repository.key)).toBe(true);
  });
});

describe('what is not as it should be whenever it is read', () => {
  it('is damaged, and the message says how often it was read', async () => {
    storage.spoilt = { under: 'objects/', times: 99, spoil: flip };
    await expect(read()).rejects.toThrow(/its SHA-256 is not the recorded one \(read 3 times\)$/);
    await expect(readStored(storage, object)).rejects.toThrow(/\(read 3 times\)$/);
    storage.spoilt = { under: 'objects/', times: 99, spoil: cut };
    await expect(read()).rejects.toThrow(/it has \d+ bytes instead of \d+ \(read 3 times\)$/);
    storage.spoilt = { under: 'objects/', times: 99, spoil: lengthen };
    await expect(read()).rejects.toThrow(/it has 99999999999 bytes; .* \(read 3 times\)$/);
    await writeManifest(repository, makeManifest());
    storage.spoilt = { under: 'backups/', times: 99, spoil: flip };
    await expect(readManifest(repository, makeManifest().id)).rejects.toThrow(
      /its seal does not match its content \(read 3 times\)$/,
    );
  });

  it('is no damage when it breaks off each time: then it is not known', async () => {
    storage.spoilt = { under: 'objects/', times: 99, spoil: breakOff };
    const failure = await read().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StorageError);
    expect(storage.readings.filter(({ key }) => key === objectKey(object.name))).toHaveLength(3);
  });

  it('is read once where it is missing or may not be read: no other reading can change that', async () => {
    await storage.delete([objectKey(object.name)]);
    storage.readings.length = 0;
    await expect(read()).rejects.toThrow(/it is missing$/);
    expect(storage.readings).toHaveLength(1);
    const denied = () =>
      readAgain(async () => {
        storage.readings.push({ key: 'denied', fresh: false });
        throw new DeniedValueError('key', 'memory', 'this user cannot read it');
      });
    await expect(denied()).rejects.toThrow(DeniedValueError);
    expect(storage.readings).toHaveLength(2);
  });

  it('is read once where its bytes are the recorded ones: they were stored like this', async () => {
    const other = { ...object, bytes: object.bytes + 1 };
    storage.readings.length = 0;
    await expect(createReader(repository, makeManifest(), []).read(other)).rejects.toThrow(IntegrityError);
    expect(storage.readings).toHaveLength(1);
  });
});

it('marks of a cleanup that are misread once mark all the same', async () => {
  const writer = new MarkWriter(repository, () => new Date());
  await writer.add(object.name, object.stored);
  await writer.finish();
  storage.spoilt = { under: 'garbage/', times: 1, spoil: flip };
  const marks = await readMarkFiles(repository, (error) => expect.fail(error.message));
  expect(marks).toMatchObject([{ names: [object.name] }]);
});
