import { describeEntry } from '../../postgres/client/table-of-contents.ts';
import { formatBytes, formatCount, formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { RestoreScope } from '../../restorer/scope.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { describeNotCarried, describeNotes, describeOmitted } from '../sections/omissions.ts';

const shownTables = 20;

/** Lists restored tables, the largest first. */
export function describeLargest({ tables }: RestoreScope): Section {
  const largest = tables.toSorted((one, other) => other.bytes - one.bytes).slice(0, shownTables);
  return {
    kind: 'table',
    columns: [
      { title: largest.length < tables.length ? `the ${shownTables} largest tables` : 'table' },
      { title: 'rows', align: 'right' },
      { title: 'bytes', align: 'right' },
    ],
    rows: largest.map((table) => [writePattern(table), formatCount(table.rows), formatBytes(table.bytes)]),
  };
}

export function describeActs({ acting }: RestoreScope): Section[] {
  return acting === undefined ? [] : [{ kind: 'paragraph', text: acting }];
}

export function describeReplay({ replayed }: RestoreScope): Section[] {
  if (replayed === undefined) return [];
  const { until, transactions, changes, tables, lastCommitAt, endedBefore } = replayed;
  const amount =
    transactions === 0
      ? 'nothing was committed in between'
      : `${formatCounted(changes, 'change')} of ${formatCounted(transactions, 'transaction')} in ${formatCounted(tables, 'table')}, the last committed at ${lastCommitAt}`;
  const next = endedBefore === null ? '' : `; the next transaction, of ${endedBefore}, was left out`;
  return [{ kind: 'paragraph', text: `Brought to ${until}: ${amount}${next}.` }];
}

/** Tells how much is restored, in words. */
export function describeAmount({ tables, selection }: RestoreScope): string {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  return `${formatCounted(tables.length, 'table')} with ${formatCounted(rows, 'row')} (${formatBytes(bytes)}), by ${formatCounted(selection.entries.length, 'entry', 'entries')} of the archive`;
}

/**
 * Lists what differs from the source without loss, what was left out, and what the restore or the backup does
 * not carry.
 */
export function describeOmissions({ manifest, selection, notCarried, notes }: RestoreScope): Section[] {
  const sections: Section[] = describeNotes(notes);
  if (selection.leftOut.length > 0 || selection.definitionsOnly.length > 0) {
    sections.push(
      { kind: 'paragraph', text: 'Left out, because something it needs is not restored:' },
      {
        kind: 'table',
        columns: [{ title: 'left out' }, { title: 'because of' }],
        rows: [
          ...selection.leftOut.map(({ entry, needs }) => [describeEntry(entry), describeEntry(needs)]),
          ...selection.definitionsOnly.map((entry) => [
            `rows of ${describeEntry(entry)}`,
            'only its definition is needed',
          ]),
        ],
      },
    );
  }
  return [
    ...sections,
    ...describeOmitted('Not brought by this restore:', notCarried),
    ...describeNotCarried(manifest),
  ];
}
