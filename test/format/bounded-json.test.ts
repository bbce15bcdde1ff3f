import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBounded } from '../../src/format/bounded-json.ts';

const mebibyte = 1024 * 1024;

/** A document of more than a mebibyte, of a value many times. */
const repeat = (value: unknown): string =>
  JSON.stringify(Array(Math.ceil((2 * mebibyte) / JSON.stringify(value).length)).fill(value));

describe('JSON of a repository', () => {
  it('is what it says, whatever strings it has', () => {
    const long = 'x'.repeat(mebibyte);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('"', '\\', '\\"', '[{', ',,,'))),
        (strings) => {
          const value = { long, strings };
          expect(parseBounded(Buffer.from(JSON.stringify(value)))).toEqual(value);
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each([
    ['ranges without rows', { from: 0, to: 1, rows: 0, places: null, pieces: [] }],
    [
      'ranges of one piece',
      { from: 0, to: 1, rows: 1, places: null, pieces: [{ object: 0, offset: 0, length: 1 }] },
    ],
    ['objects', { name: 'a'.repeat(64), bytes: 1, stored: 1, sha256: 'b'.repeat(64) }],
    ['columns of one letter', Array(1600).fill('a')],
    ['definitions', { kind: 'x', schema: null, relation: null, name: '', detail: '' }],
  ])('may be many %s', (_, value) => {
    expect(parseBounded(Buffer.from(repeat(value)))).toContainEqual(value);
  });

  it.each([
    ['lists', '[]'],
    ['objects', '{}'],
    ['numbers', '1'],
    ['empty texts', '""'],
  ])('is not taken for millions of %s, which would take all memory', (_, value) => {
    const text = Buffer.from(`[${`${value},`.repeat(mebibyte)}${value}]`);
    expect(() => parseBounded(text)).toThrow('it has more in it than any backup writes');
  });

  it('is not nested deeper than what a backup writes', () => {
    const deep = (depth: number) =>
      Buffer.from(`${'['.repeat(depth)}"${'x'.repeat(mebibyte)}"${']'.repeat(depth)}`);
    expect(() => parseBounded(deep(33))).toThrow('nested deeper');
    expect(parseBounded(deep(32))).toHaveLength(1);
  });

  it.each(['"', '"\\', `"${'\\'.repeat(1001)}`, '{"a":', ''])('cut off is no JSON: %j', (end) => {
    expect(() => parseBounded(Buffer.from(`["${'x'.repeat(mebibyte)}",${end}`))).toThrow(SyntaxError);
  });

  it('takes time in proportion to its size, whatever escapes it has', () => {
    const text = Buffer.from(JSON.stringify('\\"'.repeat(4 * mebibyte)));
    const started = performance.now();
    parseBounded(text);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
