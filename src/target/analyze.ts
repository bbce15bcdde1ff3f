import { messageOf } from '../errors.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import { quoteQualified } from '../postgres/identifier.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import { qualifiedName } from '../postgres/tables.ts';
import { drain, runWorkers } from '../workers.ts';
import type { Log } from '../world.ts';

/**
 * Gathers statistics, without which the first queries of a restored database are slow; pg_restore leaves them out. Tables are
 * named one by one: a bare ANALYZE also samples foreign tables, whose servers may not be reachable from here.
 *
 * @param options.done tables of which they have been gathered, as `schema.table`
 */
export async function analyzeTables(
  settings: ConnectionSettings,
  options: { workers: number; done: ReadonlySet<string>; signal: AbortSignal; log: Log },
): Promise<void> {
  const session = await openSession(settings, options.signal);
  const tables = await session.query<TableName>(`
    SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
                      WHERE i.inhparent = c.oid AND child.relkind = 'f')
    ORDER BY pg_relation_size(c.oid) DESC`);
  await session.close();
  const queue = tables.filter((table) => !options.done.has(qualifiedName(table)));
  await runWorkers(Math.min(options.workers, queue.length), options.signal, async (signal) => {
    const worker = await openSession(settings, signal);
    for (const table of drain(queue)) {
      await analyzeTable(worker, table, options.log, signal);
    }
    await worker.close();
  });
}

/** Gathers the statistics of one table. That it cannot be done is a warning: the rows are there, and only plans suffer. */
export async function analyzeTable(
  session: Session,
  table: TableName,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  try {
    await session.query(`ANALYZE ${quoteQualified(table.schema, table.name)}`);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`ANALYZE ${qualifiedName(table)}: ${messageOf(error)}`);
  }
}

interface TableName {
  readonly schema: string;
  readonly name: string;
}
