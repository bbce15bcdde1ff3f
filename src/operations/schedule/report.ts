import { parseDuration } from '../../interface/inputs/time-values.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { nextTimes } from '../../schedule/plan/cron.ts';
import type { PlannedDatabase, PlannedJob } from '../../schedule/plan/plan.ts';
import {
  assumedMinutes,
  drawWeek,
  estimateMonth,
  foresee,
  marks,
  type Outlook,
} from '../../schedule/plan/week.ts';
import type { WorkflowVerdict } from '../../schedule/verification/verify.ts';
import type { FileChange } from '../../schedule/workflows/files.ts';
import { listDifferences } from '../../schedule/workflows/line-diff.ts';
import { day } from '../../values/duration.ts';
import { describeRemarks } from './remarks.ts';
import type { Schedule } from './result.ts';

type Outlooks = ReadonlyMap<PlannedDatabase, Outlook>;

/** Of one file; a workflow that is wholly different is not worth more. */
const shownDifferences = 60;

export function describeSchedule(done: Schedule): Outcome {
  const outlooks = new Map(
    done.plan.databases.map((database) => [database, foresee(database, done.plan.timeZone, done.now)]),
  );
  const problems = [...describeProblems(done), ...describeBrokenTargets(done, outlooks)];
  const hasDrift = done.changes.some(({ state }) => state !== 'same');
  const isWrong = problems.length > 0 || (done.inputs.check && hasDrift);
  const next = listNextRuns(done);
  return {
    exitCode: isWrong ? 3 : 0,
    outputs: {
      workflows: done.changes.filter(({ state }) => state !== 'remove').length,
      drift: hasDrift,
      'next-run': next.map(({ at }) => at.toISOString()).sort()[0] ?? '',
      'missed-runs': done.verification === undefined ? '' : sumOf(done, ({ missed }) => missed.length),
    },
    report: [
      { kind: 'heading', text: describeTitle(done, hasDrift) },
      describeFiles(done.changes),
      ...describeDifferences(done),
      ...problems.map((text): Section => ({ kind: 'paragraph', text })),
      ...describeVerification(done),
      describeNextRuns(done, next),
      describeDatabases(done, outlooks),
      ...describeRemarks(done),
      ...done.plan.databases.flatMap((database) => describeWeek(database, done)),
      { kind: 'paragraph', text: describeAssumptions(done) },
    ],
  };
}

function describeTitle({ inputs, changes }: Schedule, hasDrift: boolean): string {
  const workflows = formatCounted(changes.filter(({ state }) => state !== 'remove').length, 'workflow');
  if (!hasDrift) return `Schedule: ${workflows}, as the policy says`;
  const count = changes.filter(({ state }) => state !== 'same').length;
  if (inputs.check) return `Schedule: ${formatCounted(count, 'file')} not as the policy says`;
  return inputs.dryRun
    ? `Schedule, dry run: ${formatCounted(count, 'file')} would change`
    : `Schedule: ${formatCounted(count, 'file')} changed; commit and push them`;
}

const stateWords: Readonly<Record<FileChange['state'], string>> = {
  same: 'as the policy says',
  create: 'new',
  update: 'changed',
  remove: 'no longer wanted',
  foreign: 'not touched',
};

function describeFiles(changes: readonly FileChange[]): Section {
  return {
    kind: 'table',
    columns: [{ title: 'workflow' }, { title: 'state' }, { title: 'why' }],
    rows: changes.map(({ file, state, reason }) => [file, stateWords[state], reason]),
  };
}

function describeDifferences({ inputs, changes }: Schedule): Section[] {
  if (!inputs.check && !inputs.dryRun) return [];
  return changes
    .filter(({ state }) => state === 'update' || state === 'foreign')
    .map(({ file, before, after }): Section => {
      const lines = listDifferences(before, after);
      const more = lines.length - shownDifferences;
      const shown =
        more > 0 ? [...lines.slice(0, shownDifferences), `… and ${formatCount(more)} more lines`] : lines;
      return { kind: 'paragraph', text: [`${file}, - as it is, + as the policy says:`, ...shown].join('\n') };
    });
}

function describeProblems({ verification, inputs, changes }: Schedule): string[] {
  const foreign = changes.filter(({ state }) => state === 'foreign');
  return [
    ...(inputs.check && changes.some(({ state }) => state !== 'same')
      ? ['The workflows are not what the policy says: run `schedule` without `check`, then commit and push.']
      : []),
    ...foreign.map(
      ({ file, reason }) => `${file} ${reason}: move the change into the policy and delete the file.`,
    ),
    ...(verification?.verdicts.flatMap(({ problems }) => problems) ?? []),
    ...(verification?.unreachable === undefined
      ? []
      : [`Whether the workflows ran could not be found out: ${verification.unreachable}. Run it again.`]),
  ];
}

/** A target that the schedules cannot keep even if every run is on time. */
function describeBrokenTargets({ parsed, plan }: Schedule, outlooks: Outlooks): string[] {
  const target = parsed.policy.alarms?.['rpo-target'];
  if (target === undefined) return [];
  return [...outlooks].flatMap(([database, { gap }]) => {
    if (gap !== undefined && gap.milliseconds <= parseDuration(target)) return [];
    const point = isCaptured(database) ? 'a capture or a backup' : 'a backup';
    const what =
      gap === undefined
        ? 'has fewer than two backups a year'
        : `is left ${formatDuration(gap.milliseconds)} without ${point} from ${formatLocal(gap.from, plan.timeZone)}`;
    const remedy = isCaptured(database) ? 'Schedule captures' : 'Schedule backups';
    return [
      `The rpo-target of ${target} cannot be kept: ${database.name} ${what}. ${remedy} more often, or raise the target.`,
    ];
  });
}

function describeVerification({ verification }: Schedule): Section[] {
  if (verification === undefined) {
    const text =
      'Whether the workflows are enabled and ran was not looked at: give a github-token to ask GitHub.';
    return [{ kind: 'paragraph', text }];
  }
  if (verification.verdicts.length === 0) return [];
  return [
    { kind: 'heading', text: 'Did they run?' },
    {
      kind: 'table',
      columns: [
        { title: 'workflow' },
        { title: 'on GitHub' },
        { title: 'due in 7 days', align: 'right' },
        { title: 'ran', align: 'right' },
        { title: 'failed', align: 'right' },
        { title: 'missed', align: 'right' },
        { title: 'awaited', align: 'right' },
        { title: 'median delay', align: 'right' },
        { title: 'longest', align: 'right' },
      ],
      rows: verification.verdicts.map(describeVerdict),
    },
  ];
}

function describeVerdict({ file, state, punctuality }: WorkflowVerdict): string[] {
  if (punctuality === undefined) return [file, state];
  const { due, failed, missed, waiting, medianDelayMs, maxDelayMs } = punctuality;
  const format = (delay: number | undefined) => (delay === undefined ? '' : formatDuration(delay));
  const ran = due.length - missed.length - waiting.length;
  const counts = [due.length, ran, failed.length, missed.length, waiting.length].map(formatCount);
  return [file, state, ...counts, format(medianDelayMs), format(maxDelayMs)];
}

interface NextRun {
  readonly job: PlannedJob;
  readonly at: Date;
  readonly then: Date | undefined;
}

function listNextRuns({ plan, now }: Schedule): NextRun[] {
  return plan.databases.flatMap(({ jobs }) =>
    jobs.flatMap((job): NextRun[] => {
      const times = job.crons.flatMap((cron) => nextTimes(cron, plan.timeZone, now, 2));
      const [at, then] = times.sort((one, other) => one.getTime() - other.getTime());
      return at === undefined ? [] : [{ job, at, then }];
    }),
  );
}

function describeNextRuns(done: Schedule, next: readonly NextRun[]): Section {
  const { timeZone } = done.plan;
  return {
    kind: 'table',
    columns: [
      { title: 'database' },
      { title: 'job' },
      { title: 'cron' },
      { title: `next run (${timeZone})` },
      { title: 'then' },
      ...monthColumns,
    ],
    rows: next.map(({ job, at, then }) => [
      job.database,
      job.kind,
      job.crons.join('; '),
      formatLocal(at, timeZone),
      then === undefined ? '' : formatLocal(then, timeZone),
      ...formatMonth([job], done),
    ]),
  };
}

const monthColumns = [
  { title: 'runs in 30 days', align: 'right' },
  { title: 'minutes', align: 'right' },
] as const;

function formatMonth(jobs: readonly PlannedJob[], { plan, now, verification }: Schedule): string[] {
  const { runs, minutes } = estimateMonth(jobs, plan.timeZone, now, verification?.minutes ?? new Map());
  return [formatCount(runs), formatCount(minutes)];
}

function isCaptured({ jobs }: PlannedDatabase): boolean {
  return jobs.some(({ kind }) => kind === 'capture');
}

function describeDatabases(done: Schedule, outlooks: Outlooks): Section {
  const { timeZone } = done.plan;
  return {
    kind: 'table',
    columns: [
      { title: 'database' },
      { title: 'lost at worst' },
      { title: 'any point in time' },
      { title: 'retention' },
      { title: 'backups kept', align: 'right' },
      { title: 'oldest', align: 'right' },
      ...monthColumns,
    ],
    rows: [...outlooks].map(([database, { gap, kept }]) => [
      database.name,
      gap === undefined
        ? 'no two backups are due'
        : `${formatDuration(gap.milliseconds)}, from ${formatLocal(gap.from, timeZone)}`,
      isCaptured(database) ? `of the last ${database.keepChanges}` : 'no',
      database.retention,
      formatCount(kept.backups),
      `${formatCount(Math.round(kept.oldest / day))} d`,
      ...formatMonth(database.jobs, done),
    ]),
  };
}

function describeWeek(database: PlannedDatabase, { plan, now }: Schedule): Section[] {
  const hours = Array.from({ length: 24 }, (_, hour) => ({ title: String(hour).padStart(2, '0') }));
  return [
    { kind: 'heading', text: `The week of ${database.name} (${plan.timeZone})` },
    {
      kind: 'table',
      columns: [{ title: 'day' }, ...hours],
      rows: drawWeek(database, plan, now).map(({ name, hours }) => [
        name,
        ...hours.map((mark) => mark || '·'),
      ]),
    },
    {
      kind: 'paragraph',
      text: database.jobs.map(({ kind }) => `${marks[kind]} ${kind}`).join(', '),
    },
  ];
}

function describeAssumptions({ verification }: Schedule): string {
  const measured = [...(verification?.minutes.keys() ?? [])];
  const assumed = Object.entries(assumedMinutes).filter(
    ([kind]) => !measured.some((known) => known === kind),
  );
  return [
    'GitHub starts schedules late and now and then not at all: what is told here holds when every run is on time.',
    ...(measured.length > 0 ? [`Minutes of ${measured.join(', ')} are the median of their last runs.`] : []),
    ...(assumed.length > 0
      ? [`Assumed minutes of a run: ${assumed.map(([kind, minutes]) => `${kind} ${minutes}`).join(', ')}.`]
      : []),
    'The backups kept are what retention leaves after 400 days of these schedules with every backup verified; what they take is ' +
      'not estimated: unchanged rows are stored once, and `list` shows what each backup added.',
  ].join(' ');
}

function sumOf(
  { verification }: Schedule,
  count: (punctuality: NonNullable<WorkflowVerdict['punctuality']>) => number,
): number {
  const counts =
    verification?.verdicts.map(({ punctuality }) => (punctuality ? count(punctuality) : 0)) ?? [];
  return counts.reduce((sum, one) => sum + one, 0);
}

/** `Fri 2026-11-20 02:17 GMT+1`; the offset tells the two hours apart that a clock shows twice. */
function formatLocal(time: Date, timeZone: string): string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'shortOffset',
  });
  const parts = new Map(format.formatToParts(time).map(({ type, value }) => [type, value]));
  const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name)?.replace('.', '') ?? '';
  const zone = part('timeZoneName').replace('GMT', 'UTC');
  return `${part('weekday')} ${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')} ${zone}`;
}
