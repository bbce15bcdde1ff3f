import { quoteIdentifier, quoteQualified } from './identifier.ts';
import type { TableInfo } from './tables.ts';

/** Rows of one table that one COPY reads: all of them, or those in pages `from … to`. */
export interface Slice {
  readonly table: TableInfo;
  /** page, inclusive */
  readonly from: number;
  /** page, exclusive; null: to the end, however far the table has grown */
  readonly to: number | null;
}

/** What one worker reads into objects of its own: one range of a large table, or many tiny tables of one schema. */
export interface CopyJob {
  readonly slices: readonly Slice[];
  /** expected bytes, for the order of work and for progress */
  readonly weight: number;
}

const pageSize = 8192;

/** A table smaller than this shares an object with its neighbours. */
const tinyTable = 1024 * 1024;

/** Tables read in one round trip. */
const tablesPerJob = 250;

/**
 * Cuts tables into jobs, the heaviest first so that no worker is left alone with a large one at the end. Sizes are heap plus
 * TOAST: a table of few pages may hold nearly all its bytes out of line.
 *
 * @param targetBytes how much one range should hold
 */
export function planJobs(tables: readonly TableInfo[], targetBytes: number): CopyJob[] {
  const jobs: CopyJob[] = [];
  let tiny: Slice[] = [];
  let tinyWeight = 0;
  const closeTiny = () => {
    if (tiny.length > 0) jobs.push({ slices: tiny, weight: tinyWeight });
    tiny = [];
    tinyWeight = 0;
  };
  for (const table of tables) {
    const weight = weigh(table);
    if (weight >= tinyTable) {
      for (const slice of planRanges(table, targetBytes)) {
        jobs.push({ slices: [slice], weight: weight * share(slice, table) });
      }
      continue;
    }
    const full = tiny.length === tablesPerJob || tinyWeight + weight > targetBytes / 4;
    if (tiny[0] !== undefined && (full || tiny[0].table.schema !== table.schema)) closeTiny();
    tiny.push({ table, from: 0, to: null });
    tinyWeight += weight;
  }
  closeTiny();
  return jobs.sort((one, other) => other.weight - one.weight);
}

/** Half-open page ranges without gaps; the last is open-ended because a table's size is only an estimate of where it ends. */
export function planRanges(table: TableInfo, targetBytes: number): Slice[] {
  const pages = Math.ceil(table.heapBytes / pageSize);
  const count = table.heap ? Math.max(1, Math.min(pages, Math.round(weigh(table) / targetBytes))) : 1;
  const step = Math.ceil(pages / count);
  const slices: Slice[] = [];
  for (let from = 0; from === 0 || from < pages; from += step) {
    const to = from + step;
    slices.push({ table, from, to: count === 1 || to >= pages ? null : to });
    if (slices.at(-1)?.to === null) break;
  }
  return slices;
}

function weigh(table: TableInfo): number {
  return table.heapBytes + table.toastBytes;
}

function share(slice: Slice, table: TableInfo): number {
  const pages = Math.max(1, Math.ceil(table.heapBytes / pageSize));
  return ((slice.to ?? pages) - slice.from) / pages;
}

export function isWholeTable(slice: Slice): boolean {
  return slice.from === 0 && slice.to === null;
}

/** The COPY that writes the rows of a slice. A table without columns is copied without a list: its rows are empty lines. */
export function copyStatement(slice: Slice): string {
  const { table } = slice;
  const name = quoteQualified(table.schema, table.name);
  const columns = table.columns.map(quoteIdentifier).join(', ');
  if (isWholeTable(slice)) return `COPY ${name}${columns === '' ? '' : ` (${columns})`} TO STDOUT`;
  const until = slice.to === null ? '' : ` AND ctid < '(${slice.to},0)'`;
  return `COPY (SELECT ${columns} FROM ONLY ${name} WHERE ctid >= '(${slice.from},0)'${until}) TO STDOUT`;
}
