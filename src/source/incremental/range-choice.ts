import type { Manifest, StoredObject, TableEntry, TableRange } from '../../format/manifest.ts';
import { planRanges, type RowRange } from '../../postgres/catalog/ranges.ts';
import type { TableInfo } from '../../postgres/catalog/tables.ts';
import type { PendingPiece } from '../rows/object-sink.ts';
import type { RangeCount } from './range-counts.ts';

/** A range whose rows are stored already: an earlier backup read them, and they have not changed. */
export interface ReusedRange {
  readonly rowRange: RowRange;
  readonly rows: number;
  readonly places: string | null;
  readonly pieces: readonly PendingPiece[];
}

/** A range that may be unchanged; counting decides. */
export interface RangeCandidate {
  readonly rowRange: RowRange;
  readonly range: TableRange;
}

/** What is known of a table before its rows are counted. */
export interface TablePlan {
  readonly table: TableInfo;
  /** Empty when the whole table has to be read. */
  readonly candidates: readonly RangeCandidate[];
  /** Why the whole table has to be read; undefined when the candidates decide. */
  readonly why: string | undefined;
}

/**
 * Finds the parts of a base that may be unchanged: tables with the same identity, in which the age of every
 * row can be told, and whose objects are still stored. docs/incremental.md proves the rule, and names for
 * each condition what would go wrong without it.
 *
 * @param isStored whether an object exists in its full length
 * @param idle whether no transaction has written since the base: even a table that cannot be tracked is
 *   unchanged then
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
      .map((range) => ({ rowRange: { table, from: range.from, to: range.to }, range }));
    return { table, candidates, why: undefined };
  });
}

function findDifference(table: TableInfo, entry: TableEntry, idle: boolean): string | undefined {
  if (table.relfilenode !== entry.relfilenode) return 'rewritten or truncated';
  if (table.fingerprint !== entry.fingerprint) return 'its columns or their types changed';
  if (JSON.stringify(table.columns) !== JSON.stringify(entry.columns)) return 'its columns changed';
  // A crash of a server process empties an unlogged table without a transaction, and without a restart of the
  // server.
  if (table.persistence === 'unlogged') return 'it is unlogged';
  if (!idle && table.volatileType !== undefined) return table.volatileType;
  return undefined;
}

/**
 * The rule. A row that is visible now but was not at the base was written by a transaction numbered at or
 * above the base's xmin. There is no such row, so all rows visible now were visible then; and their number is
 * equal, so they are the same rows. Where the digest of row positions (ctid) is known it is compared too:
 * different sets of equal size would differ.
 */
export function isUnchanged(range: TableRange, count: RangeCount): boolean {
  return (
    count.modifiedRows === 0 &&
    count.rows === range.rows &&
    (range.places === null || range.places === count.places)
  );
}

/** What is read of a table, and what is reused. */
export interface TableChoice {
  readonly table: TableInfo;
  readonly reused: readonly ReusedRange[];
  readonly read: readonly RowRange[];
  /** Why ranges are read; undefined when none is. */
  readonly why: string | undefined;
}

/**
 * Chooses the ranges to read.
 *
 * @param counts of all candidates; undefined when nothing can have changed
 */
export function chooseRanges(
  base: Manifest,
  plans: readonly TablePlan[],
  counts: ReadonlyMap<RowRange, RangeCount> | undefined,
): TableChoice[] {
  const entries = new Map(base.tables.map((entry) => [entry.oid, entry]));
  return plans.map(({ table, candidates, why }) => {
    if (why !== undefined) return { table, reused: [], read: planRanges(table), why };
    const kept = new Map<number, ReusedRange>();
    for (const { rowRange, range } of candidates) {
      const count = counts?.get(rowRange);
      if (counts !== undefined && (count === undefined || !isUnchanged(range, count))) continue;
      kept.set(range.from, {
        rowRange,
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

/**
 * The last range contains everything that the table has grown by, so it is cut again; a table of one range is
 * cut like a new table.
 */
function cutAnew(table: TableInfo, { from, to }: TableRange): RowRange[] {
  return to === null ? planRanges(table, from) : [{ table, from, to }];
}
