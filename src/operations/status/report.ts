import { type Finding, isLimit, type TrendMeasure } from '../../interface/findings/finding.ts';
import { tellPredictedTime } from '../../interface/findings/telling.ts';
import type { Outcome } from '../../interface/outcome.ts';
import {
  formatAge,
  formatAmount,
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
} from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { formatTime } from '../../report/time.ts';
import type { BackupSummary } from '../../repository/backups/catalog.ts';
import { gapWindow, type RecordedFailure } from '../../repository/backups/findings.ts';
import type { JudgedLimit } from '../../repository/backups/freshness.ts';
import { neededPoints } from '../../repository/backups/trends.ts';
import { formatWindow, isInterval, type Recoverable } from '../../repository/changes/windows.ts';
import { sumStored } from '../../repository/stored-bytes.ts';
import { describeFinding, renderFindings, tellBroken } from '../sections/findings.ts';
import { describeLimits, tellAges } from '../sections/limits.ts';
import { describeCopyStates, tellCopyStates } from './copies-report.ts';
import { describePlatform } from './platform.ts';
import { isHealthy, type Status } from './result.ts';
import { describeSchedules, describeSuccess, describeWatched, tellWatched } from './watched.ts';

export function describeStatus(status: Status): Outcome {
  const { location, usable } = status;
  const verdict = isHealthy(status) ? 'healthy' : 'broken';
  return {
    exitCode: isHealthy(status) ? 0 : 3,
    found: tellBroken(status.findings),
    outputs: {
      'backup-id': usable[0]?.id ?? '',
      status: verdict,
      ...tellAges(status.ages),
      ...tellWindow(status.recoverable),
      'recovery-seconds': status.recovery.kind === 'measured' ? toSeconds(status.recovery.milliseconds) : '',
      'longest-gap-seconds': status.gap === undefined ? '' : toSeconds(status.gap.length),
      ...tellWatched(status),
      ...tellCopyStates(status),
      findings: renderFindings(status.findings),
    },
    report: [
      {
        kind: 'heading',
        text: `Backups in ${location}: ${verdict.toUpperCase()}`,
        tone: isHealthy(status) ? 'good' : 'bad',
      },
      { kind: 'paragraph', text: summarize(status) },
      ...status.findings.flatMap(describeFinding),
      ...describeAskedLimits(status),
      describeCatalog(status),
      ...describePlatform(status),
      ...describeCopyStates(status),
      ...describeSchedules(status),
      ...describeSuccess(status),
      ...describeWindows(status),
      ...describeTrend(usable),
      ...describeUsual(status),
      ...describeFailures(status),
    ],
  };
}

/** In a line what counts: the newest backup, whether one was restored, and what would be lost now */
function summarize({ usable: [newest], at, drilled, loss }: Status): string {
  if (newest === undefined) return 'There is no backup to go back to.';
  const since = (time: Date) => formatAge(Math.max(0, at.getTime() - time.getTime()));
  const drill =
    drilled === undefined
      ? 'No backup was restored in a drill yet.'
      : `The last drill that passed was ${since(drilled.at)} ago.`;
  const lost =
    loss === undefined ? '' : ` What was written in the last ${formatAge(loss)} would be lost now.`;
  return `The newest backup, ${newest.id}, is ${since(newest.snapshotAt)} old. ${drill}${lost}`;
}

function describeAskedLimits({ findings }: Status): Section[] {
  const [limits, newest] = toLimits(findings);
  return limits.length === 0 ? [] : [describeLimits(limits, newest)];
}

const toSeconds = (milliseconds: number) => Math.round(milliseconds / 100) / 10;

/** Returns the limits among the findings, and which point in time the age of the newest is of. */
function toLimits(findings: readonly Finding[]): [JudgedLimit[], 'backup' | 'changes' | undefined] {
  const limits = findings.filter(isLimit);
  const [newest] = limits.flatMap((finding) => (finding.kind === 'max-age' ? [finding.newestPoint] : []));
  const judged = limits.map(({ kind, limit = 0, measured, severity }) => {
    return { input: kind, limit, age: measured, met: severity !== 'broken' };
  });
  return [judged, newest];
}

/** Renders windows for scripts: `to` is the end of the newest window, and `from` its beginning. */
function tellWindow({ windows, captured }: Recoverable): Record<string, string> {
  const newest = windows.at(-1);
  return {
    'recoverable-from': captured ? (newest?.from ?? '') : '',
    'recoverable-to': newest?.to ?? '',
  };
}

function describeCatalog(status: Status): Section {
  const { usable, verified, drilled, counts, stored, lastCleanup } = status;
  const [newest] = usable;
  const since = (time: Date) => formatAge(Math.max(0, status.at.getTime() - time.getTime()));
  const tellProof = (proof: Status['verified']) =>
    proof === undefined ? 'never' : `${proof.id}, ${since(proof.at)} ago (${formatTime(proof.at)} UTC)`;
  return {
    kind: 'table',
    columns: [{ title: 'what' }, { title: 'value' }],
    rows: [
      ['newest backup', newest === undefined ? 'none' : describeBackup(newest, since(newest.snapshotAt))],
      ['last verified', tellProof(verified)],
      ['last drill that passed', tellProof(drilled)],
      ['recovery time of it', drilled?.recovery == null ? 'not measured' : formatDuration(drilled.recovery)],
      ['a recovery takes', describeRecovery(status)],
      ['would be lost now', status.loss === undefined ? 'everything' : formatAge(status.loss)],
      ['longest gap of 7 days', describeGap(status)],
      ['backups', describeCount(status)],
      ['stored', formatBytes(sumStored(stored))],
      ['of it', describeStored(status)],
      ['a month adds', describeGrowth(status)],
      ...describeCost(status),
      ['a full backup takes', describeEgress(status)],
      ['damaged', formatCount(counts.damaged)],
      [
        'last cleanup',
        lastCleanup === undefined
          ? 'none'
          : `${since(lastCleanup.at)} ago; removed ${formatCounted(lastCleanup.removed, 'backup')}, freed ${formatBytes(lastCleanup.freed)}`,
      ],
      ...describeWatched(status),
    ],
  };
}

function describeRecovery({ recovery }: Status): string {
  switch (recovery.kind) {
    case 'measured':
      return `${formatDuration(recovery.milliseconds)}, measured by the drill of ${recovery.backup}`;
    case 'predicted':
      return `not measured; predicted: ${tellPredictedTime(recovery.prediction)}`;
    case 'unmeasured':
      return 'not measured';
  }
}

function describeBackup({ id, kind, totals, snapshotAt, label }: BackupSummary, age: string): string {
  const named = label === null ? '' : `, "${label}"`;
  return `${id}, ${age} old (${formatTime(snapshotAt)} UTC), ${kind}, ${formatBytes(totals.bytes)}${named}`;
}

function describeStored({ stored }: Status): string {
  const { objects, manifests, changes, records, others } = stored;
  const parts = { objects, manifests, 'headers of changes': changes, records, others };
  return Object.entries(parts)
    .map(([name, bytes]) => `${name} ${formatBytes(bytes)}`)
    .join(', ');
}

function describeGrowth({ growth }: Status): string {
  const backups = formatCounted(growth.points, 'backup');
  return growth.kind === 'unmeasured'
    ? `not measured: ${backups} of the last 30 days, and 5 of at least 3 days are needed`
    : `${formatBytes(growth.bytes)} if it goes on as with the ${backups} of the last 30 days, without what cleanups remove`;
}

function describeCost({ cost }: Status): [string, string][] {
  if (cost === undefined) return [];
  const { now, inAMonth } = cost;
  const later = inAMonth === undefined ? '' : `, and in a month ${formatAmount(inAMonth)}`;
  return [['costs a month', `${formatAmount(now)}${later}, in the currency of price-per-gb-month`]];
}

function describeEgress({ egress }: Status): string {
  if (egress === undefined) return 'not measured: there is no full backup';
  const { bytes, dollars } = egress;
  return `${formatBytes(bytes)} of egress, at Supabase ${formatAmount(dollars)} US dollars past the share of the plan; an incremental one less`;
}

function describeCount({ usable, counts: { unusable } }: Status): string {
  const more = unusable === 0 ? '' : `, and ${formatCount(unusable)} of schemas, for safety, or damaged`;
  return `${formatCount(usable.length)} to go back to${more}`;
}

function describeGap({ gap }: Status): string {
  if (gap === undefined) return 'there is no backup';
  const to = gap.to === null ? 'now' : formatTime(gap.to);
  const cleaned = gap.isCleaned ? '; cleanups have removed backups since' : '';
  return `${formatAge(gap.length)}, from ${formatTime(gap.from)} to ${to}${cleaned}`;
}

/** How many windows of recoverable times are shown, the newest */
const shownWindows = 20;

/** Shows the windows of the last seven days, newest first; nothing if no changes are captured. */
function describeWindows({ recoverable, at }: Status): Section[] {
  const { windows, captured } = recoverable;
  const begin = at.getTime() - gapWindow;
  const shown = windows.filter(({ to }) => Date.parse(to) >= begin).slice(-shownWindows);
  if (!captured || shown.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'any point in time of 7 days (UTC)' }, { title: 'and no further, because' }],
      rows: shown
        .toReversed()
        .map((window) => [
          isInterval(window) ? formatWindow(window) : `${window.from}, the backup alone`,
          window.gap ?? 'nothing was captured since',
        ]),
    },
  ];
}

const trendLength = 14;

/**
 * Draws a bar for each of the last backups, the newest on the right: a trend is seen faster than it is read.
 */
function describeTrend(usable: readonly BackupSummary[]): Section[] {
  const backups = usable.slice(0, trendLength).toReversed();
  if (backups.length < 2) return [];
  const row = (
    title: string,
    measure: (backup: BackupSummary) => number,
    format: (value: number) => string,
  ): string[] => {
    const values = backups.map(measure);
    const newest = format(values.at(-1) ?? 0);
    return [title, drawBars(values), format(Math.min(...values)), format(Math.max(...values)), newest];
  };
  return [
    {
      kind: 'table',
      columns: [
        { title: `the last ${backups.length}` },
        { title: 'old to new' },
        { title: 'least', align: 'right' },
        { title: 'most', align: 'right' },
        { title: 'newest', align: 'right' },
      ],
      rows: [
        row('size', ({ totals }) => totals.bytes, formatBytes),
        row('rows', ({ totals }) => totals.rows, formatCount),
        row('added to storage', ({ totals }) => totals.added, formatBytes),
        row(
          'duration',
          ({ startedAt, finishedAt }) => Math.max(0, finishedAt.getTime() - startedAt.getTime()),
          formatDuration,
        ),
      ],
    },
  ];
}

const trendFormats: Readonly<Record<TrendMeasure, readonly [string, (value: number) => string]>> = {
  duration: ['duration', formatDuration],
  size: ['stored size', formatBytes],
  rows: ['rows', (value) => formatCount(Math.round(value))],
};

/** Compares the newest backup with earlier ones of its kind. */
function describeUsual({ trends: found, usable: [newest] }: Status): Section[] {
  if (newest === undefined) return [];
  if (found.kind === 'unmeasured') {
    const earlier = formatCounted(found.points, `earlier ${newest.kind} backup`);
    return [
      {
        kind: 'paragraph',
        text: `What is usual is not measured: ${earlier}, and ${neededPoints} are needed.`,
      },
    ];
  }
  return [
    {
      kind: 'table',
      columns: [
        { title: `of ${found.points} earlier ${newest.kind} backups` },
        { title: 'median', align: 'right' },
        { title: 'usual at least', align: 'right' },
        { title: 'at most', align: 'right' },
        { title: 'newest', align: 'right' },
      ],
      rows: found.trends.map(({ measure, value, median, least, most }) => {
        const [title, format] = trendFormats[measure];
        return [title, ...[median, Math.max(0, least), most, value].map(format)];
      }),
    },
  ];
}

const bars = '▁▂▃▄▅▆▇█';

/** Draws bars from zero to the largest value, so that a tenth less looks like a tenth less. */
export function drawBars(values: readonly number[]): string {
  const most = Math.max(...values);
  return values
    .map((value) => bars[most === 0 ? 0 : Math.round((value / most) * (bars.length - 1))] ?? '')
    .join('');
}

const shownFailures = 5;

function describeFailures({ failures, at: now }: Status): Section[] {
  if (failures.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'failed (UTC)', code: true }, { title: 'ago', align: 'right' }, { title: 'what' }],
      rows: failures
        .slice(0, shownFailures)
        .map((failure) => [
          formatTime(failure.at),
          formatAge(Math.max(0, now.getTime() - failure.at.getTime())),
          tellFailure(failure),
        ]),
    },
  ];
}

function tellFailure(failure: RecordedFailure): string {
  switch (failure.kind) {
    case 'damage':
      return `validate found damage in ${failure.damaged.join(', ')}`;
    case 'drill':
      return `drill of ${failure.backup} failed: ${failure.why ?? 'the reason was not recorded'}`;
    case 'slow-drill':
      return `drill of ${failure.backup} took ${formatDuration(failure.took)}, and its target is ${formatDuration(failure.target)}`;
    case 'restore':
      return `restore of ${failure.backup} into ${failure.target}: ${failure.why ?? 'it differs from the backup'}`;
    case 'run':
      return `${failure.operation}: ${failure.message}`;
  }
}
