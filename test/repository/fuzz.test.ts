import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StoredObject } from '../../src/format/manifest.ts';
import {
  listBackupIds,
  readIfPresent,
  readManifest,
  readOutline,
} from '../../src/repository/backups/manifests.ts';
import { findWindows } from '../../src/repository/changes/recoverable.ts';
import { readSegments, segmentKey, writeSegment } from '../../src/repository/changes/segments.ts';
import { acquireLock, listLocks } from '../../src/repository/locks/locks.ts';
import { createEncoder } from '../../src/repository/objects/codec.ts';
import { createReader, objectKey, readStored } from '../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../src/repository/open.ts';
import { MarkWriter, readMarkFiles } from '../../src/repository/prune/garbage-marks.ts';
import { appendRecord, readRecords } from '../../src/repository/records.ts';
import { type SealedKind, sealContent } from '../../src/repository/signature.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../src/runtime/errors.ts';
import { MemoryStorage } from '../support/memory-storage.ts';
import { makeSegment } from './changes-example.ts';
import { createRepository, makeManifest, makeObject, now } from './example.ts';

/**
 * Whatever lies in a repository: by accident, or put there by one who can write to it, with the key or without. A reader answers with an
 * error that a person understands, or with what the format allows; it neither hangs nor takes memory that the format does not promise.
 */

let storage: MemoryStorage;
let repository: Repository;
beforeEach(async () => {
  storage = new MemoryStorage();
  repository = await createRepository(storage);
});

const manifest = makeManifest();
const key = `backups/${manifest.id}.json`;

/** What any reader may throw. */
function expectReadable(error: unknown): void {
  const known = error instanceof IntegrityError || error instanceof ConfigurationError;
  expect(known, String((error as Error).stack ?? error)).toBe(true);
  const { message, next } = error as IntegrityError;
  expect(message.length).toBeGreaterThan(10);
  // It says what is wrong, and does not repeat it by the megabyte.
  expect(message.length).toBeLessThan(2000);
  expect(next).toMatch(/[.;]$/);
}

async function attempt<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    expectReadable(error);
    return undefined;
  }
}

/** Random bytes, and whole files that were cut, lengthened or changed in a few places. */
function distortions(whole: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat(whole.length - 1);
  const distorted = fc.oneof(
    fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
    at.map((length) => Buffer.from(whole.subarray(0, length))),
    fc
      .tuple(at, fc.uint8Array({ minLength: 1, maxLength: 40 }))
      .map(([where, bytes]) => Buffer.concat([whole.subarray(0, where), bytes, whole.subarray(where)])),
    fc.array(fc.tuple(at, fc.integer({ min: 0, max: 7 })), { minLength: 1, maxLength: 5 }).map((flips) => {
      const copy = Buffer.from(whole);
      for (const [where, bit] of flips) copy[where] = (copy[where] ?? 0) ^ (1 << bit);
      return copy;
    }),
  );
  // The line break at the end of a sealed file says nothing.
  return distorted.filter((bytes) => !bytes.equals(whole) && !bytes.equals(whole.subarray(0, -1)));
}

/** JSON documents in which one value, somewhere, is another. */
function mutations(document: object): fc.Arbitrary<object> {
  const paths: (string | number)[][] = [];
  const walk = (value: unknown, path: (string | number)[]) => {
    if (path.length > 0) paths.push(path);
    if (Array.isArray(value)) value.forEach((item, index) => void walk(item, [...path, index]));
    else if (value !== null && typeof value === 'object')
      for (const [name, item] of Object.entries(value)) walk(item, [...path, name]);
  };
  walk(document, []);
  return fc.tuple(fc.constantFrom(...paths), hostileValues).map(([path, value]) => {
    const copy = structuredClone(document) as Record<string | number, unknown>;
    let place = copy;
    for (const step of path.slice(0, -1)) place = place[step] as typeof place;
    place[path.at(-1) ?? ''] = value;
    return copy;
  });
}

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      null,
      true,
      -1,
      0,
      0.5,
      2 ** 31,
      2 ** 32,
      2 ** 53,
      1e308,
      -1e308,
      '',
      '0',
      '\0',
      '../../../etc/passwd',
    ],
    ...['..', '/', 'a'.repeat(100_000), '\ud800', 'NaN', '__proto__', {}, [], [[]], nested(500)],
    ...[{ toString: 1 }, { object: 2 ** 40, offset: -1, length: 1e300 }, Array(10_000).fill(0)],
  ),
  fc.jsonValue(),
);

describe('a manifest', () => {
  const { purpose: _, ...fields } = manifest;
  const ofFormat1 = { ...fields, format: 1, pin: true, label: `before restore of ${manifest.id}` };
  let whole: Buffer;
  beforeEach(() => {
    whole = sealContent(repository, 'manifest', manifest);
  });

  it('of any bytes is damaged, for every one who reads it', async () => {
    await fc.assert(
      fc.asyncProperty(distortions(whole), async (bytes) => {
        await storage.put(key, bytes);
        for (const read of [readManifest, readIfPresent, readOutline]) {
          await expect(read(repository, manifest.id)).rejects.toThrow(IntegrityError);
          await attempt<unknown>(() => read(repository, manifest.id));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('sealed with the key but not of the format is refused, or holds nothing but what the format allows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutations(manifest), mutations(ofFormat1)), async (content) => {
        await storage.put(key, sealContent(repository, 'manifest', content));
        const read = await attempt(() => readManifest(repository, manifest.id));
        const outline = await attempt(() => readOutline(repository, manifest.id));
        if (!read) return;
        if (outline) expect(outline.purpose).toBe(read.purpose);
        expect(['ordinary', 'safety']).toContain(read.purpose);
        for (const { name, bytes, stored } of read.objects) {
          expect(name).toMatch(/^[0-9a-f]{64}$/);
          expect(Number.isInteger(bytes) && bytes >= 0 && Number.isInteger(stored) && stored >= 0).toBe(true);
        }
        for (const piece of read.tables.flatMap(({ ranges }) => ranges.flatMap(({ pieces }) => pieces))) {
          const object = read.objects[piece.object];
          expect(object && piece.offset + piece.length <= object.bytes).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['an id that climbs', { id: '../repository' }],
    ['a base that climbs', { base: '../../backups/20261120T021700Z-7f3a' }],
    ['a part of a byte', { totals: { ...manifest.totals, bytes: 0.5 } }],
    ['a format of the future', { format: 3 }],
    ['a purpose that is none', { purpose: 'both' }],
  ])('with %s is refused', async (_, change) => {
    await storage.put(key, sealContent(repository, 'manifest', { ...manifest, ...change }));
    for (const read of [readManifest, readOutline])
      await expect(read(repository, manifest.id)).rejects.toThrow(IntegrityError);
  });

  it('with objects that climb is never read from', async () => {
    for (const name of ['../../../../etc/passwd', '/etc/passwd', '..', `${'a'.repeat(62)}/.`]) {
      const objects = [{ ...makeObject(), name }];
      await storage.put(key, sealContent(repository, 'manifest', { ...manifest, objects }));
      await expect(readManifest(repository, manifest.id)).rejects.toThrow(IntegrityError);
      // And if it were, the storage would not follow.
      await expect(readStored(storage, { ...makeObject(), name })).rejects.toThrow(/storage key|missing/);
    }
  });

  it('that is nested as deep as a file can be is refused', async () => {
    for (const depth of [10_000, 3_000_000]) {
      const text = `{"format":1,"id":${'['.repeat(depth)}${']'.repeat(depth)}`;
      await storage.put(key, reseal(repository, 'manifest', text));
      await expect(readManifest(repository, manifest.id)).rejects.toThrow(IntegrityError);
      await attempt(() => readManifest(repository, manifest.id));
    }
  });

  it('does not reach beyond itself by a field named like a prototype', async () => {
    const text = JSON.stringify(manifest).replace('{', '{"__proto__":{"polluted":true},');
    await storage.put(key, reseal(repository, 'manifest', text.slice(0, -1)));
    await attempt(() => readManifest(repository, manifest.id));
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('under a name that is no id does not exist', async () => {
    const ids = [
      '..',
      'x',
      '20261120T021700Z-7f3a/..',
      '20261120T021700Z-7F3A',
      '20261120T021700Z-7f3a.json.json',
    ];
    for (const id of ids) {
      await storage.put(`backups/${id}x`.replaceAll('..', 'dots'), whole);
    }
    expect(await listBackupIds(repository)).toEqual([]);
  });
});

/** Seals a text that JSON.stringify would not write. @param open without the brace that ends it */
function reseal(of: Repository, kind: SealedKind, open: string): Buffer {
  // The seal of any content is over its text, so another text can be sealed by one who holds the key.
  const text = { toJSON: () => ({ text: '' }) };
  const original = JSON.stringify;
  try {
    JSON.stringify = () => `${open}}`;
    return sealContent(of, kind, text);
  } finally {
    JSON.stringify = original;
  }
}

describe('records', () => {
  const content = {
    share: 1,
    backups: [{ id: manifest.id, outcome: 'passed' as const, opened: true }],
    damagedObjects: ['a'.repeat(64)],
  };

  it('of any bytes count for nothing, and are told', async () => {
    await appendRecord(repository, 'validations', now, content);
    const [name = ''] = await keysOf('records/');
    const whole = await storage.get(name);
    await fc.assert(
      fc.asyncProperty(distortions(whole), async (bytes) => {
        await storage.put(name, bytes);
        const damaged: IntegrityError[] = [];
        expect(await readRecords(repository, 'validations', (error) => damaged.push(error))).toEqual([]);
        expect(damaged).toHaveLength(1);
        expectReadable(damaged[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('sealed with the key but not of the format are refused, or hold what the format allows', async () => {
    const id = '20261120T021700Z-7f3a';
    const envelope = { format: 1, id, at: now.toISOString(), content };
    await fc.assert(
      fc.asyncProperty(mutations(envelope), async (hostile) => {
        await storage.put(
          `records/validations/${id}.json`,
          sealContent(repository, 'record validations', hostile),
        );
        const damaged: IntegrityError[] = [];
        const records = await readRecords(repository, 'validations', (error) => damaged.push(error));
        expect(records.length + damaged.length).toBe(1);
        for (const error of damaged) expectReadable(error);
        for (const record of records) {
          expect(Number.isNaN(record.at.getTime())).toBe(false);
          for (const object of record.content.damagedObjects) expect(object).toMatch(/^[0-9a-f]{64}$/);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('segments', () => {
  const segment = makeSegment({
    objects: [makeObject()],
    tables: [{ schema: 'public', name: 't', inserts: 1, updates: 0, deletes: 0, truncates: 0 }],
    filenodes: { 16400: 16401 },
  });
  const name = segmentKey(segment);

  it('of any bytes count for nothing, and are told', async () => {
    await writeSegment(repository, segment);
    const whole = await storage.get(name);
    await fc.assert(
      fc.asyncProperty(distortions(whole), async (bytes) => {
        await storage.put(name, bytes);
        const damaged: IntegrityError[] = [];
        expect(await readSegments(repository, (error) => damaged.push(error))).toEqual([]);
        expect(damaged).toHaveLength(1);
        expectReadable(damaged[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('sealed with the key but not of the format are refused, or can be planned with', async () => {
    await fc.assert(
      fc.asyncProperty(mutations(segment), mutations(manifest), async (hostile, other) => {
        await storage.put(name, sealContent(repository, 'segment', hostile));
        await storage.put(key, sealContent(repository, 'manifest', other));
        const damaged: IntegrityError[] = [];
        const segments = await readSegments(repository, (error) => damaged.push(error));
        expect(segments.length + damaged.length).toBe(1);
        for (const error of damaged) expectReadable(error);
        const base = await attempt(() => readOutline(repository, manifest.id));
        for (const window of findWindows(base ? [base] : [], segments)) {
          expect(window.from <= window.to).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('marks', () => {
  async function mark(): Promise<string> {
    const writer = new MarkWriter(repository, () => now);
    await writer.add('a'.repeat(64), 10);
    await writer.finish();
    const [name = ''] = await keysOf('garbage/');
    return name;
  }

  it('of any bytes mark nothing, and are told', async () => {
    const name = await mark();
    const whole = await storage.get(name);
    await fc.assert(
      fc.asyncProperty(distortions(whole), async (bytes) => {
        await storage.put(name, bytes);
        const damaged: IntegrityError[] = [];
        const marks = await readMarkFiles(repository, (error) => damaged.push(error));
        expect(marks.flatMap(({ names }) => names)).toEqual([]);
        expect(damaged).toHaveLength(1);
        expectReadable(damaged[0]);
      }),
      { numRuns: 300 },
    );
  });

  it('sealed with the key name nothing but objects', async () => {
    const name = await mark();
    const id = name.slice('garbage/'.length, -'.json'.length);
    await fc.assert(
      fc.asyncProperty(mutations({ format: 1, id, names: ['a'.repeat(64)] }), async (hostile) => {
        await storage.put(name, sealContent(repository, 'record garbage', hostile));
        const marks = await readMarkFiles(repository, expectReadable);
        for (const marked of marks.flatMap(({ names }) => names)) expect(marked).toMatch(/^[0-9a-f]{64}$/);
      }),
      { numRuns: 300 },
    );
  });
});

describe('locks', () => {
  const content = {
    format: 1,
    operation: 'backup',
    mode: 'shared',
    holder: 'somebody',
    holderId: 'a step',
    since: now.toISOString(),
    ttlSeconds: 1800,
  };
  const name = 'locks/0123456789abcdef.json';

  it('of any bytes count as locks of somebody who cannot be asked, and end', async () => {
    const whole = Buffer.from(JSON.stringify(content));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          distortions(whole),
          mutations(content).map((value) => Buffer.from(JSON.stringify(value))),
        ),
        async (bytes) => {
          await storage.put(name, bytes);
          for (const lock of await listLocks(repository)) {
            const lifetime = lock.expiresAt.getTime() - lock.modifiedAt.getTime();
            expect(lifetime).toBeGreaterThan(0);
            expect(lifetime).toBeLessThanOrEqual(24 * 3_600_000);
          }
          await expectLockOrRefusal();
        },
      ),
      { numRuns: 300 },
    );
  });

  /** Nobody gets an exclusive lock beside it, unless it says that it was given back. */
  async function expectLockOrRefusal(): Promise<void> {
    const locks = await listLocks(repository);
    const acquired = await acquireLock(repository, {
      operation: 'cleanup',
      mode: 'exclusive',
      holder: { id: 'a test', name: 'a test' },
      now: () => new Date(),
      random: Math.random,
      signal: new AbortController().signal,
      log: { debug() {}, info() {}, warn() {} },
      waitSeconds: 0,
    }).catch((error: Error) => error);
    if (locks.length > 0) expect(acquired).toBeInstanceOf(StorageError);
    else if (!(acquired instanceof Error)) await acquired.release();
  }
});

describe('repository.json', () => {
  it('of any bytes is damaged, of another format, or has the key that it had', async () => {
    const whole = await storage.get('repository.json');
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          distortions(whole),
          mutations(JSON.parse(whole.toString())).map((value) => Buffer.from(JSON.stringify(value))),
        ),
        async (bytes) => {
          await storage.put('repository.json', bytes);
          const opened = await attempt(() => openRepository(storage, undefined));
          if (opened) expect(opened.key).toHaveLength(32);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('an object', () => {
  let object: StoredObject;
  const plaintext = Buffer.from('1\tone\n2\ttwo\n'.repeat(50));
  let sealed: Buffer;

  beforeAll(async () => {
    sealed = Buffer.from(await createEncoder([], 3)(plaintext));
  });
  beforeEach(async () => {
    object = { name: 'a'.repeat(64), bytes: plaintext.length, stored: sealed.length, sha256: 'b'.repeat(64) };
  });
  const read = () => createReader(repository, manifest, []).read(object);

  it('of any bytes is damaged', async () => {
    await fc.assert(
      fc.asyncProperty(distortions(sealed), async (bytes) => {
        await storage.put(objectKey(object.name), bytes);
        await expect(read()).rejects.toThrow(IntegrityError);
        await attempt(read);
        await attempt(() => readStored(storage, object));
      }),
      { numRuns: 500 },
    );
  });

  it('of any bytes is damaged when it should be encrypted', async () => {
    const identity = 'AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33';
    const encrypted = makeManifest({ encryption: { scheme: 'age', recipients: ['age1'] } });
    const reader = createReader(repository, encrypted, [identity]);
    const header = Buffer.from(
      'age-encryption.org/v1\n-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          distortions(sealed),
          distortions(header),
          fc.uint8Array().map((tail) => Buffer.concat([header, tail])),
        ),
        async (bytes) => {
          await storage.put(objectKey(object.name), bytes);
          await attempt(() => reader.read(object));
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([0, 100, 1_000_000])(
    'that would unpack to gigabytes ends at what was recorded: %d bytes',
    async (bytes) => {
      // 4 GiB of zeros are 128 KiB of zstd: frames one after another are one stream.
      const frame = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
      await storage.put(objectKey(object.name), Buffer.concat(Array<Buffer>(64).fill(frame)));
      object = { ...object, bytes };
      const before = process.memoryUsage().rss;
      const started = performance.now();
      const error = await read().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(IntegrityError);
      expectReadable(error);
      expect(performance.now() - started).toBeLessThan(3000);
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    },
  );

  it.each([2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER])(
    'that is said to have %d bytes takes no memory for what is not there',
    async (bytes) => {
      await storage.put(objectKey(object.name), sealed);
      object = { ...object, bytes };
      const before = process.memoryUsage().rss;
      const error = await read().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(IntegrityError);
      expectReadable(error);
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    },
  );
});

async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const value of storage.list(prefix)) keys.push(value.key);
  return keys;
}
