import type { Outcome } from '../../interface/outcome.ts';
import { formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section, Tone } from '../../report/section.ts';
import { assumedMinutes, type Estimate, marks } from '../../schedule/plan/week.ts';
import type { WorkflowVerdict } from '../../schedule/verification/verify.ts';
import type { FileChange } from '../../schedule/workflows/files.ts';
import { listDifferences } from '../../schedule/workflows/line-diff.ts';
import { day } from '../../values/duration.ts';
import { type DatabaseOutlook, isInOrder, type Problem, type Remark, type Schedule } from './result.ts';

/** Lines shown of one file's differences; a workflow that differs completely needs no more. */
const shownDifferences = 60;

export function describeSchedule(done: Schedule): Outcome {
  const { changes, runs, databases, verification } = done;
  const hasDrift = changes.some(({ state }) => state !== 'same');
  const toParagraph = (text: string): Section => ({ kind: 'paragraph', text });
  return {
    exitCode: isInOrder(done) ? 0 : 3,
    found: isInOrder(done)
      ? undefined
      : done.problems.map((one) => tellProblem(one, done.timeZone)).join(' '),
    outputs: {
      workflows: changes.filter(({ state }) => state !== 'remove').length,
      drift: hasDrift,
      'next-run': runs.map(({ at }) => at.toISOString()).sort()[0] ?? '',
      'missed-runs': verification === undefined ? '' : countMissed(verification.verdicts),
    },
    report: [
      { kind: 'heading', text: describeTitle(done, hasDrift), tone: toneOf(done) },
      ...describeNext(done),
      ...done.problems.map((problem) => toParagraph(tellProblem(problem, done.timeZone))),
      ...done.remarks.map((remark) => toParagraph(tellRemark(remark))),
      describeFiles(changes),
      ...describeDifferences(done),
      ...describeVerification(done),
      describeNextRuns(done),
      describeDatabases(done),
      ...databases.map((database) => describeWeek(database, done.timeZone)),
      toParagraph(describeAssumptions(done)),
    ],
  };
}

function describeTitle({ mode, changes }: Schedule, hasDrift: boolean): string {
  const workflows = formatCounted(changes.filter(({ state }) => state !== 'remove').length, 'workflow');
  if (!hasDrift) return `Schedule: ${workflows}, as the policy says`;
  const count = changes.filter(({ state }) => state !== 'same').length;
  if (mode === 'check') return `Schedule: ${formatCounted(count, 'file')} not as the policy says`;
  return mode === 'dry-run'
    ? `Schedule, dry run: ${formatCounted(count, 'file')} would change`
    : `Schedule: ${formatCounted(count, 'file')} changed; commit and push them`;
}

function toneOf(done: Schedule): Tone {
  if (!isInOrder(done)) return 'bad';
  return done.remarks.length > 0 ? 'warning' : 'good';
}

/** The run that comes next, and how many minutes all of them take */
function describeNext({ runs, databases, remarks, timeZone }: Schedule): Section[] {
  const [next] = runs.toSorted((one, other) => one.at.getTime() - other.at.getTime());
  if (next === undefined) return [];
  const { job, at } = next;
  const minutes = databases.reduce((sum, { month }) => sum + month.minutes, 0);
  const isTold = remarks.some(({ kind }) => kind === 'cost');
  const cost = isTold ? '' : ` All runs together take about ${formatCount(minutes)} minutes in 30 days.`;
  const text = `The next run is ${job.kind} of ${job.database}, at ${formatLocal(at, timeZone)}.${cost}`;
  return [{ kind: 'paragraph', text }];
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
    columns: [
      { title: 'workflow', code: true },
      { title: 'state' },
      ...(changes.some(({ reason }) => reason !== '') ? [{ title: 'why' }] : []),
    ],
    rows: changes.map(({ file, state, reason }) => [file, stateWords[state], reason]),
  };
}

function describeDifferences({ mode, changes }: Schedule): Section[] {
  if (mode === 'write') return [];
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

function tellProblem(problem: Problem, timeZone: string): string {
  switch (problem.kind) {
    case 'drift':
      return 'The workflows are not what the policy says: run `schedule` without `check`, then commit and push.';
    case 'foreign':
      return `${problem.file} ${problem.reason}: move the change into the policy and delete the file.`;
    case 'workflow':
      return problem.text;
    case 'unreachable':
      return `Whether the workflows ran could not be found out: ${problem.why}. Run it again.`;
    case 'rpo-target':
      return tellBrokenTarget(problem, timeZone);
  }
}

function tellBrokenTarget(
  { target, database, isCaptured, gap }: Extract<Problem, { kind: 'rpo-target' }>,
  timeZone: string,
): string {
  const point = isCaptured ? 'a capture or a backup' : 'a backup';
  const what =
    gap === undefined
      ? 'has fewer than two backups a year'
      : `is left ${formatDuration(gap.milliseconds)} without ${point} from ${formatLocal(gap.from, timeZone)}`;
  const remedy = isCaptured ? 'Schedule captures' : 'Schedule backups';
  return `The rpo-target of ${target} cannot be kept: ${database} ${what}. ${remedy} more often, or raise the target.`;
}

function tellRemark(remark: Remark): string {
  switch (remark.kind) {
    case 'ended-capture':
      return (
        `${remark.database} is not captured any more, and its slot stays on the server, which keeps write-ahead log for it until its disk is ` +
        'full: once this is pushed, run `supabase-backup capture --drop-slot` with its database-url and storage.'
      );
    case 'unencrypted':
      return (
        `Backups of ${remark.database} are stored unencrypted: whoever gets at the storage can read them. Name encryption-recipients in the policy; ` +
        '`supabase-backup keygen` makes a key.'
      );
    case 'peak':
      return (
        `${remark.job} of ${remark.database} is due at a full hour or a quarter of one (${remark.cron}), when GitHub is busiest, starts schedules ` +
        `late and drops some: write auto for its minute, as in \`auto ${remark.cron.split(' ').slice(1).join(' ')}\`.`
      );
    case 'longest-pause':
      return (
        `Captures of ${remark.database} that succeeded in the last seven days were ${formatDuration(remark.length)} apart at most: ` +
        'so much would have been lost then.'
      );
    case 'cost':
      return (
        `All this takes ${formatCount(remark.minutes)} minutes in 30 days. A private repository has ${formatCount(remark.free)} a month on GitHub's Free ` +
        'plan, more on others; once they are used up, no backup runs either. Public repositories pay none.'
      );
  }
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
        { title: 'workflow', code: true },
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

function describeNextRuns({ runs, timeZone }: Schedule): Section {
  return {
    kind: 'table',
    columns: [
      { title: 'database' },
      { title: 'job' },
      { title: 'cron', code: true },
      { title: `next run (${timeZone})`, code: true },
      ...monthColumns,
    ],
    rows: runs.map(({ job, at, month }) => [
      job.database,
      job.kind,
      job.crons.join('; '),
      formatLocal(at, timeZone),
      ...formatMonth(month),
    ]),
  };
}

const monthColumns = [
  { title: 'runs in 30 days', align: 'right' },
  { title: 'minutes', align: 'right' },
] as const;

function formatMonth({ runs, minutes }: Estimate): string[] {
  return [formatCount(runs), formatCount(minutes)];
}

function describeDatabases({ databases, timeZone }: Schedule): Section {
  return {
    kind: 'table',
    columns: [
      { title: 'database' },
      { title: 'lost at worst' },
      { title: 'from', code: true },
      { title: 'any point in time' },
      { title: 'retention' },
      { title: 'kept', align: 'right' },
      { title: 'oldest', align: 'right' },
      { title: 'minutes', align: 'right' },
    ],
    rows: databases.map(({ database, isCaptured, gap, kept, month }) => [
      database.name,
      gap === undefined ? 'no two backups are due' : formatDuration(gap.milliseconds),
      gap === undefined ? '' : formatLocal(gap.from, timeZone),
      isCaptured ? `of the last ${database.keepChanges}` : 'no',
      database.retention,
      formatCount(kept.backups),
      `${formatCount(Math.round(kept.oldest / day))} d`,
      formatCount(month.minutes),
    ]),
  };
}

/** Draws the week, a line for each day and a column for each hour: a table of 25 columns is wider than a summary. */
function describeWeek({ database, week }: DatabaseOutlook, timeZone: string): Section {
  const hours = Array.from({ length: 24 }, (_, hour) => {
    const cells = [String(hour).padStart(2, '0'), ...week.map((day) => day.hours[hour] || '·')];
    const width = Math.max(...cells.map((cell) => cell.length));
    return cells.map((cell) => cell.padEnd(width));
  });
  const days = ['day', ...week.map(({ name }) => name.replace(/\d{4}-\d\d-/, ''))];
  const lines = days.map((day, index) => [day.padEnd(6), ...hours.map((cells) => cells[index])].join(' '));
  const legend = database.jobs.map(({ kind }) => `${marks[kind]} ${kind}`).join(', ');
  return {
    kind: 'details',
    title: `The week of ${database.name}, from ${week[0]?.name} on (${timeZone})`,
    sections: [
      { kind: 'code', language: 'text', text: lines.map((line) => line.trimEnd()).join('\n') },
      { kind: 'paragraph', text: legend },
    ],
  };
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

function countMissed(verdicts: readonly WorkflowVerdict[]): number {
  return verdicts.reduce((sum, { punctuality }) => sum + (punctuality?.missed.length ?? 0), 0);
}

/**
 * Formats a time as `Fri 2026-11-20 02:17 UTC+1`; the offset distinguishes the two hours that a clock shows
 * twice.
 */
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
