import { nextTimes, timesBetween } from '../../../schedule/plan/cron.ts';
import { type LookingKind, onlyLooks, type PlannedJob } from '../../../schedule/plan/plan.ts';
import { graceMs } from '../../../schedule/verification/punctuality.ts';
import { day, minute } from '../../../values/duration.ts';
import type { EvidenceFacts, PolicyFacts } from './facts.ts';
import type { Evidence } from './result.ts';
import { toTime } from './runs.ts';

type JobKind = PlannedJob['kind'];
type JudgedJob = NonNullable<Evidence['schedule']>['jobs'][number];

/** Something that happened and may be what a schedule was due for */
interface Event {
  readonly at: Date;
  readonly operation: string;
  readonly backupType: string | null;
}

interface Due {
  readonly job: PlannedJob;
  readonly at: Date;
  /** The end of its span: its next due time, at most a day later */
  readonly until: Date;
  readonly isMet: boolean;
}

/** The longest span of a due time */
const longestSpanMs = day;

/** How much earlier a run may begin, because clocks differ */
const earlyMs = minute;

/** What fulfils each kind of job. A backup that was meant to be incremental may have read everything. */
const fulfils: Readonly<Record<Exclude<JobKind, LookingKind>, (event: Event) => boolean>> = {
  full: ({ backupType }) => backupType === 'full',
  archive: ({ backupType }) => backupType === 'full',
  incremental: ({ backupType }) => backupType === 'incremental' || backupType === 'full',
  schema: ({ backupType }) => backupType === 'schema',
  capture: ({ operation }) => operation === 'capture',
  drill: ({ operation }) => operation === 'drill',
  cleanup: ({ operation }) => operation === 'cleanup',
  mirror: ({ operation }) => operation === 'mirror',
};

/**
 * Compares the schedule as it is configured now with what has run in the period, by whomever it was started. A
 * due time is met by a run that began in its span; each run meets one. Of the time before runs were recorded
 * only backups tell, by their manifests: other due times of then are not judged.
 */
export function judgeSchedule(facts: EvidenceFacts, recordedSince: Date | undefined): Evidence['schedule'] {
  const { policy } = facts;
  if (policy === undefined) return null;
  const jobs = policy.plan.jobs.filter(({ kind }) => !onlyLooks(kind));
  const due = matchEvents(
    jobs.flatMap((job) => listDue(job, policy, facts)),
    listEvents(facts),
  ).filter(({ until, isMet }) => isMet || until.getTime() + graceMs < facts.now.getTime());
  return {
    timeZone: policy.timeZone,
    jobs: jobs.map((job) =>
      judgeJob(
        job,
        due.filter((one) => one.job === job),
        recordedSince,
      ),
    ),
    notJudged: policy.plan.jobs.flatMap(({ kind }) => (onlyLooks(kind) ? [kind] : [])),
  };
}

/** Lists the due times of the period until now. Those whose span is not over may still be met. */
function listDue(job: PlannedJob, { timeZone }: PolicyFacts, { period, now }: EvidenceFacts): Due[] {
  const end = new Date(Math.min(period.to.getTime(), now.getTime()));
  return job.crons.flatMap((cron) => {
    const times = timesBetween(cron, timeZone, period.from, end);
    return times.map((at, index) => {
      const next = times[index + 1] ?? nextTimes(cron, timeZone, at, 1)[0];
      const until = Math.min(next?.getTime() ?? Number.POSITIVE_INFINITY, at.getTime() + longestSpanMs);
      return { job, at, until: new Date(until), isMet: false };
    });
  });
}

/** The runs that are recorded, the backups that captures and gates took, and those of which no record tells */
function listEvents({ records, catalog }: EvidenceFacts): Event[] {
  const made = new Set(
    records.runs.flatMap(({ content }) => (content.backupType === null ? [] : [content.backup])),
  );
  return [
    ...records.runs.flatMap(({ content: { startedAt, operation, backupType } }) => {
      const at = new Date(startedAt);
      if (operation === 'backup' || backupType === null) return [{ at, operation, backupType }];
      return [
        { at, operation, backupType: null },
        { at, operation: 'backup', backupType },
      ];
    }),
    ...catalog.backups
      .filter(({ id, purpose }) => purpose === 'ordinary' && !made.has(id))
      .map(({ startedAt, kind }) => ({ at: startedAt, operation: 'backup', backupType: kind })),
  ].sort((one, other) => one.at.getTime() - other.at.getTime());
}

/**
 * Assigns each event to the open due time whose span ends first, which leaves the fewest without one. Only spans
 * that an event can be in are looked at: there may be tens of thousands of both.
 *
 * @param events oldest first
 */
function matchEvents(expected: readonly Due[], events: readonly Event[]): Due[] {
  const due = expected.toSorted((one, other) => one.until.getTime() - other.until.getTime());
  let first = 0;
  for (const event of events) {
    while ((due[first]?.until ?? event.at) < event.at) first += 1;
    const index = findDue(due, first, event);
    const met = index === undefined ? undefined : due[index];
    if (index !== undefined && met !== undefined) due[index] = { ...met, isMet: true };
  }
  return due.sort((one, other) => one.at.getTime() - other.at.getTime());
}

/**
 * Finds the due time that an event meets: the first that it is meant for, or else the first that it may stand for.
 *
 * @param due sorted by the ends of their spans
 * @param first index of the first whose span may not be over
 */
function findDue(due: readonly Due[], first: number, event: Event): number | undefined {
  const last = event.at.getTime() + longestSpanMs + earlyMs;
  let substitute: number | undefined;
  for (let index = first; index < due.length; index += 1) {
    const one = due[index];
    if (one === undefined || one.until.getTime() > last) break;
    if (!canMeet(event, one)) continue;
    if (isMeant(event, one)) return index;
    substitute ??= index;
  }
  return substitute;
}

/** A full backup was meant as one, where one was due; an incremental one that has read everything is the exception. */
function isMeant({ backupType }: Event, { job }: Due): boolean {
  return backupType !== 'full' || job.kind !== 'incremental';
}

function canMeet(event: Event, { job: { kind }, at, until, isMet }: Due): boolean {
  const isInSpan = event.at.getTime() >= at.getTime() - earlyMs && event.at < until;
  return !isMet && isInSpan && !onlyLooks(kind) && fulfils[kind](event);
}

/** @param due of this job, oldest first */
function judgeJob(
  { kind, crons }: PlannedJob,
  due: readonly Due[],
  recordedSince: Date | undefined,
): JudgedJob {
  const isJudged = ({ at, isMet }: Due) => isMet || (recordedSince !== undefined && at >= recordedSince);
  const judged = due.filter(isJudged);
  const gaps: { from: Date; to: Date; due: number }[] = [];
  let isOpen = false;
  for (const { at, until, isMet } of judged) {
    const last = isOpen ? gaps.pop() : undefined;
    isOpen = !isMet;
    if (isMet && last !== undefined) gaps.push(last);
    if (!isMet) gaps.push({ from: last?.from ?? at, to: until, due: (last?.due ?? 0) + 1 });
  }
  const missed = judged.filter(({ isMet }) => !isMet).length;
  return {
    ...{ job: kind, crons: [...crons], due: due.length, ran: judged.length - missed, missed },
    unjudged: due.length - judged.length,
    gaps: gaps.map(({ from, to, due: count }) => ({ from: toTime(from), to: toTime(to), due: count })),
  };
}
