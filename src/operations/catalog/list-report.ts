import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCount, formatCounted, formatShare } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { formatTime, formatTimeWithZone } from '../../report/time.ts';
import type { BackupSummary } from '../../repository/backups/catalog.ts';
import { formatWindow, isInterval } from '../../repository/changes/windows.ts';
import type { RetentionDecision } from '../../repository/retention/policy.ts';
import { describeReasons } from '../sections/reasons.ts';
import { describeDrilled, describeVerification } from '../sections/verification.ts';
import type { BackupList } from './result.ts';

export function describeList({ location, decisions, damaged, recoverable }: BackupList): Outcome {
  return {
    exitCode: damaged.length === 0 ? 0 : 3,
    found: tellDamaged(damaged),
    outputs: {
      backups: decisions.length,
      damaged: damaged.length,
      list: JSON.stringify(decisions.map(toPlainObject)),
    },
    report: [
      {
        kind: 'heading',
        text: `Backups in ${location}: ${summarize(decisions, damaged)}`,
        tone: damaged.length > 0 ? 'bad' : decisions.length === 0 ? 'warning' : 'good',
      },
      ...describeDamaged(damaged),
      ...(decisions.length === 0 ? describeNone(damaged) : describeBackups(decisions)),
      ...describeWindows(recoverable),
      ...(decisions.length === 0 ? [] : [describeReasons(decisions), describeMore(decisions)]),
    ],
  };
}

function summarize([newest, ...older]: BackupList['decisions'], damaged: BackupList['damaged']): string {
  const count = newest === undefined ? 'none' : formatCount(older.length + 1);
  const age = newest === undefined ? '' : `, the newest of ${formatTimeWithZone(newest.backup.snapshotAt)}`;
  return `${count}${age}${damaged.length === 0 ? '' : `, and ${formatCounted(damaged.length, 'DAMAGED manifest')}`}`;
}

/** Returns the fields of a backup for scripts. Times become ISO 8601 in UTC. */
function toPlainObject({ backup, keep, reasons }: RetentionDecision<BackupSummary>): object {
  const { totals } = backup;
  return {
    id: backup.id,
    kind: backup.kind,
    purpose: backup.purpose,
    label: backup.label,
    snapshotAt: backup.snapshotAt,
    startedAt: backup.startedAt,
    finishedAt: backup.finishedAt,
    base: backup.base,
    fullBecause: backup.fullBecause,
    serverVersion: backup.serverVersion,
    encrypted: backup.encrypted,
    rows: totals.rows,
    bytes: totals.bytes,
    storedBytes: totals.stored,
    newBytes: totals.added,
    pinned: backup.pinned,
    verifiedAt: backup.verifiedAt,
    damagedAt: backup.damagedAt,
    drilled: backup.drilled,
    keep,
    reasons,
  };
}

function describeNone(damaged: BackupList['damaged']): Section[] {
  const text =
    damaged.length === 0 ? 'There are no backups yet: run `backup`.' : 'There is no backup that can be read.';
  return [{ kind: 'paragraph', text }];
}

function describeBackups(decisions: BackupList['decisions']): Section[] {
  const leaving = decisions.filter(({ keep }) => !keep).length;
  return [
    {
      kind: 'table',
      columns: [
        { title: 'id', code: true },
        { title: 'taken (UTC)', code: true },
        { title: 'kind' },
        { title: 'rows', align: 'right' },
        { title: 'proven' },
        { title: 'kept' },
        { title: 'label' },
      ],
      rows: decisions.map(({ backup, keep }) => [
        backup.id,
        formatTime(backup.snapshotAt),
        backup.purpose === 'safety' ? `${backup.kind}, safety` : backup.kind,
        formatCount(backup.totals.rows),
        tellProof(backup),
        backup.pinned ? 'pinned' : keep ? 'yes' : 'no',
        backup.label ?? '',
      ]),
    },
    {
      kind: 'paragraph',
      text:
        leaving === 0
          ? `${formatCounted(decisions.length, 'backup')}; a cleanup with this retention would remove none.`
          : `${formatCounted(decisions.length, 'backup')}; a cleanup with this retention would remove ${formatCount(leaving)}.`,
    },
  ];
}

/** How many windows of recoverable times are named, the newest */
const shownWindows = 5;

/** Names the windows of recoverable times; nothing if no changes were ever captured. */
function describeWindows({ windows, captured }: BackupList['recoverable']): Section[] {
  if (!captured) return [];
  const intervals = windows.filter(isInterval);
  const shown = intervals.slice(-shownWindows).toReversed();
  const more = intervals.length - shown.length;
  const text =
    shown.length === 0
      ? 'The captured changes fit none of these backups: only the backups themselves can be brought back.'
      : `Any point in time can be recovered from ${shown.map(formatWindow).join(', and from ')}${more > 0 ? `, and in ${formatCounted(more, 'older stretch', 'older stretches')}` : ''}.`;
  return [{ kind: 'paragraph', text }];
}

/** How a backup was proven last, and on which day */
function tellProof({ damagedAt, drilled, verifiedAt }: BackupSummary): string {
  const dayOf = (time: Date) => formatTime(time).slice(0, 10);
  if (damagedAt) return 'DAMAGED';
  if (drilled) return `${drilled.passed ? 'drilled' : 'FAILED its drill'} ${dayOf(drilled.at)}`;
  return verifiedAt ? `verified ${dayOf(verifiedAt)}` : 'no';
}

/** What a row of the list has no room for */
function describeMore(decisions: BackupList['decisions']): Section {
  return {
    kind: 'details',
    title: 'Sizes and proofs of each backup',
    sections: [
      {
        kind: 'table',
        columns: [
          { title: 'id', code: true },
          { title: 'size', align: 'right' },
          { title: 'stored', align: 'right' },
          { title: 'reused', align: 'right' },
          { title: 'encrypted' },
          { title: 'verified (UTC)' },
          { title: 'drilled (UTC)' },
        ],
        rows: decisions.map(({ backup }) => [
          backup.id,
          formatBytes(backup.totals.bytes),
          formatBytes(backup.totals.stored),
          describeReuse(backup),
          backup.encrypted ? 'yes' : 'no',
          describeVerification(backup),
          describeDrilled(backup.drilled),
        ]),
      },
    ],
  };
}

/**
 * Formats the share of the stored bytes that were in the repository before. What was lost and stored again
 * counts as new.
 */
function describeReuse({ totals }: BackupSummary): string {
  return formatShare(Math.max(totals.stored - totals.added, 0), totals.stored);
}

function tellDamaged([first, ...others]: BackupList['damaged']): string | undefined {
  if (first === undefined) return undefined;
  const more = others.length === 0 ? '' : `, and ${formatCounted(others.length, 'more', 'more')}`;
  return `${first.id}: ${first.message}${more}`;
}

function describeDamaged(damaged: BackupList['damaged']): Section[] {
  if (damaged.length === 0) return [];
  return [
    {
      kind: 'paragraph',
      text: 'These manifests are damaged, or were not written with the key of this repository. Their backups cannot be restored:',
    },
    {
      kind: 'table',
      columns: [{ title: 'id', code: true }, { title: 'how' }],
      rows: damaged.map(({ id, message }) => [id, message]),
    },
  ];
}
