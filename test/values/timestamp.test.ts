import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTimestamp, parseTimestamp } from '../../src/values/timestamp.ts';

describe('a point in time', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0n],
    ['2026-11-20T18:47:00.693123Z', 1_795_200_420_693_123n],
    ['2026-11-20 18:47:00.693123+00', 1_795_200_420_693_123n],
    ['2026-11-20 18:47:00.69+00', 1_795_200_420_690_000n],
    ['2026-11-21T00:17:00+05:30', 1_795_200_420_000_000n],
    ['2026-11-20T18:47:00.6931239Z', 1_795_200_420_693_123n],
    ['2026-11-20T10:47:00-0800', 1_795_200_420_000_000n],
    ['1969-12-31T23:59:59.999999Z', -1n],
  ])('is read to the microsecond: %s', (text, microseconds) => {
    expect(parseTimestamp(text)).toBe(microseconds);
  });

  it.each(['', 'now', '2026-11-20', '2026-11-20T18:47:00', '2026-11-20 18:47:00.1 UTC', 'infinity'])(
    'is not %j',
    (text) => {
      expect(() => parseTimestamp(text)).toThrow(RangeError);
    },
  );

  it('is the same after it was written', () => {
    const range = { min: -59_011_459_200_000_000n, max: 253_402_300_799_999_999n };
    fc.assert(
      fc.property(fc.bigInt(range), (microseconds) => {
        expect(parseTimestamp(formatTimestamp(microseconds))).toBe(microseconds);
      }),
    );
    expect(formatTimestamp(-1n)).toBe('1969-12-31T23:59:59.999999Z');
  });
});
