import { day } from '../../values/duration.ts';
import { nextTimes, timesBetween } from '../plan/cron.ts';
import { graceMs } from './punctuality.ts';

/* Judges a schedule by what it was to bring about, wherever it runs: when a run of its kind last succeeded. */

/** How long ago a run succeeded, and how long ago it may be. */
export interface Lateness {
  /** milliseconds: from the due time before that success until the next, and the grace period */
  readonly limit: number;
  /** milliseconds; undefined when no run ever succeeded */
  readonly age: number | undefined;
  /** Since when it is late; undefined when it is not */
  readonly since: Date | undefined;
}

/**
 * Judges whether the next success is overdue. The limit follows the schedule: after the last run of a Friday it
 * is as long as the weekend.
 *
 * @param succeededAt undefined when no run ever succeeded: it counts from `begin`
 * @param begin when runs could begin at the earliest
 * @returns undefined for crons that are never due
 */
export function judgeLateness(
  crons: readonly string[],
  timeZone: string,
  { succeededAt, begin, now }: { succeededAt: Date | undefined; begin: Date; now: Date },
): Lateness | undefined {
  const from = succeededAt ?? begin;
  const interval = measureInterval(crons, timeZone, from);
  if (interval === undefined) return undefined;
  const limit = interval + graceMs;
  const end = new Date(from.getTime() + limit);
  return {
    limit,
    age: succeededAt && Math.max(0, now.getTime() - succeededAt.getTime()),
    since: end < now ? end : undefined,
  };
}

/** Measures the time between the due times around a time; for a first one from the time itself. */
function measureInterval(crons: readonly string[], timeZone: string, time: Date): number | undefined {
  const next = earliest(crons.flatMap((cron) => nextTimes(cron, timeZone, time, 1)));
  if (next === undefined) return undefined;
  const before = findBefore(crons, timeZone, time) ?? time;
  return next.getTime() - before.getTime();
}

/** How far back the due time before is looked for, in turn: captures are due hundreds of times a day. */
const spans = [day, 40 * day, 400 * day];

function findBefore(crons: readonly string[], timeZone: string, time: Date): Date | undefined {
  const until = new Date(time.getTime() + 1);
  for (const span of spans) {
    const from = new Date(time.getTime() - span);
    const last = crons
      .flatMap((cron) => timesBetween(cron, timeZone, from, until))
      .sort(byTime)
      .at(-1);
    if (last !== undefined) return last;
  }
  return undefined;
}

function earliest(times: readonly Date[]): Date | undefined {
  return times.toSorted(byTime)[0];
}

function byTime(one: Date, other: Date): number {
  return one.getTime() - other.getTime();
}
