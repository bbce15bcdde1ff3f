import type { Manifest } from '../../format/manifest.ts';
import type { TakenFigures } from '../../interface/outcome.ts';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
} from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Reuse } from '../../source/incremental/reuse.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { describeNotCarried } from './omissions.ts';
import { describePhases } from './phases.ts';
import { describeTables } from './tables.ts';

/** A backup as the operation that took it reports it */
export interface TakenBackup {
  readonly manifest: Manifest;
  /** Undefined when everything was read */
  readonly reuse: Reuse | undefined;
  readonly mismatches: readonly string[];
  /** Whether Vault's root key is in it; `none`: there are no secrets that need it */
  readonly rootKey: 'none' | 'carried' | 'left';
  /** stored bytes that are new in the repository */
  readonly addedBytes: number;
  /** milliseconds */
  readonly elapsed: number;
}

const shownTables = 10;

export function describeTakenBackup(taken: TakenBackup): Section[] {
  const { manifest, reuse, mismatches } = taken;
  return [
    { kind: 'heading', text: summarizeTaken(taken), tone: mismatches.length === 0 ? 'good' : 'bad' },
    { kind: 'paragraph', text: describePlace(taken) },
    describeFigures(taken),
    ...describeMismatches(taken),
    ...(manifest.fullBecause === null
      ? []
      : [{ kind: 'paragraph' as const, text: `Everything was read: ${manifest.fullBecause}.` }]),
    ...(reuse === undefined ? describeLargest(manifest) : describeReuse(reuse)),
    ...describeNotCarried(manifest),
    ...describePhases(manifest.durations),
  ];
}

const kinds: Readonly<Record<Manifest['kind'], string>> = {
  full: 'Backup',
  incremental: 'Incremental backup',
  schema: 'Backup of definitions',
};

/** The verdict: what was taken of which database, and what it comes to. */
function summarizeTaken({ manifest, mismatches, addedBytes }: TakenBackup): string {
  const { kind, source, totals, encryption } = manifest;
  const amounts = [
    ...(kind === 'schema' ? [] : [formatCounted(totals.rows, 'row')]),
    `${formatBytes(totals.stored)} stored${addedBytes < totals.stored ? `, ${formatBytes(addedBytes)} of it new` : ''}`,
    encryption.scheme === 'age' ? 'encrypted' : 'NOT encrypted',
  ];
  const doubt = mismatches.length === 0 ? '' : '; EARLIER BACKUPS ARE IN DOUBT';
  return `${kinds[kind]} of ${source.database}: ${amounts.join(', ')}${doubt}`;
}

function describePlace({ manifest }: TakenBackup): string {
  const { id, label, pin } = manifest;
  const words = [`Backup ${id}`, ...(label === null ? [] : [`"${label}"`]), ...(pin ? ['pinned'] : [])];
  return `${words.join(', ')}. Never restored yet: \`drill\` proves that it can be.`;
}

/** What the record of the run has of it. */
export function tellTakenBackup({ manifest, addedBytes }: TakenBackup): TakenFigures {
  const { rows, bytes, stored } = manifest.totals;
  return {
    ...{ type: manifest.kind, rows, bytes, storedBytes: stored, newBytes: addedBytes },
    ...{ objects: manifest.objects.length, phases: manifest.durations },
  };
}

function describeFigures({ manifest, reuse, rootKey, addedBytes, elapsed }: TakenBackup): Section {
  const { rows, bytes, stored } = manifest.totals;
  const read = bytes - (reuse?.bytes ?? 0) - (reuse?.includesArchive ? manifest.archive.bytes : 0);
  const { encryption } = manifest;
  return {
    kind: 'table',
    columns: [{ title: 'what' }, { title: 'value', align: 'right' }],
    rows: [
      ['kind', manifest.kind],
      ...(manifest.base === null ? [] : [['built upon', manifest.base]]),
      ['snapshot', manifest.source.snapshotAt],
      ['tables', formatCount(manifest.tables.length)],
      ['rows', formatCount(rows)],
      ['read', `${formatBytes(read)} (${formatRate(read, elapsed)})`],
      ...(reuse === undefined || reuse.bytes === 0
        ? []
        : [['unchanged, not read', formatBytes(reuse.bytes)]]),
      ['stored', `${formatBytes(stored)} in ${formatCounted(manifest.objects.length, 'object')}`],
      ['new in the repository', formatBytes(addedBytes)],
      [
        'encrypted',
        encryption.scheme === 'age'
          ? `age, ${formatCounted(encryption.recipients.length, 'recipient')}`
          : 'no',
      ],
      ...(rootKey === 'carried' ? [['root key of Vault', 'in it']] : []),
      ['duration', formatDuration(elapsed)],
    ],
  };
}

function describeMismatches({ mismatches }: TakenBackup): Section[] {
  if (mismatches.length === 0) return [];
  return [
    {
      kind: 'paragraph',
      text:
        'An incremental backup would have been wrong: these were read again although nothing says that they changed, and they are not ' +
        'what is stored. Everything was read for this backup, so it is sound; those before it may not be. Compare one of them with the ' +
        'database, and look for a damaged disk.',
    },
    { kind: 'table', columns: [{ title: 'differs' }], rows: mismatches.map((mismatch) => [mismatch]) },
  ];
}

/** Shows what an incremental backup read and what it reused; the tables with most to read come first. */
function describeReuse({ tables }: Reuse): Section[] {
  const rows = tables
    .map((table) => ({ ...table, read: table.bytes - table.reused }))
    .sort((one, other) => other.read - one.read || other.bytes - one.bytes);
  const shown = rows.slice(0, shownTables);
  const changed = rows.filter(({ isRead }) => isRead).length;
  return [
    {
      kind: 'paragraph',
      text: `${formatCounted(changed, 'table')} of ${formatCount(rows.length)} had something to read.`,
    },
    {
      kind: 'table',
      columns: [
        { title: shown.length < rows.length ? `the ${shownTables} tables with most to read` : 'table' },
        { title: 'read', align: 'right' },
        { title: 'reused', align: 'right' },
        { title: 'why' },
      ],
      rows: shown.map((table) => [
        writePattern(table),
        formatBytes(table.read),
        formatBytes(table.reused),
        table.why ?? 'unchanged',
      ]),
    },
  ];
}

function describeLargest({ tables }: Manifest): Section[] {
  if (tables.length === 0) return [];
  const largest = tables.toSorted((one, other) => other.bytes - one.bytes).slice(0, shownTables);
  return [
    describeTables(largest, largest.length < tables.length ? `the ${shownTables} largest tables` : 'table'),
  ];
}
