import type { Manifest } from '../../format/manifest.ts';
import type { Outcome } from '../../interface/outcome.ts';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
} from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { TableChoice } from '../../source/incremental/range-choice.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { describeNotCarried } from '../sections/omissions.ts';
import type { BackupResult } from './result.ts';

type Plan = BackupResult['plan'];

const shownTables = 10;

export function describeBackup({ manifest, plan, addedBytes, elapsed }: BackupResult): Outcome {
  const { rows, bytes, stored } = manifest.totals;
  const reusedBytes = plan.choices.reduce((sum, choice) => sum + sumReused(choice), 0);
  const read = bytes - reusedBytes - (reusesArchive(manifest, plan) ? manifest.archive.bytes : 0);
  const rowBytes = manifest.tables.reduce((sum, table) => sum + table.bytes, 0);
  const { encryption } = manifest;
  return {
    exitCode: plan.mismatches.length === 0 ? 0 : 3,
    outputs: {
      'backup-id': manifest.id,
      'backup-type': manifest.kind,
      tables: manifest.tables.length,
      rows,
      bytes,
      'stored-bytes': stored,
      'new-bytes': addedBytes,
      'base-id': manifest.base ?? '',
      'reused-share': rowBytes === 0 ? 0 : Math.round((reusedBytes / rowBytes) * 10_000) / 10_000,
      objects: manifest.objects.length,
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    report: [
      { kind: 'heading', text: `Backup ${manifest.id}` },
      {
        kind: 'table',
        columns: [{ title: 'what' }, { title: '', align: 'right' }],
        rows: [
          ['kind', manifest.kind],
          ...(manifest.base === null ? [] : [['built upon', manifest.base]]),
          ['snapshot', manifest.source.snapshotAt],
          ['tables', formatCount(manifest.tables.length)],
          ['rows', formatCount(rows)],
          ['read', `${formatBytes(read)} (${formatRate(read, elapsed)})`],
          ...(manifest.base === null ? [] : [['unchanged, not read', formatBytes(reusedBytes)]]),
          ['stored', `${formatBytes(stored)} in ${formatCounted(manifest.objects.length, 'object')}`],
          ['new in the repository', formatBytes(addedBytes)],
          [
            'encrypted',
            encryption.scheme === 'age'
              ? `age, ${formatCounted(encryption.recipients.length, 'recipient')}`
              : 'no',
          ],
          ['duration', formatDuration(elapsed)],
        ],
      },
      ...describeMismatches(plan),
      ...(manifest.fullBecause === null
        ? []
        : [{ kind: 'paragraph' as const, text: `Everything was read: ${manifest.fullBecause}.` }]),
      ...(manifest.base === null ? describeTables(manifest) : describeChoices(manifest, plan)),
      ...describeNotCarried(manifest),
    ],
  };
}

function sumReused(choice: TableChoice): number {
  return choice.reused.flatMap((slice) => slice.pieces).reduce((sum, piece) => sum + piece.length, 0);
}

/** pg_dump writes the time into an archive, so two of the same content are one. */
function reusesArchive(manifest: Manifest, { base }: Plan): boolean {
  const namesOf = ({ archive, objects }: Manifest) =>
    archive.objects.map((index) => objects[index]?.name).join();
  return base !== undefined && namesOf(base) === namesOf(manifest);
}

function describeMismatches({ mismatches }: Plan): Section[] {
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

/** What an incremental backup read and what it did not, the tables of which it read most first. */
function describeChoices(manifest: Manifest, plan: Plan): Section[] {
  const entries = new Map(manifest.tables.map((table) => [table.oid, table]));
  const rows = plan.choices
    .map((choice) => {
      const bytes = entries.get(choice.table.oid)?.bytes ?? 0;
      const reused = sumReused(choice);
      return { choice, bytes, reused, read: bytes - reused };
    })
    .sort((one, other) => other.read - one.read || other.bytes - one.bytes);
  const shown = rows.slice(0, shownTables);
  const changed = rows.filter(({ choice }) => choice.read.length > 0).length;
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
      rows: shown.map(({ choice, read, reused }) => [
        writePattern(choice.table),
        formatBytes(read),
        formatBytes(reused),
        choice.why ?? 'unchanged',
      ]),
    },
  ];
}

function describeTables({ tables }: Manifest): Section[] {
  if (tables.length === 0) return [];
  const largest = tables.toSorted((one, other) => other.bytes - one.bytes).slice(0, shownTables);
  return [
    {
      kind: 'table',
      columns: [
        { title: largest.length < tables.length ? `the ${shownTables} largest tables` : 'table' },
        { title: 'rows', align: 'right' },
        { title: 'bytes', align: 'right' },
        { title: 'ranges', align: 'right' },
      ],
      rows: largest.map((table) => [
        writePattern(table),
        formatCount(table.rows),
        formatBytes(table.bytes),
        formatCount(table.ranges.length),
      ]),
    },
  ];
}
