import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatLsn, parseLsn } from '../../src/values/lsn.ts';

describe('a position in the write-ahead log', () => {
  it('is bytes since its beginning', () => {
    expect(parseLsn('0/0')).toBe(0n);
    expect(parseLsn('16/B374D848')).toBe(0x16b374d848n);
    expect(parseLsn('1/0')).toBe(2n ** 32n);
    expect(parseLsn('ffffffff/FFFFFFFF')).toBe(2n ** 64n - 1n);
  });

  it('is written as the server writes it', () => {
    expect(formatLsn(0n)).toBe('0/0');
    expect(formatLsn(0x16b374d848n)).toBe('16/B374D848');
    expect(formatLsn(2n ** 32n)).toBe('1/0');
  });

  it('comes back whatever it is', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (position) => {
        expect(parseLsn(formatLsn(position))).toBe(position);
      }),
    );
  });

  it.each(['', '0', '0/', '/0', '0/G', '0/0/0', ' 0/0', '123456789/0', '0x1/0'])('is not %j', (text) => {
    expect(() => parseLsn(text)).toThrow('not an LSN');
  });
});
