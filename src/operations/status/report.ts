import type { StatusInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { formatTime } from '../../report/time.ts';
import type { ShelvedBackup } from '../../repository/backups/catalog.ts';
import {
  type Failure,
  type Gap,
  gapWindow,
  measurePoint,
  type Shrinkage,
} from '../../repository/backups/findings.ts';
import {
  type BackupStanding,
  type JudgedLimit,
  judgeLimits,
  measureAges,
} from '../../repository/backups/freshness.ts';
import { formatWindow, isStretch, type Recoverable } from '../../repository/changes/windows.ts';
import type { StoredRecord } from '../../repository/records.ts';
import { describeLimits, formatAge, tellAges, tellShrinkage } from '../sections/limits.ts';

export interface StatusFacts {
  readonly inputs: StatusInputs;
  readonly location: string;
  readonly standing: BackupStanding;
  readonly recoverable: Recoverable;
  /** bytes */
  readonly stored: number;
  /** Ids of backups that were there, and that are gone without a cleanup */
  readonly vanished: readonly string[];
  /** The last cleanup */
  readonly prune: StoredRecord<'prunes'> | undefined;
  /** Newest first */
  readonly failures: readonly Failure[];
  readonly gap: Gap | undefined;
  readonly shrinkage: Shrinkage | undefined;
  readonly now: Date;
}

export function describeStatus(facts: StatusFacts): Outcome {
  const { inputs, location, standing, now } = facts;
  const { windows } = facts.recoverable;
  const ages = measureAges(standing, now);
  const point = measurePoint(windows, ages.newest, now);
  const judged = judgeLimits({ ...ages, newest: point }, inputs);
  const broken = judged.filter(({ met }) => !met);
  const verdict = broken.length === 0 ? 'healthy' : 'broken';
  return {
    exitCode: broken.length === 0 ? 0 : 3,
    outputs: {
      'backup-id': standing.usable[0]?.id ?? '',
      status: verdict,
      ...tellAges(ages),
      ...tellWindow(facts.recoverable),
    },
    report: [
      { kind: 'heading', text: `Backups in ${location}: ${verdict.toUpperCase()}` },
      describeJudged(judged, point !== ages.newest),
      ...listWarnings(facts).map((text) => ({ kind: 'paragraph' as const, text: `WARNING: ${text}` })),
      describeShelf(facts),
      ...describeWindows(facts),
      ...describeTrend(standing.usable),
      ...describeFailures(facts),
    ],
  };
}

/** For scripts; `to` is in the newest window, and `from` is where that begins. */
function tellWindow({ windows, captured }: Recoverable): Record<string, string> {
  const newest = windows.at(-1);
  return {
    'recoverable-from': captured ? (newest?.from ?? '') : '',
    'recoverable-to': newest?.to ?? '',
  };
}

/** @param isCaptured whether captured changes lead to a newer point than the newest backup does */
function describeJudged(judged: readonly JudgedLimit[], isCaptured: boolean): Section {
  const section = describeLimits([...judged]);
  if (!isCaptured || section.kind !== 'table') return section;
  const rows = section.rows.map(([input = '', what = '', ...rest]) => [
    input,
    input === 'max-age' ? 'age of the newest point to go back to' : what,
    ...rest,
  ]);
  return { ...section, rows };
}

/** What breaks no limit, and should be looked at. */
function listWarnings(facts: StatusFacts): string[] {
  const { standing, shrinkage, recoverable, vanished, prune, inputs, now } = facts;
  const hidden = prune?.content.hidden;
  const { shelf, drills } = standing;
  const unreadable = shelf.damaged.map(({ id }) => id);
  const damaged = shelf.backups.filter(({ damagedAt }) => damagedAt !== null).map(({ id }) => id);
  const lastDrill = drills.at(-1)?.content;
  const plain = shelf.backups.filter(({ encrypted }) => !encrypted).map(({ id }) => id);
  const [newest] = standing.usable;
  const age = newest === undefined ? 0 : now.getTime() - newest.snapshotAt.getTime();
  return [
    ...(recoverable.captured && age > inputs.maxAge
      ? [
          `the newest backup is ${formatAge(age)} old, more than max-age: what came after it rests on captured changes alone.`,
        ]
      : []),
    ...(recoverable.damaged.length === 0
      ? []
      : [
          `these captured changes are damaged, and no backup can be brought past them: ${recoverable.damaged.join(', ')}.`,
        ]),
    ...(shrinkage === undefined ? [] : [tellShrinkage(shrinkage)]),
    ...(unreadable.length === 0
      ? []
      : [`these manifests are damaged, and their backups lost: ${unreadable.join(', ')}.`]),
    ...(damaged.length === 0
      ? []
      : [
          `these backups were found damaged: ${damaged.join(', ')}. A full backup stores anew what they lack.`,
        ]),
    ...(vanished.length === 0
      ? []
      : [
          `not listed any more, although no cleanup has removed them: ${vanished.join(', ')}. Somebody else has, or the listing of the storage lacks something: look below backups/ with the tools of the storage.`,
        ]),
    ...(hidden === undefined || hidden.objects === 0
      ? []
      : [
          `the bucket keeps versions: what the last cleanup removed, ${formatCounted(hidden.objects, 'object')} with ${formatBytes(hidden.bytes)}, is hidden and still paid for, until a lifecycle rule expires noncurrent versions.`,
        ]),
    ...(plain.length === 0 || plain.length === shelf.backups.length
      ? []
      : [
          `not encrypted, beside others that are: ${formatCounted(plain.length, 'backup')} of ${formatCount(shelf.backups.length)}, the newest ${plain[0]}; \`list\` shows which.`,
        ]),
    ...(lastDrill?.outcome === 'failed'
      ? [`the last drill failed, of ${lastDrill.backup}: ${lastDrill.why}`]
      : []),
  ];
}

function describeShelf(facts: StatusFacts): Section {
  const { standing, stored, prune, now } = facts;
  const { usable, verified, drilled, shelf } = standing;
  const [newest] = usable;
  const since = (time: Date) => formatAge(Math.max(0, now.getTime() - time.getTime()));
  return {
    kind: 'table',
    columns: [{ title: 'what' }, { title: '' }],
    rows: [
      ['newest backup', newest === undefined ? 'none' : describeBackup(newest, since(newest.snapshotAt))],
      [
        'last verified',
        verified === undefined
          ? 'never'
          : `${verified.id}, ${since(verified.at)} ago (${formatTime(verified.at)} UTC)`,
      ],
      [
        'last drill that passed',
        drilled === undefined
          ? 'never'
          : `${drilled.id}, ${since(drilled.at)} ago (${formatTime(drilled.at)} UTC)`,
      ],
      ['recovery time of it', drilled?.recovery == null ? 'not measured' : formatDuration(drilled.recovery)],
      ['longest gap of 7 days', describeGap(facts)],
      ['backups', describeCount(standing)],
      ['stored', formatBytes(stored)],
      [
        'damaged',
        formatCount(shelf.damaged.length + shelf.backups.filter(({ damagedAt }) => damagedAt).length),
      ],
      [
        'last cleanup',
        prune === undefined
          ? 'none'
          : `${since(prune.at)} ago; removed ${formatCounted(prune.content.removed.length, 'backup')}, freed ${formatBytes(prune.content.objects.bytes)}`,
      ],
    ],
  };
}

function describeBackup({ id, kind, totals, snapshotAt, label }: ShelvedBackup, age: string): string {
  const named = label === null ? '' : `, "${label}"`;
  return `${id}, ${age} old (${formatTime(snapshotAt)} UTC), ${kind}, ${formatBytes(totals.bytes)}${named}`;
}

function describeCount({ usable, shelf }: BackupStanding): string {
  const others = shelf.backups.length - usable.length;
  const more = others === 0 ? '' : `, and ${formatCount(others)} of schemas, for safety, or damaged`;
  return `${formatCount(usable.length)} to go back to${more}`;
}

/** What retention has removed is no gap of the schedule, but it is one for whoever wants to go back there. */
function describeGap({ gap, prune, now }: StatusFacts): string {
  if (gap === undefined) return 'there is no backup';
  const to = gap.to === null ? 'now' : formatTime(gap.to);
  const cleaned =
    prune !== undefined && prune.content.removed.length > 0 && now.getTime() - prune.at.getTime() < gapWindow
      ? '; cleanups have removed backups since'
      : '';
  return `${formatAge(gap.length)}, from ${formatTime(gap.from)} to ${to}${cleaned}`;
}

/** Of points in time so many windows are shown, the newest. */
const shownWindows = 20;

/** The last seven days, newest first; nothing where no changes are captured. */
function describeWindows({ recoverable, now }: StatusFacts): Section[] {
  const { windows, captured } = recoverable;
  const begin = now.getTime() - gapWindow;
  const shown = windows.filter(({ to }) => Date.parse(to) >= begin).slice(-shownWindows);
  if (!captured || shown.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'any point in time of 7 days (UTC)' }, { title: 'and no further, because' }],
      rows: shown
        .toReversed()
        .map((window) => [
          isStretch(window) ? formatWindow(window) : `${window.from}, the backup alone`,
          window.gap ?? 'nothing was captured since',
        ]),
    },
  ];
}

const trendLength = 14;

/** People would rather look than read: a bar for each of the last backups, the newest on the right. */
function describeTrend(usable: readonly ShelvedBackup[]): Section[] {
  const backups = usable.slice(0, trendLength).toReversed();
  if (backups.length < 2) return [];
  const row = (
    title: string,
    measure: (backup: ShelvedBackup) => number,
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

const bars = '▁▂▃▄▅▆▇█';

/** From nothing to the largest value, so that a tenth less looks like a tenth less. */
export function drawBars(values: readonly number[]): string {
  const most = Math.max(...values);
  return values
    .map((value) => bars[most === 0 ? 0 : Math.round((value / most) * (bars.length - 1))] ?? '')
    .join('');
}

const shownFailures = 5;

function describeFailures({ failures, now }: StatusFacts): Section[] {
  if (failures.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'failed (UTC)' }, { title: 'ago', align: 'right' }, { title: 'what' }],
      rows: failures
        .slice(0, shownFailures)
        .map(({ at, what }) => [formatTime(at), formatAge(Math.max(0, now.getTime() - at.getTime())), what]),
    },
  ];
}
