import type { TrendMeasure } from '../../interface/findings/finding.ts';
import { minute } from '../../values/duration.ts';
import { median } from '../../values/median.ts';
import type { BackupSummary } from './catalog.ts';

/** How the newest backup compares with earlier ones of its kind. */
export type Trends =
  /** Too few earlier backups tell what is usual. */
  | { readonly kind: 'unmeasured'; readonly points: number }
  | {
      readonly kind: 'measured';
      readonly backup: BackupSummary;
      /** Earlier backups of its kind that were compared */
      readonly points: number;
      readonly trends: readonly Trend[];
    };

/** Milliseconds, bytes or rows, as the measure is */
export interface Trend {
  readonly measure: TrendMeasure;
  readonly value: number;
  readonly median: number;
  /** What is usual; a lower limit of 0 or less is none */
  readonly least: number;
  readonly most: number;
}

/** A median of fewer points is moved by one or two odd ones. */
export const neededPoints = 5;

/** How many of the newest earlier backups are compared: what was usual last year is not any more */
const comparedPoints = 30;

/**
 * How far from the median is unusual, in median absolute deviations (MAD): a modified z-score of 3.5, the rule of
 * Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, which the NIST/SEMATECH e-Handbook of
 * Statistical Methods recommends in 1.3.5.17 (https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm).
 * Mean and standard deviation would not do: one backup that went wrong moves both, and hides the next one.
 * A database that grows steadily stays below: its newest of 31 backups has a score of 1.4.
 */
const unusualDeviations = 3.5 / 0.6745;

/**
 * The least deviation that counts, as a share of the median: where more than half of the values are alike the MAD
 * is 0, and every other value would be unusual. With it nothing is told that is not about half more or half less.
 */
const leastShare = 0.1;

const measures: readonly {
  readonly measure: TrendMeasure;
  /** A difference below this is never told, however small the database is. */
  readonly negligible: number;
  readonly of: (backup: BackupSummary) => number;
}[] = [
  {
    ...{ measure: 'duration', negligible: minute },
    of: ({ startedAt, finishedAt }) => Math.max(0, finishedAt.getTime() - startedAt.getTime()),
  },
  { measure: 'size', negligible: 1_000_000, of: ({ totals }) => totals.stored },
  { measure: 'rows', negligible: 100, of: ({ totals }) => totals.rows },
];

/**
 * Compares the newest backup with earlier ones of its kind: its duration, stored size and rows.
 *
 * @param usable newest first
 */
export function measureTrends([newest, ...earlier]: readonly BackupSummary[]): Trends {
  if (newest === undefined) return { kind: 'unmeasured', points: 0 };
  const alike = earlier.filter(({ kind }) => kind === newest.kind).slice(0, comparedPoints);
  if (alike.length < neededPoints) return { kind: 'unmeasured', points: alike.length };
  return {
    kind: 'measured',
    backup: newest,
    points: alike.length,
    trends: measures.map(({ measure, negligible, of }) => {
      const limits = findLimits(alike.map(of), negligible);
      return { measure, value: of(newest), ...limits };
    }),
  };
}

function findLimits(values: readonly number[], negligible: number): Pick<Trend, 'median' | 'least' | 'most'> {
  const middle = median(values);
  const deviation = median(values.map((value) => Math.abs(value - middle)));
  const distance = Math.max(unusualDeviations * Math.max(deviation, leastShare * middle), negligible);
  return { median: middle, least: middle - distance, most: middle + distance };
}
