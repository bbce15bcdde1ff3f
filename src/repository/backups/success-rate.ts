import { day } from '../../values/duration.ts';
import type { StoredRecord } from '../records.ts';

/** milliseconds of which the runs are counted */
export const rateWindow = 30 * day;

/**
 * How many runs are read at most, one request each: those of 30 days where changes are captured every quarter
 * of an hour, and a backup is taken each day.
 */
export const mostRuns = 3000;

/** How runs ended, by their records. */
export interface RunCounts {
  readonly runs: number;
  readonly done: number;
  /** They ran, and their answer is no. */
  readonly no: number;
  readonly failed: number;
}

/** How runs of the last thirty days ended. A run that left no record is not among them. */
export interface SuccessRate {
  /** What was counted: from this time on, which is later where not all records were read */
  readonly since: Date;
  /** Records of the thirty days that were not read, the oldest */
  readonly unread: number;
  readonly all: RunCounts;
  /** Of those operations that ran, in the order of their names */
  readonly operations: ReadonlyMap<string, RunCounts>;
}

/**
 * Counts how runs ended.
 *
 * @param runs records of the window, oldest first
 * @returns undefined without any, where nothing is measured
 */
export function measureSuccessRate(
  { runs, unread }: { readonly runs: readonly StoredRecord<'runs'>[]; readonly unread: number },
  now: Date,
): SuccessRate | undefined {
  const begin = new Date(now.getTime() - rateWindow);
  const counted = runs.filter(({ at }) => at >= begin && at <= now);
  const [oldest] = counted;
  if (oldest === undefined) return undefined;
  const names = [...new Set(counted.map(({ content }) => content.operation))].sort();
  return {
    since: unread > 0 ? oldest.at : begin,
    unread,
    all: countRuns(counted),
    operations: new Map(
      names.map((name) => [name, countRuns(counted.filter(({ content }) => content.operation === name))]),
    ),
  };
}

function countRuns(runs: readonly StoredRecord<'runs'>[]): RunCounts {
  const count = (outcome: 'done' | 'no' | 'failed') =>
    runs.filter(({ content }) => content.outcome === outcome).length;
  return { runs: runs.length, done: count('done'), no: count('no'), failed: count('failed') };
}
