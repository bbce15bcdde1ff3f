import type { ScheduledRun } from '../../github/workflows.ts';
import { day, hour, minute, week } from '../../values/duration.ts';
import { nextTimes, timesBetween } from '../plan/cron.ts';
import { dueMark } from '../workflows/callers.ts';

/* Compares the due times of one workflow file with the runs that GitHub lists for it. */

/** Milliseconds after a due time's span until its run is missing: GitHub may start hours late. */
export const graceMs = 2 * hour;
/** Milliseconds that a run may be created before its due time, because clocks differ */
const earlyMs = minute;

export interface DueRun {
  readonly cron: string;
  readonly at: Date;
  /** The end of the span of this due time: the next due time of the cron, at most a day later */
  readonly until: Date;
  /** Undefined when no run was found */
  readonly run: ScheduledRun | undefined;
}

export interface Punctuality {
  /** Due times of the last seven days, or for a cron without any the last one before; oldest first */
  readonly due: readonly DueRun[];
  readonly missed: readonly DueRun[];
  /** Without a run, and within the grace period */
  readonly waiting: readonly DueRun[];
  readonly failed: readonly DueRun[];
  /** Undefined when no run was found */
  readonly medianDelayMs: number | undefined;
  readonly maxDelayMs: number | undefined;
  /** For each cron that stands still, the first due time since its last run, which is missing */
  readonly stalled: readonly DueRun[];
}

/**
 * Judges which due times had a run, and how late it was.
 *
 * @param runs runs of the event `schedule`, in any order
 * @param since the schedule's earliest possible start: times due before it do not count
 */
export function judgePunctuality(
  crons: readonly string[],
  timeZone: string,
  runs: readonly ScheduledRun[],
  { now, since }: { now: Date; since: Date },
): Punctuality {
  const expected = crons
    .flatMap((cron) => listExpected(cron, timeZone, now, since))
    .sort((one, other) => one.at.getTime() - other.at.getTime());
  const due = matchRuns(expected, runs, crons);
  const isOver = ({ until }: DueRun) => now.getTime() > until.getTime() + graceMs;
  const absent = due.filter(({ run }) => run === undefined);
  const delays = due
    .flatMap(({ run, at }) =>
      run === undefined ? [] : [Math.max(0, run.createdAt.getTime() - at.getTime())],
    )
    .sort((one, other) => one - other);
  const stalled = crons.flatMap((cron) => {
    const own = due.filter((one) => one.cron === cron);
    const [first] = own.slice(own.findLastIndex(({ run }) => run !== undefined) + 1);
    return first !== undefined && isOver(first) ? [first] : [];
  });
  return {
    due,
    missed: absent.filter(isOver),
    waiting: absent.filter((one) => !isOver(one)),
    failed: due.filter(({ run }) => run !== undefined && isFailure(run)),
    medianDelayMs: delays[Math.floor((delays.length - 1) / 2)],
    maxDelayMs: delays.at(-1),
    stalled,
  };
}

/**
 * Measures the longest time between successful runs of these schedules, or from the last one to now.
 *
 * @returns milliseconds; undefined when no run succeeded
 */
export function measureLongestPause(
  due: readonly DueRun[],
  crons: readonly string[],
  now: Date,
): number | undefined {
  const times = due
    .flatMap(({ cron, run }) =>
      crons.includes(cron) && run?.conclusion === 'success' ? [run.createdAt.getTime()] : [],
    )
    .sort((one, other) => one - other);
  const pauses = times.map((time, index) => (times[index + 1] ?? now.getTime()) - time);
  return pauses.length === 0 ? undefined : Math.max(...pauses);
}

function isFailure({ conclusion }: ScheduledRun): boolean {
  return conclusion !== null && !['success', 'skipped', 'neutral'].includes(conclusion);
}

/** Returns the earliest time from which runs must be known to judge schedules. */
export function lookBack(now: Date): Date {
  return new Date(now.getTime() - 32 * day);
}

function listExpected(cron: string, timeZone: string, now: Date, since: Date): DueRun[] {
  const from = new Date(Math.max(lookBack(now).getTime(), since.getTime()));
  const times = timesBetween(cron, timeZone, from, now);
  const recent = times.filter((at) => at.getTime() >= now.getTime() - week);
  return (recent.length > 0 ? recent : times.slice(-1)).map((at) => {
    const [next] = nextTimes(cron, timeZone, at, 1);
    const until = Math.min(next?.getTime() ?? Number.POSITIVE_INFINITY, at.getTime() + day);
    return { cron, at, until: new Date(until), run: undefined };
  });
}

/**
 * Assigns each run to a due time. The run's name may end with its schedule, which narrows the choice. Of the
 * due times that are left, the one whose span ends first is taken, which leaves the fewest due times without
 * a run.
 */
function matchRuns(
  expected: readonly DueRun[],
  runs: readonly ScheduledRun[],
  crons: readonly string[],
): DueRun[] {
  const due = [...expected];
  const ordered = runs.toSorted((one, other) => one.createdAt.getTime() - other.createdAt.getTime());
  for (const run of ordered) {
    const named = crons.find((cron) => run.title.endsWith(`${dueMark}${cron}`));
    const open = due
      .map((one, index) => ({ one, index }))
      .filter(({ one }) => one.run === undefined && (named === undefined || one.cron === named))
      .filter(({ one }) => run.createdAt.getTime() >= one.at.getTime() - earlyMs && run.createdAt < one.until)
      .sort((a, b) => a.one.until.getTime() - b.one.until.getTime());
    const [best] = open;
    if (best !== undefined) due[best.index] = { ...best.one, run };
  }
  return due;
}
