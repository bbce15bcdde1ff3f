import type { Manifest } from '../../format/manifest.ts';
import { formatBytes, formatCount } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { writePattern } from '../../values/table-patterns.ts';

/**
 * Lists tables of a backup with their rows, bytes and ranges.
 *
 * @param title of the column with their names
 */
export function describeTables(tables: Manifest['tables'], title: string): Section {
  return {
    kind: 'table',
    columns: [
      { title },
      { title: 'rows', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'ranges', align: 'right' },
    ],
    rows: tables.map((table) => [
      writePattern(table),
      formatCount(table.rows),
      formatBytes(table.bytes),
      formatCount(table.ranges.length),
    ]),
  };
}
