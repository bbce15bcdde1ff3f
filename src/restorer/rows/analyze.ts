import { qualifiedName } from '../../postgres/catalog/tables.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { setSearchPath } from '../../postgres/session/output-settings.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Log } from '../../runtime/context.ts';
import { messageOf } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';

/**
 * Columns of the widest table that is analyzed. Statistics of a thousand columns take seconds, many times
 * what loading the table took, and autovacuum gathers them in the background.
 */
export const analyzedColumns = 200;

/**
 * Gathers statistics, without which the first queries of a restored database are slow; pg_restore leaves them
 * out. Tables are named one by one: a bare ANALYZE also samples foreign tables, whose servers may not be
 * reachable from here.
 *
 * @param options.done tables whose statistics have been gathered, as `schema.table`
 */
export async function analyzeTables(
  settings: ConnectionSettings,
  options: AnalyzeOptions & { workers: number; done: ReadonlySet<string> },
): Promise<void> {
  const session = await openSession(settings, options.signal);
  const tables = await session.query<TableName>(`
    SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relnatts <= ${analyzedColumns} AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
                      WHERE i.inhparent = c.oid AND child.relkind = 'f')
    ORDER BY pg_relation_size(c.oid) DESC`);
  await session.close();
  const left = tables.filter((table) => !options.done.has(qualifiedName(table)));
  const queue = left.values();
  await runWorkers(Math.min(options.workers, left.length), options.signal, async (signal) => {
    const worker = await openSession(settings, signal);
    await letRead(worker);
    for (const table of queue) {
      await analyzeTable(worker, table, { ...options, signal });
    }
    await worker.close();
  });
}

export interface AnalyzeOptions {
  /** Values of search_path that functions of indexes may rely on, the most likely first */
  readonly searchPaths: readonly string[];
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Gathers the statistics of one table. A failure is a warning: the rows are there, and only plans suffer. */
export async function analyzeTable(
  session: Session,
  table: TableName,
  { searchPaths, signal, log }: AnalyzeOptions,
): Promise<void> {
  let first: unknown;
  for (const path of ['', ...searchPaths]) {
    signal.throwIfAborted();
    try {
      if (path !== '') await setSearchPath(session, path);
      await session.query(`ANALYZE ${quoteQualified(table.schema, table.name)}`);
      if (path !== '') await setSearchPath(session, '');
      return;
    } catch (error) {
      signal.throwIfAborted();
      first ??= error;
    }
  }
  log.warn(`ANALYZE ${qualifiedName(table)}: ${messageOf(first)}`);
  if (searchPaths.length > 0) await setSearchPath(session, '');
}

interface TableName {
  readonly schema: string;
  readonly name: string;
}
