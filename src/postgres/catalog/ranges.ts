import { quoteIdentifier, quoteQualified } from '../identifier.ts';
import type { TableInfo } from './tables.ts';

/** Rows of one table that one COPY reads: all rows, or those in pages `from … to`. */
export interface Slice {
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
  readonly slices: readonly Slice[];
  /** expected bytes, for the order of jobs and for progress */
  readonly weight: number;
}

const pageSize = 8192;

/** bytes; a smaller table shares an object with its neighbours */
const tinyTable = 1024 * 1024;

/** Tables read in one round trip. */
const tablesPerJob = 250;

/**
 * bytes that the slices of one job fill together. Larger objects save no time; with a quarter of this size, a
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
export function planRanges(table: TableInfo, first = 0, target = chooseRangeSize(table)): Slice[] {
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
 * Gathers slices into jobs, the heaviest first, so that no worker is left with a large job at the end. Ranges
 * of one table are read together into one object, and so are tiny tables of one schema.
 */
export function planJobs(slices: readonly Slice[]): CopyJob[] {
  const jobs: CopyJob[] = [];
  for (const group of Map.groupBy(slices, shareKey).values()) {
    let together: Slice[] = [];
    let weight = 0;
    for (const slice of group) {
      const more = weighSlice(slice);
      if (together.length === tablesPerJob || (together.length > 0 && weight + more > sharedBytes)) {
        jobs.push({ slices: together, weight });
        together = [];
        weight = 0;
      }
      together.push(slice);
      weight += more;
    }
    jobs.push({ slices: together, weight });
  }
  return jobs.sort((one, other) => other.weight - one.weight);
}

/** Slices with the same key may share an object. */
function shareKey(slice: Slice): string {
  const tiny = isWholeTable(slice) && weighSlice(slice) < tinyTable;
  return tiny ? `tiny ${slice.table.schema}` : `table ${slice.table.oid}`;
}

function weigh(table: TableInfo): number {
  return table.heapBytes + table.toastBytes;
}

/** Pages of the slice, as far as the table's size is known. */
export function countPages({ table, from, to }: Slice): number {
  return Math.max(0, (to ?? Math.ceil(table.heapBytes / pageSize)) - from);
}

/** bytes on disk, expected */
export function weighSlice(slice: Slice): number {
  const pages = Math.max(1, Math.ceil(slice.table.heapBytes / pageSize));
  return isWholeTable(slice) ? weigh(slice.table) : (weigh(slice.table) * countPages(slice)) / pages;
}

export function isWholeTable(slice: Slice): boolean {
  return slice.from === 0 && slice.to === null;
}

/**
 * The COPY statement for the rows of a slice. A table without columns has no column list: its rows are empty
 * lines.
 */
export function copyStatement(slice: Slice): string {
  const { table } = slice;
  const name = quoteQualified(table.schema, table.name);
  const columns = table.columns.map(quoteIdentifier).join(', ');
  if (isWholeTable(slice)) return `COPY ${name}${columns === '' ? '' : ` (${columns})`} TO STDOUT`;
  const until = slice.to === null ? '' : ` AND ctid < '(${slice.to},0)'`;
  return `COPY (SELECT ${columns} FROM ONLY ${name} WHERE ctid >= '(${slice.from},0)'${until}) TO STDOUT`;
}
