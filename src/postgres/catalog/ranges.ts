import { quoteIdentifier, quoteQualified } from '../identifier.ts';
import type { TableInfo } from './tables.ts';

/** Rows of one table that one COPY reads: all rows, or those in pages `from … to`. */
export interface RowRange {
  readonly table: TableInfo;
  /** page, inclusive */
  readonly from: number;
  /** page, exclusive; null: to the end, however far the table has grown */
  readonly to: number | null;
}

/**
 * What one worker reads into objects of its own: some ranges of a large table, or many tiny tables of one
 * schema.
 */
export interface CopyJob {
  readonly rowRanges: readonly RowRange[];
  /** expected bytes, for the order of jobs and for progress */
  readonly weight: number;
}

const pageSize = 8192;

/** bytes; a smaller table shares an object with its neighbours */
const tinyTable = 1024 * 1024;

/** Tables read in one round trip. */
const tablesPerJob = 250;

/**
 * bytes that the ranges of one job fill together. Larger objects save no time; with a quarter of this size, a
 * backup took 7 % longer.
 */
const sharedBytes = 16 * 1024 * 1024;

/** bytes; smaller ranges would be too many for a manifest, and a larger one would not fit one object */
const [smallestRange, largestRange] = [2 * 1024 * 1024, sharedBytes];

/** Ranges per table, as long as their size is between the two above. */
const rangesPerTable = 256;

/**
 * Cuts a table from page `first` into half-open page ranges without gaps. The last range is open-ended,
 * because the table's size is only an estimate of its end. An incremental backup takes or leaves a range as a
 * whole, so its size is a share of the table's (measurements: docs/incremental.md). Sizes are heap plus
 * TOAST: a table of few pages may store nearly all its bytes out of line.
 *
 * @param target bytes per range
 */
export function planRanges(table: TableInfo, first = 0, target = chooseRangeSize(table)): RowRange[] {
  const whole = Math.max(1, Math.ceil(table.heapBytes / pageSize));
  const pages = Math.max(0, whole - first);
  const weight = (weigh(table) * pages) / whole;
  const count = table.heap ? Math.max(1, Math.min(pages, Math.round(weight / target))) : 1;
  const step = Math.ceil(pages / count);
  return Array.from({ length: count }, (_, index) => first + index * step)
    .filter((from) => from === first || from < whole)
    .map((from, index, starts) => ({ table, from, to: starts[index + 1] ?? null }));
}

/** bytes */
function chooseRangeSize(table: TableInfo): number {
  return Math.min(largestRange, Math.max(smallestRange, weigh(table) / rangesPerTable));
}

/**
 * Gathers ranges into jobs, the heaviest first, so that no worker is left with a large job at the end. Ranges
 * of one table are read together into one object, and so are tiny tables of one schema.
 */
export function planJobs(rowRanges: readonly RowRange[]): CopyJob[] {
  const jobs: CopyJob[] = [];
  for (const group of Map.groupBy(rowRanges, shareKey).values()) {
    let together: RowRange[] = [];
    let weight = 0;
    for (const rowRange of group) {
      const more = estimateBytes(rowRange);
      if (together.length === tablesPerJob || (together.length > 0 && weight + more > sharedBytes)) {
        jobs.push({ rowRanges: together, weight });
        together = [];
        weight = 0;
      }
      together.push(rowRange);
      weight += more;
    }
    jobs.push({ rowRanges: together, weight });
  }
  return jobs.sort((one, other) => other.weight - one.weight);
}

/** Ranges with the same key may share an object. */
function shareKey(rowRange: RowRange): string {
  const tiny = isWholeTable(rowRange) && estimateBytes(rowRange) < tinyTable;
  return tiny ? `tiny ${rowRange.table.schema}` : `table ${rowRange.table.oid}`;
}

function weigh(table: TableInfo): number {
  return table.heapBytes + table.toastBytes;
}

/** Pages of the range, as far as the table's size is known. */
export function countPages({ table, from, to }: RowRange): number {
  return Math.max(0, (to ?? Math.ceil(table.heapBytes / pageSize)) - from);
}

/** bytes on disk, expected */
export function estimateBytes(rowRange: RowRange): number {
  const pages = Math.max(1, Math.ceil(rowRange.table.heapBytes / pageSize));
  return isWholeTable(rowRange)
    ? weigh(rowRange.table)
    : (weigh(rowRange.table) * countPages(rowRange)) / pages;
}

export function isWholeTable(rowRange: RowRange): boolean {
  return rowRange.from === 0 && rowRange.to === null;
}

/**
 * The COPY statement for the rows of a range. A table without columns has no column list: its rows are empty
 * lines.
 */
export function copyStatement(rowRange: RowRange): string {
  const { table } = rowRange;
  const name = quoteQualified(table.schema, table.name);
  const columns = table.columns.map(quoteIdentifier).join(', ');
  if (isWholeTable(rowRange)) return `COPY ${name}${columns === '' ? '' : ` (${columns})`} TO STDOUT`;
  const until = rowRange.to === null ? '' : ` AND ctid < '(${rowRange.to},0)'`;
  return `COPY (SELECT ${columns} FROM ONLY ${name} WHERE ctid >= '(${rowRange.from},0)'${until}) TO STDOUT`;
}
