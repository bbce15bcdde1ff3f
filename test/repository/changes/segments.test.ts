import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  readNewestSegment,
  readSegments,
  segmentKey,
  writeSegment,
} from '../../../src/repository/changes/segments.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { sealContent } from '../../../src/repository/signature.ts';
import { IntegrityError, StorageError } from '../../../src/runtime/errors.ts';
import { chain, makeChain, makeSegment } from '../changes-example.ts';
import { createRepository, makeObject } from '../example.ts';

let repository: Repository;
let damaged: string[];
beforeEach(async () => {
  repository = await createRepository();
  damaged = [];
});

const note = (error: IntegrityError, key: string) => {
  expect(error).toBeInstanceOf(IntegrityError);
  expect(error.message).toContain(key);
  damaged.push(key);
};
const read = (newest?: number) => readSegments(repository, note, newest === undefined ? {} : { newest });

const newer = { ...chain, id: '20261120T043000Z-0000', because: 'the slot is gone' };

describe('segments', () => {
  it('come back as they were written, by chain and position', async () => {
    const segments = [...makeChain([1, 2, 3]), ...makeChain([4, 12], { chain: newer })];
    const full = makeSegment({
      chain: newer,
      from: '16/B374D848',
      to: '16/B374D900',
      objects: [makeObject()],
      tables: [{ schema: 'public', name: 'ü "t"', inserts: 1, updates: 2, deletes: 3, truncates: 4 }],
      uncovered: [{ schema: 'public', name: 'u', why: 'it has no key' }],
      sequences: [{ schema: 'public', name: 's', lastValue: '9', isCalled: true, latest: null }],
      filenodes: { 16400: 16401 },
      firstCommitAt: '2026-11-20T02:17:01.654321Z',
      barrier: 'definitions were changed',
    });
    for (const segment of [full, ...segments.toReversed()]) await writeSegment(repository, segment);
    expect(await read()).toEqual([...segments, full]);
    expect(damaged).toEqual([]);
  });

  it('are named by their positions, so that names sort', () => {
    expect(segmentKey(makeSegment({ from: '0/FF', to: '16/B374D848' }))).toBe(
      'changes/20261120T000000Z-0000/00000000000000ff-00000016b374d848.json',
    );
  });

  it('are never replaced: two captures at once are told', async () => {
    await writeSegment(repository, makeSegment());
    const again = writeSegment(repository, makeSegment({ transactions: 7 }));
    await expect(again).rejects.toThrow(StorageError);
    await expect(again).rejects.toThrow(/two captures ran at the same time/);
    expect(await read()).toEqual([makeSegment()]);
  });

  it('are read from the last on when so many are enough', async () => {
    const segments = [...makeChain([1, 2]), ...makeChain([1, 3], { chain: newer })];
    for (const segment of segments) await writeSegment(repository, segment);
    expect(await read(2)).toEqual(segments.slice(2));
    expect(await readNewestSegment(repository, note)).toEqual(segments[3]);
  });

  it('of none are none', async () => {
    expect(await read()).toEqual([]);
    expect(await readNewestSegment(repository, note)).toBeUndefined();
  });

  it('are many: more than are read at once', async () => {
    const segments = makeChain(Array.from({ length: 50 }, (_, index) => index + 1));
    for (const segment of segments) await writeSegment(repository, segment);
    expect(await read()).toHaveLength(50);
  });

  it('that are removed while they are read are left out', async () => {
    for (const segment of makeChain([1, 2])) await writeSegment(repository, segment);
    const get = repository.storage.get.bind(repository.storage);
    repository.storage.get = async (key) => {
      if (key.includes('0000000010-')) await repository.storage.delete([key]);
      return get(key);
    };
    expect(await read()).toEqual(makeChain([1]));
    expect(damaged).toEqual([]);
  });

  it('cannot be read at all when the storage fails', async () => {
    await writeSegment(repository, makeSegment());
    repository.storage.get = () => Promise.reject(new StorageError('down', 'Try again.'));
    await expect(read()).rejects.toThrow('down');
  });
});

describe('a segment that is not to be believed is reported and left out:', () => {
  const other = makeSegment({ from: '0/200', to: '0/300' });
  const key = segmentKey(other);
  beforeEach(() => writeSegment(repository, makeSegment()));

  it.each([
    ['cut off', () => sealContent(repository, 'segment', other).subarray(0, -20)],
    ['empty', () => Buffer.alloc(0)],
    ['without a seal', () => Buffer.from(JSON.stringify(other))],
    ['of another kind', () => sealContent(repository, 'record pins', other)],
    ['a manifest', () => sealContent(repository, 'manifest', other)],
    ['of a later format', () => sealContent(repository, 'segment', { ...other, format: 2 })],
    ['with a field that nobody knows', () => sealContent(repository, 'segment', { ...other, more: 1 })],
    ['a copy under another position', () => sealContent(repository, 'segment', makeSegment())],
    ['a copy in another chain', () => sealContent(repository, 'segment', { ...other, chain: newer })],
    ['with a time of no zone', () => sealContent(repository, 'segment', { ...other, through: '2026-11-20' })],
  ])('%s', async (_what, make) => {
    await repository.storage.put(key, make());
    expect(await read()).toEqual([makeSegment()]);
    expect(damaged).toEqual([key]);
    expect(await readNewestSegment(repository, note)).toBeUndefined();
  });

  it('one that ends before it begins', async () => {
    const back = makeSegment({ from: '0/300', to: '0/200' });
    await writeSegment(repository, back);
    expect(await read()).toEqual([makeSegment()]);
    expect(damaged).toEqual([segmentKey(back)]);
  });

  it.each([
    ['server', { systemIdentifier: '7000000000000000001' }],
    ['database', { database: 'another' }],
  ])('one of another %s, though a key that both repositories have sealed it', async (_, source) => {
    const segment = makeSegment({ chain: { ...chain, ...source } });
    await repository.storage.put(segmentKey(segment), sealContent(repository, 'segment', segment));
    expect(await read()).toEqual([]);
    expect(damaged).toEqual([segmentKey(segment)]);
    expect(await readNewestSegment(repository, note)).toBeUndefined();
  });

  it('sealed by another repository', async () => {
    await repository.storage.put(key, sealContent(await createRepository(), 'segment', other));
    expect(await read()).toEqual([makeSegment()]);
    expect(damaged).toEqual([key]);
  });

  it('any change of any byte', async () => {
    const whole = sealContent(repository, 'segment', other);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ flip;
        damaged = [];
        await repository.storage.put(key, changed);
        const found = await read();
        // The newline behind the seal says nothing.
        if (at === whole.length - 1 && found.length === 2) return;
        expect(found).toEqual([makeSegment()]);
        expect(damaged).toEqual([key]);
      }),
      { numRuns: 200 },
    );
  });

  it('but not what lies there and is no segment', async () => {
    const foreign = ['notes.txt', `${chain.id}/notes.json`, `${chain.id}/1-2.json`, `${key}.tmp`];
    for (const name of foreign) await repository.storage.put(`changes/${name}`, Buffer.from('mine'));
    expect(await read()).toEqual([makeSegment()]);
    expect(damaged).toEqual([]);
  });
});
