import { countPages, type RowRange } from '../../postgres/catalog/ranges.ts';
import { qualifiedName, type TableInfo } from '../../postgres/catalog/tables.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { isKnownError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { runWorkers } from '../../runtime/workers.ts';
import { explainUnreadable, JoinedTransaction, joinSnapshot } from '../snapshot/joined.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

/** What a range holds in the snapshot, measured without reading its rows. */
export interface RangeCount {
  readonly rows: number;
  /** Rows written by a transaction numbered `since` or later. */
  readonly modifiedRows: number;
  /** Digest of the positions (ctid) of the rows. */
  readonly places: string;
}

/** The ranges that one statement counts: ranges of one table, or small tables of one range each. */
type CountTask = readonly RowRange[];

/** Pages that one statement counts, so that workers share a large table evenly. */
const pagesPerTask = 16_384;

/** Small tables counted in one statement. */
const tablesPerTask = 100;

/**
 * Counts ranges under the snapshot, several at a time. Only counts are transferred. Counting reads the heap
 * but no TOAST, with one TID range scan for each range.
 *
 * @param since the full (64-bit) number of a transaction, less than 2³¹ behind the snapshot
 * @throws SourceError that names the tables that could not be counted
 */
export async function countRanges(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  rowRanges: readonly RowRange[],
  since: bigint,
  options: { workers: number; signal: AbortSignal; onProgress: (pages: number) => void },
): Promise<Map<RowRange, RangeCount>> {
  const counts = new Map<RowRange, RangeCount>();
  const tasks = planTasks(rowRanges);
  const queue = tasks.values();
  await runWorkers(Math.min(options.workers, tasks.length), options.signal, async (signal) => {
    const session = await joinSnapshot(snapshot, settings, signal);
    const transaction = new JoinedTransaction(snapshot, session);
    // Our own workers already share the ranges.
    await session.query('SET max_parallel_workers_per_gather = 0');
    let age = await readAge(session, since);
    for (const task of queue) {
      signal.throwIfAborted();
      try {
        if (await transaction.makeRoom(countTables(task))) age = await readAge(session, since);
        const tables = [...new Set(task.map(({ table }) => table))];
        await transaction.secure(tables);
        await countTask(session, task, age, counts);
        await transaction.check(tables);
      } catch (error) {
        signal.throwIfAborted();
        if (isKnownError(error)) throw error;
        const tables = [...new Set(task.map((rowRange) => rowRange.table))];
        throw await explainUnreadable(error, describeTables(tables), tables, snapshot, settings);
      }
      options.onProgress(task.reduce((sum, rowRange) => sum + countPages(rowRange), 0));
    }
    await session.close();
  });
  return counts;
}

/** The age stays the same within a transaction, like every other age() in it. */
async function readAge(session: Session, xid: bigint): Promise<number> {
  const [row] = await session.query<{ age: number }>('SELECT age($1::xid) AS age', [
    String(xid & 0xffff_ffffn),
  ]);
  return row?.age ?? 0;
}

const countTables = (task: CountTask): number => new Set(task.map(({ table }) => table)).size;

/** Groups ranges of one table up to a number of pages, and tables of one range up to a number of tables. */
function planTasks(rowRanges: readonly RowRange[]): CountTask[] {
  const tasks: RowRange[][] = [];
  const byTable = Map.groupBy(rowRanges, (rowRange) => rowRange.table.oid);
  const small: RowRange[] = [];
  for (const ranges of byTable.values()) {
    if (
      ranges.length === 1 &&
      ranges.every((rowRange) => countPages(rowRange) < pagesPerTask / tablesPerTask)
    ) {
      append(small, ranges);
      continue;
    }
    let task: RowRange[] = [];
    let pages = 0;
    for (const rowRange of ranges) {
      if (task.length > 0 && pages + countPages(rowRange) > pagesPerTask) {
        tasks.push(task);
        task = [];
        pages = 0;
      }
      task.push(rowRange);
      pages += countPages(rowRange);
    }
    tasks.push(task);
  }
  for (let start = 0; start < small.length; start += tablesPerTask) {
    tasks.push(small.slice(start, start + tablesPerTask));
  }
  return tasks;
}

/** The position behind the last one that a table can have. */
const end = '(4294967295,0)';

/**
 * Counts the rows in the ranges of one statement. A row written long before the window has a negative age or,
 * if an old server froze it, the largest age: neither counts as modified, and rightly so.
 *
 * @param age age of `since`
 */
async function countTask(
  session: Session,
  task: CountTask,
  age: number,
  counts: Map<RowRange, RangeCount>,
): Promise<void> {
  const [first] = task;
  if (!first) return;
  const measure = `count(*) AS rows, count(*) FILTER (WHERE age(t.xmin) <= ${age} AND age(t.xmin) >= 0) AS "modifiedRows",
                   coalesce(bit_xor(hashtidextended(t.ctid, 0)), 0)::text AS places`;
  const oneTable = task.every((rowRange) => rowRange.table === first.table);
  const sql = oneTable
    ? `SELECT r.n::int AS n, c.* FROM unnest($1::tid[], $2::tid[]) WITH ORDINALITY AS r (low, high, n),
         LATERAL (SELECT ${measure} FROM ONLY ${nameOf(first)} AS t WHERE t.ctid >= r.low AND t.ctid < r.high) AS c`
    : task
        .map(
          (rowRange, index) =>
            `SELECT ${index + 1} AS n, ${measure} FROM ONLY ${nameOf(rowRange)} AS t WHERE t.ctid >= '(0,0)'`,
        )
        .join(' UNION ALL ');
  const bounds = [
    task.map((rowRange) => `"(${rowRange.from},0)"`),
    task.map((rowRange) => `"${rowRange.to === null ? end : `(${rowRange.to},0)`}"`),
  ].map((places) => `{${places.join(',')}}`);
  const rows = await session.query<RangeCount & { n: number }>(sql, oneTable ? bounds : undefined);
  if (rows.length !== task.length) throw new Error(`${rows.length} counts instead of ${task.length}`);
  for (const { n, rows: total, modifiedRows, places } of rows) {
    counts.set(task[n - 1] as RowRange, { rows: total, modifiedRows, places });
  }
}

function describeTables([first, ...more]: readonly TableInfo[]): string {
  if (first === undefined) return 'no table';
  return `table ${qualifiedName(first)}${more.length > 0 ? ` or one of ${more.length} more` : ''}`;
}

function nameOf({ table }: RowRange): string {
  return quoteQualified(table.schema, table.name);
}
