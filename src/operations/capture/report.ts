import type { Outcome } from '../../interface/outcome.ts';
import { qualifiedName } from '../../postgres/catalog/tables.ts';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import type { CopyOutcome } from '../../repository/copies/outcome.ts';
import type { Slot } from '../../source/changes/slot.ts';
import { describeCopies, tellCopies } from '../sections/copies.ts';
import { describeTakenBackup, tellTakenBackup } from '../sections/taken-backup.ts';
import { type Captured, type CaptureResult, isWhole } from './result.ts';

const shownTables = 10;

export function describeCapture(result: CaptureResult, copies: readonly CopyOutcome[] = []): Outcome {
  const { segments, slot, from, addedBytes, elapsed, ending } = result;
  const taken = ending.kind === 'backed-up' ? ending.taken : undefined;
  // Only a capture that drops the slot may store no segment; any other stores at least the time.
  const last = segments.at(-1);
  const [transactions, changes] = [sumOf(segments, 'transactions'), sumOf(segments, 'changes')];
  return {
    exitCode: isWhole(result) ? 0 : 3,
    found: result.lost,
    outputs: {
      transactions,
      changes,
      'captured-through': last?.through ?? result.throughBefore ?? '',
      'new-bytes': addedBytes + (taken?.addedBytes ?? 0),
      'lag-bytes': slot.retainedBytes,
      barrier: last?.barrier ?? '',
      'lost-changes': result.lost ?? '',
      'backup-id': taken?.manifest.id ?? '',
      ...(copies.length === 0 ? {} : { copies: tellCopies(copies) }),
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    ...(taken === undefined ? {} : { taken: tellTakenBackup(taken) }),
    report: [
      { kind: 'heading', text: summarize(result), tone: isWhole(result) ? 'good' : 'bad' },
      ...describeLoss(result),
      { kind: 'paragraph', text: tellEnding(result) },
      {
        kind: 'table',
        columns: [{ title: 'what' }, { title: 'value', align: 'right' }],
        rows: [
          ['transactions', formatCount(transactions)],
          ['rows changed', formatCount(changes)],
          ['log', `${slot.name}: ${from} to ${last?.to ?? from}`],
          ['held by the slot before', describeHeld(slot)],
          ['stored', `${formatBytes(addedBytes)} in ${formatCounted(segments.length, 'segment')}`],
          ['encrypted', result.isEncrypted ? 'age' : 'no'],
          ['duration', formatDuration(elapsed)],
        ],
      },
      ...describeTables(segments),
      ...describeUncovered(segments),
      ...describeKeyless(result),
      ...(taken === undefined ? [] : describeTakenBackup(taken)),
      ...describeCopies(copies),
    ],
  };
}

/** The verdict: how far it came, and how much that was */
function summarize({ segments, lost }: CaptureResult): string {
  const last = segments.at(-1);
  const broken = lost === undefined ? '' : '; CHANGES ARE LOST';
  if (last === undefined) return `Nothing captured${broken}`;
  const changes = formatCounted(sumOf(segments, 'changes'), 'changed row');
  const transactions = formatCounted(sumOf(segments, 'transactions'), 'transaction');
  return `Captured through ${last.through}: ${changes} of ${transactions}${broken}`;
}

function sumOf(segments: readonly Segment[], what: 'transactions' | 'changes'): number {
  return segments.reduce((sum, segment) => sum + segment[what], 0);
}

function describeHeld({ retainedBytes, safeBytes }: Slot): string {
  if (safeBytes === null) return `${formatBytes(retainedBytes)}, without a limit`;
  return `${formatBytes(retainedBytes)}; the server gives up after ${formatBytes(Math.max(0, safeBytes))} more`;
}

function describeLoss({ lost }: Captured): Section[] {
  if (lost === undefined) return [];
  const text =
    `CHANGES ARE LOST: ${lost}. What was committed since the capture before is in no segment; points in time between then and ` +
    'the next backup cannot be recovered to.';
  return [{ kind: 'paragraph', text }];
}

function tellEnding({ ending, segments }: CaptureResult): string {
  switch (ending.kind) {
    case 'dropped':
      return 'The slot is dropped: from now on nothing is captured. What was captured stays.';
    case 'reached':
      return `It can be replayed on backup ${ending.base}.`;
    case 'backed-up': {
      const why = segments.at(-1)?.barrier;
      return why == null
        ? 'No backup could be brought to the end of it, so one was taken.'
        : `Older backups cannot be brought past this capture (${why}), so a new one was taken. Points in time between the last capture and now are not reachable.`;
    }
  }
}

function describeTables(segments: readonly Segment[]): Section[] {
  const sums = new Map<
    string,
    { name: string; inserts: number; updates: number; deletes: number; truncates: number }
  >();
  for (const table of segments.flatMap((segment) => segment.tables)) {
    const name = qualifiedName(table);
    const sum = sums.get(name) ?? { name, inserts: 0, updates: 0, deletes: 0, truncates: 0 };
    for (const kind of ['inserts', 'updates', 'deletes', 'truncates'] as const) sum[kind] += table[kind];
    sums.set(name, sum);
  }
  if (sums.size === 0) return [];
  const changesOf = (sum: { inserts: number; updates: number; deletes: number }) =>
    sum.inserts + sum.updates + sum.deletes;
  const sorted = [...sums.values()].sort((one, other) => changesOf(other) - changesOf(one));
  const more = sorted.length - shownTables;
  return [
    {
      kind: 'table',
      columns: [
        { title: more > 0 ? 'most changed tables' : 'table' },
        { title: 'inserts', align: 'right' },
        { title: 'updates', align: 'right' },
        { title: 'deletes', align: 'right' },
      ],
      rows: sorted
        .slice(0, shownTables)
        .map(({ name, inserts, updates, deletes, truncates }) => [
          truncates > 0 ? `${name} (truncated)` : name,
          ...[inserts, updates, deletes].map(formatCount),
        ]),
    },
  ];
}

/** Reported each time: at a restore it would be too late to learn of these tables. */
function describeKeyless({ keyless, segments }: Captured): Section[] {
  if (keyless.length === 0 || segments.some(({ uncovered }) => uncovered.length > 0)) return [];
  const more = keyless.length > shownTables ? `, and ${keyless.length - shownTables} more` : '';
  const text =
    `Updates and deletes of these could not be brought back, for the server would not say which rows they were: ` +
    `${keyless.slice(0, shownTables).join(', ')}${more}. Give each a primary key that is not deferrable, or ALTER TABLE … REPLICA IDENTITY FULL.`;
  return [{ kind: 'paragraph', text }];
}

function describeUncovered(segments: readonly Segment[]): Section[] {
  const named = new Map(
    segments.flatMap(({ uncovered }) => uncovered.map((table) => [qualifiedName(table), table.why])),
  );
  if (named.size === 0) return [];
  const list = [...named].map(([name, why]) => `${name} (${why})`).join(', ');
  const text =
    `Not covered: ${list}. Rows of them were updated or deleted, and the server does not say which; a recovery leaves them as the ` +
    'backup has them. Give each a primary key that is not deferrable, or ALTER TABLE … REPLICA IDENTITY FULL.';
  return [{ kind: 'paragraph', text }];
}
