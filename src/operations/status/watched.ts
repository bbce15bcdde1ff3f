import { formatAge, formatBytes, formatCount, formatCounted, formatShare } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { formatTime, formatTimeWithZone } from '../../report/time.ts';
import type { RunCounts } from '../../repository/backups/success-rate.ts';
import { onlyLooks } from '../../schedule/plan/plan.ts';
import type { KeptSchedule } from './kept-schedules.ts';
import type { Status } from './result.ts';

/* What is told of the runs that make the backups: schedules, how runs ended, and the slot of captures. */

/** Renders for scripts; what was not measured is empty. */
export function tellWatched({ slot, successRate }: Status): Record<string, string | number> {
  const state = slot?.state ?? undefined;
  const { done = 0, runs = 0 } = successRate?.all ?? {};
  return {
    'lag-bytes': state === undefined || state.walStatus === 'lost' ? '' : state.retainedBytes,
    'success-share': runs === 0 ? '' : Math.round((done / runs) * 10_000) / 10_000,
  };
}

/** Tells in a line each what was not measured, and the slot. */
export function describeWatched(status: Status): [string, string][] {
  const { schedules, successRate } = status;
  return [
    ['slot of captures', describeSlot(status)],
    ...(schedules === undefined
      ? [['schedules', 'not measured: no policy was given'] as [string, string]]
      : []),
    ...(successRate === undefined
      ? [['runs of 30 days', 'not measured: none is recorded'] as [string, string]]
      : []),
  ];
}

function describeSlot({ slot }: Status): string {
  if (slot === undefined) return 'not measured';
  const { at, operation, state } = slot;
  const by = operation === null ? '' : `, by the last \`${operation}\` that looked`;
  const seen = `as of ${formatTimeWithZone(at)}${by}`;
  if (state === null) return `none, ${seen}`;
  const { name, retainedBytes, safeBytes, walStatus, isActive } = state;
  if (walStatus === 'lost') return `${name} is LOST, ${seen}`;
  const room =
    safeBytes === null ? 'without a limit' : `given up after ${formatBytes(Math.max(0, safeBytes))} more`;
  const activity = isActive ? ', being read' : '';
  return `${name} keeps ${formatBytes(retainedBytes)}, ${room} (${walStatus}${activity}), ${seen}`;
}

/** Shows when each schedule of the policy last succeeded; nothing without a policy. */
export function describeSchedules({ schedules, at: now }: Status): Section[] {
  if (schedules === undefined) return [];
  const { database, jobs, timeZone, unreachable } = schedules;
  const ago = (time: Date) => `${formatAge(Math.max(0, now.getTime() - time.getTime()))} ago`;
  const table: Section = {
    kind: 'table',
    columns: [
      { title: `schedules of ${database}` },
      { title: `due (${timeZone})`, code: true },
      { title: 'last success (UTC)' },
      { title: 'at most', align: 'right' },
      { title: 'is', align: 'right' },
      { title: 'verdict' },
      { title: 'workflow' },
      { title: 'last run there' },
    ],
    rows: jobs.map((job) => [
      job.kind,
      job.crons.join('; '),
      ...describeLateness(job),
      job.workflow?.state ?? 'not measured',
      job.workflow === undefined
        ? 'not measured'
        : job.workflow.ranAt
          ? ago(job.workflow.ranAt)
          : 'none known',
    ]),
  };
  if (unreachable === undefined) return [table];
  const text = `Whether the workflows are enabled is not measured: ${unreachable}. Run it again.`;
  return [table, { kind: 'paragraph', text }];
}

function describeLateness({ kind, succeededAt, lateness }: KeptSchedule): string[] {
  if (lateness === undefined) return ['not measured', '', '', ''];
  const { age, limit, since } = lateness;
  // Of what only looks, GitHub has a run, and no success.
  const last = onlyLooks(kind) ? '' : succeededAt === undefined ? 'never' : formatTime(succeededAt);
  return [
    last,
    formatAge(limit),
    age === undefined ? 'never' : formatAge(age),
    since === undefined ? 'in time' : 'LATE',
  ];
}

/** Shows how runs ended, for each operation and in all; nothing without a record. */
export function describeSuccess({ successRate }: Status): Section[] {
  if (successRate === undefined) return [];
  const { all, operations, unread, since } = successRate;
  const row = (name: string, { runs, done, no, failed }: RunCounts) => [
    name,
    ...[runs, done, no, failed].map(formatCount),
    formatShare(done, runs),
  ];
  const window =
    unread === 0
      ? 'runs of 30 days'
      : `the newest ${formatCounted(all.runs, 'run')}, since ${formatTimeWithZone(since)}`;
  const table: Section = {
    kind: 'table',
    columns: [
      { title: window },
      ...['recorded', 'done', 'no', 'failed', 'success'].map((title) => ({ title, align: 'right' as const })),
    ],
    rows: [...[...operations].map(([name, counts]) => row(name, counts)), row('all', all)],
  };
  if (unread === 0) return [table];
  const text = `${formatCounted(unread, 'older record')} of the last 30 days ${unread === 1 ? 'was' : 'were'} not read.`;
  return [table, { kind: 'paragraph', text }];
}
