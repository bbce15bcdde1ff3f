import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowDigest } from '../../../src/postgres/wire/row-digest.ts';

/** MurmurHash3_x86_32 byte by byte, in arithmetic modulo 2³², after Appleby's MurmurHash3.cpp. */
function murmur(data: Uint8Array, seed: number): bigint {
  const mask = 0xffffffffn;
  const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (32n - by))) & mask;
  const mix = (value: bigint) => (rotate((value * 0xcc9e2d51n) & mask, 15n) * 0x1b873593n) & mask;
  let hash = BigInt(seed >>> 0);
  const blocks = data.length - (data.length % 4);
  for (let at = 0; at < blocks; at += 4) {
    let block = 0n;
    for (let index = 3; index >= 0; index--) block = (block << 8n) | BigInt(data[at + index] ?? 0);
    hash = (rotate(hash ^ mix(block), 13n) * 5n + 0xe6546b64n) & mask;
  }
  let tail = 0n;
  for (let at = data.length - 1; at >= blocks; at--) tail = (tail << 8n) | BigInt(data[at] ?? 0);
  if (blocks < data.length) hash ^= mix(tail);
  hash ^= BigInt(data.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return hash ^ (hash >> 16n);
}

/** What the digest of rows has to be: both sums of the rows' hashes. */
function referenceDigest(rows: readonly Uint8Array[]): string {
  return [0x5bd1e995, 0x2127599b]
    .map((seed) => rows.reduce((sum, row) => sum + murmur(row, seed), 0n))
    .map((sum) => BigInt.asUintN(64, sum).toString(16).padStart(16, '0'))
    .join('');
}

const toText = (rows: readonly Uint8Array[]) =>
  Buffer.concat(rows.flatMap((row) => [row, Buffer.from('\n')]));

function digestOf(rows: readonly Uint8Array[]): RowDigest {
  const digest = new RowDigest();
  digest.update(toText(rows));
  return digest;
}

/** A row of COPY text: any bytes but the newline. */
const row = fc.uint8Array({ maxLength: 40 }).map((bytes) => bytes.map((byte) => (byte === 10 ? 11 : byte)));
const rows = fc.array(row, { maxLength: 30 });

describe('the reference', () => {
  // Published vectors of MurmurHash3_x86_32 (en.wikipedia.org/wiki/MurmurHash, and the tests of many implementations).
  it.each<[string, number, number]>([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
  ])('hashes %j under seed %i as published', (text, seed, expected) => {
    expect(murmur(Buffer.from(text), seed)).toBe(BigInt(expected));
  });
});

describe('the digest of rows', () => {
  it('is the sum of the reference’s hashes of the rows', () => {
    fc.assert(
      fc.property(rows, (list) => {
        expect(digestOf(list).toString()).toBe(referenceDigest(list));
        expect(digestOf(list).rows).toBe(list.length);
      }),
      { numRuns: 500 },
    );
  });

  it('is right for text that lies at any place of a larger buffer', () => {
    fc.assert(
      fc.property(rows, fc.nat(9), (list, before) => {
        const digest = new RowDigest();
        digest.update(
          Buffer.concat([Buffer.alloc(before, 'x\n'), toText(list), Buffer.from('rest')]).subarray(
            before,
            -4,
          ),
        );
        expect(digest.toString()).toBe(referenceDigest(list));
      }),
    );
  });

  it('does not depend on the order of rows', () => {
    fc.assert(
      fc.property(
        rows.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        ([list, shuffled]) => {
          expect(digestOf(shuffled).toString()).toBe(digestOf(list).toString());
        },
      ),
    );
  });

  it('does not depend on where the text is cut, in the middle of a row included', () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }), (list, sizes) => {
        const text = toText(list);
        const digest = new RowDigest();
        const shared = Buffer.alloc(16);
        for (let at = 0, turn = 0; at < text.length; turn++) {
          const size = Math.min(sizes[turn % sizes.length] ?? 0, text.length - at);
          // The caller's buffer is used again for the next part.
          text.copy(shared, 0, at, at + size);
          digest.update(shared.subarray(0, size));
          at += size;
          if (sizes.every((one) => one === 0)) break;
        }
        if (sizes.every((one) => one === 0)) return;
        expect(digest.toString()).toBe(referenceDigest(list));
        expect(digest.rows).toBe(list.length);
      }),
      { numRuns: 500 },
    );
  });

  it('of two parts merged is the digest of the whole', () => {
    fc.assert(
      fc.property(rows, rows, (one, other) => {
        const merged = digestOf(one);
        merged.merge(digestOf(other));
        expect(merged.toString()).toBe(digestOf([...one, ...other]).toString());
        expect(merged.rows).toBe(one.length + other.length);
      }),
    );
  });

  const nonEmpty = fc.array(row, { minLength: 1, maxLength: 30 });

  it('changes with one bit of one row', () => {
    const longer = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(longer, fc.nat(), fc.nat(), fc.nat(7), (list, which, where, bit) => {
        const clean = list.map((bytes) => bytes.map((byte) => (byte === 10 ? 11 : byte)));
        const changed = clean.map((bytes) => bytes.slice());
        const target = changed[which % changed.length] as Uint8Array;
        const at = where % target.length;
        target[at] = (target[at] as number) ^ (1 << bit);
        fc.pre(target[at] !== 10);
        expect(digestOf(changed).toString()).not.toBe(digestOf(clean).toString());
      }),
    );
  });

  it('changes when a row is missing or there twice', () => {
    fc.assert(
      fc.property(nonEmpty, fc.nat(), (list, which) => {
        const at = which % list.length;
        const whole = digestOf(list).toString();
        expect(digestOf(list.toSpliced(at, 1)).toString()).not.toBe(whole);
        expect(digestOf([...list, list[at] as Uint8Array]).toString()).not.toBe(whole);
      }),
    );
  });

  it('changes when bytes move from one row to the next', () => {
    expect(digestOf([Buffer.from('ab'), Buffer.from('c')]).toString()).not.toBe(
      digestOf([Buffer.from('a'), Buffer.from('bc')]).toString(),
    );
  });

  it('counts rows without columns, which are empty lines', () => {
    expect(digestOf([Buffer.alloc(0), Buffer.alloc(0)]).rows).toBe(2);
    expect(digestOf([Buffer.alloc(0)]).toString()).not.toBe(new RowDigest().toString());
  });

  it('is exact beyond the rows that one number can sum', () => {
    const count = (1 << 20) + 3;
    const digest = new RowDigest();
    digest.update(Buffer.alloc(count * 2, 'x\n'));
    const expected = [0x5bd1e995, 0x2127599b].map((seed) =>
      BigInt.asUintN(64, murmur(Buffer.from('x'), seed) * BigInt(count))
        .toString(16)
        .padStart(16, '0'),
    );
    expect(digest.toString()).toBe(expected.join(''));
    expect(digest.rows).toBe(count);
  });
});
