import { parseRetention } from '../../interface/inputs/time-values.ts';
import { planRetention, type RetentionCandidate } from '../../repository/retention/policy.ts';
import { day, hour } from '../../values/duration.ts';
import type { JobKind } from '../policy/schema.ts';
import { timesBetween } from './cron.ts';
import { backupKinds, type PlannedDatabase, type PlannedJob, type SchedulePlan } from './plan.ts';

/* The effect of a policy in hours and days, computed from its schedules alone. */

/** Milliseconds simulated: enough for both changes of the clock and every length of a month */
const horizon = 400 * day;
/**
 * Milliseconds simulated for captures: up to hundreds a day are due, and their pattern repeats within weeks.
 */
const denseHorizon = 35 * day;

export interface Due {
  readonly at: Date;
  readonly job: PlannedJob;
}

/** Lists the runs that are due in [from, until), in order. */
export function listDue(jobs: readonly PlannedJob[], timeZone: string, from: Date, until: Date): Due[] {
  return jobs
    .flatMap((job) =>
      job.crons.flatMap((cron) => timesBetween(cron, timeZone, from, until).map((at) => ({ at, job }))),
    )
    .sort((one, other) => one.at.getTime() - other.at.getTime());
}

export interface Gap {
  readonly from: Date;
  readonly until: Date;
  readonly milliseconds: number;
}

export interface WeekPreview {
  /**
   * The longest time between two restore points or captures: the most that can be lost when every run starts
   * on time. Undefined when fewer than two are due.
   */
  readonly gap: Gap | undefined;
  readonly kept: Kept;
}

export interface Kept {
  /** The number of restore points that retention keeps at the end of the simulation */
  readonly backups: number;
  /** Age of the oldest of these, in milliseconds */
  readonly oldest: number;
}

/**
 * Simulates a database's schedules over the next 400 days, with every run on time and every backup verified.
 */
export function previewWeek(database: PlannedDatabase, timeZone: string, now: Date): WeekPreview {
  const { jobs } = database;
  const end = new Date(now.getTime() + horizon);
  const stored = jobs.filter(({ kind }) => backupKinds.includes(kind) || kind === 'schema');
  const due = listDue(stored, timeZone, now, end);
  const restorable = due.filter(({ job }) => job.kind !== 'schema').map(({ at }) => at);
  const captures = jobs.filter(({ kind }) => kind === 'capture');
  const gap = captures.length === 0 ? findLongestGap(restorable) : findGapOfCapture();
  return { gap, kept: simulateRetention(due, database.retention, timeZone, end) };

  function findGapOfCapture(): Gap | undefined {
    const soon = new Date(now.getTime() + denseHorizon);
    const points = [...restorable, ...listDue(captures, timeZone, now, soon).map(({ at }) => at)];
    return findLongestGap(
      points.filter((at) => at < soon).sort((one, other) => one.getTime() - other.getTime()),
    );
  }
}

/** @param points in order */
function findLongestGap(points: readonly Date[]): Gap | undefined {
  let longest: Gap | undefined;
  for (const [index, until] of points.slice(1).entries()) {
    const from = points[index] as Date;
    const milliseconds = until.getTime() - from.getTime();
    if (longest === undefined || milliseconds > longest.milliseconds) longest = { from, until, milliseconds };
  }
  return longest;
}

function simulateRetention(due: readonly Due[], retention: string, timeZone: string, now: Date): Kept {
  const candidates = due.toReversed().map(
    ({ at, job }, index): RetentionCandidate => ({
      id: String(index),
      kind: job.kind === 'schema' || job.kind === 'incremental' ? job.kind : 'full',
      snapshotAt: at,
      finishedAt: at,
      pinned: job.pin,
      verifiedAt: at,
      damagedAt: null,
    }),
  );
  const decisions = planRetention(candidates, parseRetention(retention), { now, timeZone });
  const kept = decisions.filter(({ keep }) => keep);
  const oldest = kept.at(-1)?.backup.snapshotAt ?? now;
  return { backups: kept.length, oldest: now.getTime() - oldest.getTime() };
}

/** Minutes that a run is assumed to last until one has been measured */
export const assumedMinutes: Readonly<Record<JobKind, number>> = {
  full: 10,
  incremental: 3,
  schema: 2,
  archive: 10,
  capture: 1,
  drill: 15,
  cleanup: 2,
  mirror: 5,
  watch: 1,
  digest: 1,
};

export interface Estimate {
  readonly runs: number;
  readonly minutes: number;
}

/**
 * Estimates the runs and billed minutes of the next thirty days. GitHub bills jobs, each rounded up to whole
 * minutes (docs.github.com, "Viewing job execution time"): those that a run has beside it count as one each.
 *
 * @param measured minutes of a run of each kind, where known
 */
export function estimateMonth(
  jobs: readonly PlannedJob[],
  timeZone: string,
  now: Date,
  measured: ReadonlyMap<JobKind, number>,
): Estimate {
  const due = listDue(jobs, timeZone, now, new Date(now.getTime() + 30 * day));
  const minutes = due.map(
    ({ job }) => job.jobsBeside + Math.max(1, Math.ceil(measured.get(job.kind) ?? assumedMinutes[job.kind])),
  );
  return { runs: due.length, minutes: minutes.reduce((sum, count) => sum + count, 0) };
}

export interface Day {
  /** `Fri 2026-11-20` */
  readonly name: string;
  /** For each hour on the clock, 0 to 23, one letter for each kind that is due; empty when no job is due */
  readonly hours: readonly string[];
}

export const marks: Readonly<Record<JobKind, string>> = {
  full: 'F',
  incremental: 'i',
  schema: 's',
  archive: 'A',
  capture: 'c',
  drill: 'D',
  cleanup: 'x',
  mirror: 'm',
  watch: 'w',
  digest: 'd',
};

/** Draws the seven days from today on, in the policy's time zone. */
export function drawWeek({ jobs }: PlannedDatabase, { timeZone }: SchedulePlan, now: Date): Day[] {
  const clock = createClock(timeZone);
  // A day may have 25 hours; runs outside of the seven days are left out below.
  const due = listDue(jobs, timeZone, new Date(now.getTime() - 26 * hour), new Date(now.getTime() + 8 * day));
  const today = clock(now).date;
  const names = Array.from({ length: 7 }, (_, index) => new Date(Date.parse(today) + index * day));
  return names.map((date) => {
    const text = date.toISOString().slice(0, 10);
    const hours = Array.from({ length: 24 }, () => new Set<string>());
    for (const { at, job } of due) {
      const shown = clock(at);
      if (shown.date === text) hours[shown.hour]?.add(marks[job.kind]);
    }
    const weekday = date.toLocaleDateString('en-US', { weekday: 'short', timeZone: 'UTC' });
    return { name: `${weekday} ${text}`, hours: hours.map((found) => [...found].join('')) };
  });
}

/** Returns a function that reads the date and hour of a time on a wall clock of the zone. */
function createClock(timeZone: string): (time: Date) => { date: string; hour: number } {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  });
  return (time) => {
    const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, value]));
    return {
      date: `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`,
      hour: Number(parts.get('hour')),
    };
  };
}
