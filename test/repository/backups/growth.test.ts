import { describe, expect, it } from 'vitest';
import { measureGrowth } from '../../../src/repository/backups/growth.ts';
import { now, shelve } from './freshness-example.ts';

const adding = (days: number, added: number) =>
  shelve(24 * days, { totals: { rows: 1, bytes: 1, stored: 1, added } });

describe('what a month adds', () => {
  it('is what backups have added since the first of 30 days, spread over 30', () => {
    const backups = [adding(0, 10), adding(1, 20), adding(2, 30), adding(3, 40), adding(10, 9999)];
    expect(measureGrowth(backups, now)).toEqual({ kind: 'measured', bytes: 300, points: 5 });
  });

  it('counts nothing of before', () => {
    const backups = [0, 1, 2, 3, 30].map((days) => adding(days, 10));
    expect(measureGrowth(backups, now)).toMatchObject({ bytes: 40, points: 5 });
    expect(measureGrowth([...backups, adding(31, 5000)], now)).toMatchObject({ bytes: 40, points: 5 });
  });

  it('is not measured by fewer than five backups, or in less than three days', () => {
    expect(measureGrowth([], now)).toEqual({ kind: 'unmeasured', points: 0 });
    expect(
      measureGrowth(
        [0, 1, 2, 9].map((days) => adding(days, 1)),
        now,
      ),
    ).toEqual({ kind: 'unmeasured', points: 4 });
    expect(
      measureGrowth(
        [0, 0.1, 0.2, 0.3, 2.9].map((days) => adding(days, 1)),
        now,
      ),
    ).toEqual({
      kind: 'unmeasured',
      points: 5,
    });
    expect(
      measureGrowth(
        [0, 0.1, 0.2, 0.3, 3].map((days) => adding(days, 1)),
        now,
      ),
    ).toMatchObject({
      kind: 'measured',
    });
  });
});
