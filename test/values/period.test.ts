import { describe, expect, it } from 'vitest';
import { isWithin, readPeriod, resolvePeriod } from '../../src/values/period.ts';

const now = new Date('2026-11-20T12:00:00Z');

describe('a period', () => {
  it.each([
    ['2026', '2026-01-01', '2027-01-01'],
    ['2026-Q1', '2026-01-01', '2026-04-01'],
    ['2026-Q4', '2026-10-01', '2027-01-01'],
    ['2026-10', '2026-10-01', '2026-11-01'],
    ['2026-12', '2026-12-01', '2027-01-01'],
  ])('%s begins with its first day and ends before the next one begins', (text, from, to) => {
    const asked = readPeriod(text);
    if (asked === undefined) throw new Error(`${text} is no period`);
    const period = resolvePeriod(asked, now);
    expect([period.from, period.to]).toEqual([new Date(`${from}T00:00:00Z`), new Date(`${to}T00:00:00Z`)]);
    expect(isWithin(period.from, period)).toBe(true);
    expect(isWithin(period.to, period)).toBe(false);
  });

  it.each([
    ['90d', 90 * 24],
    ['2w', 14 * 24],
    ['36h', 36],
  ])('%s ends now', (text, hours) => {
    const asked = readPeriod(text);
    if (asked === undefined) throw new Error(`${text} is no period`);
    expect(resolvePeriod(asked, now)).toEqual({ from: new Date(now.getTime() - hours * 3_600_000), to: now });
  });

  it.each(['', '0d', '2026-13', '2026-00', '2026-Q5', '26', '2026-q1', '1999', '90', '-1d', '2026-10-01'])(
    '%j is none',
    (text) => {
      expect(readPeriod(text)).toBeUndefined();
    },
  );
});
