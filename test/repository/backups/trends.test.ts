import { describe, expect, it } from 'vitest';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { measureTrends, type Trend } from '../../../src/repository/backups/trends.ts';
import { ago, shelve } from './freshness-example.ts';

const minute = 60_000;
const of = (hours: number, rows: number, minutes = 1, stored = 2_000_000): BackupSummary =>
  shelve(hours, {
    totals: { rows, bytes: 1, stored, added: 1 },
    finishedAt: new Date(ago(hours).getTime() + minutes * minute),
  });

/** The trend of rows, of backups newest first. */
function compareRows(...rows: readonly number[]): Trend | undefined {
  const found = measureTrends(rows.map((count, hours) => of(hours, count)));
  return found.kind === 'measured' ? found.trends.find(({ measure }) => measure === 'rows') : undefined;
}

const isUnusual = (trend: Trend | undefined) =>
  trend !== undefined && (trend.value > trend.most || trend.value < trend.least);

describe('what is usual', () => {
  it('is not measured by fewer than five earlier backups of the kind', () => {
    expect(measureTrends([])).toEqual({ kind: 'unmeasured', points: 0 });
    const four = [1, 2, 3, 4].map((hours) => of(hours, 1000));
    expect(measureTrends([of(0, 9), ...four])).toEqual({ kind: 'unmeasured', points: 4 });
    const others = [5, 6, 7].map((hours) => shelve(hours, { kind: 'incremental' }));
    expect(measureTrends([of(0, 9), ...four, ...others])).toEqual({ kind: 'unmeasured', points: 4 });
    expect(measureTrends([of(0, 9), ...four, of(8, 1000)])).toMatchObject({ kind: 'measured', points: 5 });
  });

  it('is within 3.5 modified z-scores of the median', () => {
    // Median 1000, deviations 400, 200, 0, 200, 400: MAD 200, and 3.5 / 0.6745 of it is 1037.8.
    const trend = compareRows(7, 600, 800, 1000, 1200, 1400);
    expect(trend).toMatchObject({ value: 7, median: 1000 });
    expect(trend?.most).toBeCloseTo(2037.8, 1);
    expect(trend?.least).toBeCloseTo(-37.8, 1);
  });

  it('is not narrower than half of the median where all are alike, nor than what is negligible', () => {
    const trend = compareRows(1000, 1000, 1000, 1000, 1000, 1000);
    expect(trend?.least).toBeCloseTo(481.1, 1);
    expect(trend?.most).toBeCloseTo(1518.9, 1);
    expect(compareRows(0, 50, 50, 50, 50, 50)).toMatchObject({ least: -50, most: 150 });
  });

  it('is not moved by one backup that went wrong', () => {
    expect(isUnusual(compareRows(400, 1000, 0, 1000, 1010, 990, 1000))).toBe(true);
    expect(isUnusual(compareRows(1020, 1000, 0, 1000, 1010, 990, 1000))).toBe(false);
    expect(isUnusual(compareRows(1000, 9000, 9000, 1000, 1010, 990, 1000, 1000))).toBe(false);
  });

  it('is steady growth, whatever its pace', () => {
    for (const pace of [1, 50, 5000]) {
      const growing = Array.from({ length: 40 }, (_, index) => 1000 + (40 - index) * pace);
      expect(isUnusual(compareRows(...growing))).toBe(false);
    }
  });

  it('is what the thirty newest earlier backups were', () => {
    const rows = [5000, ...Array.from({ length: 30 }, () => 5000), ...Array.from({ length: 40 }, () => 10)];
    expect(compareRows(...rows)).toMatchObject({ median: 5000 });
    expect(measureTrends(rows.map((count, hours) => of(hours, count)))).toMatchObject({ points: 30 });
  });

  it('is measured of the duration and of the stored size, too', () => {
    const earlier = [1, 2, 3, 4, 5].map((hours) => of(hours, 1000, 10, 4_000_000));
    const found = measureTrends([of(0, 1000, 20, 1_000_000), ...earlier]);
    expect(found).toMatchObject({
      trends: [
        { measure: 'duration', value: 20 * minute, median: 10 * minute },
        { measure: 'size', value: 1_000_000, median: 4_000_000 },
        { measure: 'rows' },
      ],
    });
    const trends = found.kind === 'measured' ? found.trends : [];
    expect(trends.map(isUnusual)).toEqual([true, true, false]);
  });
});
