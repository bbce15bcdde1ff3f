import type { Manifest, StoredObject, TableEntry, TableRange } from '../../format/manifest.ts';
import { planRanges, type Slice } from '../../postgres/catalog/ranges.ts';
import type { TableInfo } from '../../postgres/catalog/tables.ts';
import type { PendingPiece } from '../rows/object-sink.ts';
import type { RangeCount } from './range-counts.ts';

/** A range whose rows are stored already: a backup before this one read them, and they are the same now. */
export interface ReusedSlice {
  readonly slice: Slice;
  readonly rows: number;
  readonly places: string | null;
  readonly pieces: readonly PendingPiece[];
}

/** A range that may be unchanged; counting tells. */
export interface Candidate {
  readonly slice: Slice;
  readonly range: TableRange;
}

/** What is known of a table before anything of it is counted. */
export interface TablePlan {
  readonly table: TableInfo;
  /** Empty when the whole table has to be read. */
  readonly candidates: readonly Candidate[];
  /** Why the whole table has to be read; undefined when candidates tell. */
  readonly why: string | undefined;
}

/**
 * Finds what of a base may be unchanged: tables that are the very ones they were, of which every row can be told to be old, and whose
 * objects are still stored. docs/incremental.md proves the rule, and names for each condition what would go wrong without it.
 *
 * @param isStored whether an object is where it should be, in its full length
 * @param idle no transaction has written since the base: then not even a table that cannot be tracked can have changed
 */
export function matchTables(
  base: Manifest,
  tables: readonly TableInfo[],
  isStored: (object: StoredObject) => boolean,
  idle: boolean,
): TablePlan[] {
  const entries = new Map(base.tables.map((entry) => [entry.oid, entry]));
  return tables.map((table) => {
    const entry = entries.get(table.oid);
    const why = entry === undefined ? 'new' : findDifference(table, entry, idle);
    if (entry === undefined || why !== undefined) return { table, candidates: [], why };
    const candidates = entry.ranges
      .filter((range) => range.pieces.every((piece) => isStored(base.objects[piece.object] as StoredObject)))
      .map((range) => ({ slice: { table, from: range.from, to: range.to }, range }));
    return { table, candidates, why: undefined };
  });
}

function findDifference(table: TableInfo, entry: TableEntry, idle: boolean): string | undefined {
  if (table.relfilenode !== entry.relfilenode) return 'rewritten or truncated';
  if (table.fingerprint !== entry.fingerprint) return 'its columns or their types changed';
  if (JSON.stringify(table.columns) !== JSON.stringify(entry.columns)) return 'its columns changed';
  // A crash of a server process empties it without a transaction, and without a new start of the server.
  if (table.persistence === 'unlogged') return 'it is unlogged';
  if (!idle && table.unsteady !== undefined) return table.unsteady;
  return undefined;
}

/**
 * The rule. A row that is visible now and was not when the base was taken has been written by a transaction numbered at or above the
 * base's xmin; none is there, so what is visible now was visible then; and as many are visible, so they are the same. Places are
 * compared where they are known: two sets of equal size that differ would differ there.
 */
export function isUnchanged(range: TableRange, count: RangeCount): boolean {
  return (
    count.fresh === 0 && count.rows === range.rows && (range.places === null || range.places === count.places)
  );
}

/** What is read of a table, and what is not. */
export interface TableChoice {
  readonly table: TableInfo;
  readonly reused: readonly ReusedSlice[];
  readonly read: readonly Slice[];
  /** Why ranges are read; undefined when none is */
  readonly why: string | undefined;
}

/**
 * Chooses what has to be read.
 *
 * @param counts of all candidates; undefined when nothing can have changed
 */
export function chooseRanges(
  base: Manifest,
  plans: readonly TablePlan[],
  counts: ReadonlyMap<Slice, RangeCount> | undefined,
): TableChoice[] {
  const entries = new Map(base.tables.map((entry) => [entry.oid, entry]));
  return plans.map(({ table, candidates, why }) => {
    if (why !== undefined) return { table, reused: [], read: planRanges(table), why };
    const kept = new Map<number, ReusedSlice>();
    for (const { slice, range } of candidates) {
      const count = counts?.get(slice);
      if (counts !== undefined && (count === undefined || !isUnchanged(range, count))) continue;
      kept.set(range.from, {
        slice,
        rows: range.rows,
        places: count?.places ?? range.places,
        pieces: range.pieces.map((piece) => ({
          holder: { object: base.objects[piece.object] as StoredObject },
          offset: piece.offset,
          length: piece.length,
        })),
      });
    }
    const ranges = entries.get(table.oid)?.ranges ?? [];
    const changed = ranges.filter((range) => !kept.has(range.from));
    return {
      table,
      reused: [...kept.values()],
      read: changed.flatMap((range) => cutAnew(table, range)),
      why: changed.length === 0 ? undefined : `${changed.length} of ${ranges.length} ranges changed`,
    };
  });
}

/** The last range takes in what a table grows by; it is cut when it is read. A table that was one range is cut like a new one. */
function cutAnew(table: TableInfo, { from, to }: TableRange): Slice[] {
  return to === null ? planRanges(table, from) : [{ table, from, to }];
}
