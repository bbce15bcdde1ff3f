import { qualifiedName } from '../postgres/tables.ts';
import { formatBytes, formatCount, formatCounted, formatDuration, formatRate } from '../report/quantity.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { ObjectWriter } from '../repository/objects.ts';
import type { Outcome, Section } from './outcome.ts';

const shownTables = 10;

/** @param elapsed milliseconds */
export function describeBackup(manifest: Manifest, writer: ObjectWriter, elapsed: number): Outcome {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes = manifest.objects.reduce((sum, object) => sum + object.bytes, 0);
  const stored = manifest.objects.reduce((sum, object) => sum + object.stored, 0);
  const { encryption } = manifest;
  return {
    exitCode: 0,
    outputs: {
      'backup-id': manifest.id,
      'backup-type': manifest.kind,
      tables: manifest.tables.length,
      rows,
      bytes,
      'stored-bytes': stored,
      'new-bytes': writer.addedBytes,
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
          ['snapshot', manifest.source.snapshotAt],
          ['tables', formatCount(manifest.tables.length)],
          ['rows', formatCount(rows)],
          ['read', `${formatBytes(bytes)} (${formatRate(bytes, elapsed)})`],
          ['stored', `${formatBytes(stored)} in ${formatCounted(manifest.objects.length, 'object')}`],
          ['new in the repository', formatBytes(writer.addedBytes)],
          [
            'encrypted',
            encryption.scheme === 'age'
              ? `age, ${formatCounted(encryption.recipients.length, 'recipient')}`
              : 'no',
          ],
          ['duration', formatDuration(elapsed)],
        ],
      },
      ...describeTables(manifest),
      ...describeNotCarried(manifest),
    ],
  };
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
        qualifiedName(table),
        formatCount(table.rows),
        formatBytes(table.bytes),
        formatCount(table.ranges.length),
      ]),
    },
  ];
}

/** What could not be taken along, and what to do about it. */
export function describeNotCarried({ notCarried }: Manifest): Section[] {
  if (notCarried.length === 0) return [];
  return [
    { kind: 'paragraph', text: 'Not in this backup:' },
    {
      kind: 'table',
      columns: [{ title: 'what' }, { title: 'why' }, { title: 'remedy' }],
      rows: notCarried.map((item) => [item.what, item.why, item.remedy]),
    },
  ];
}
