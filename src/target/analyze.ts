import { messageOf } from '../errors.ts';
import { openSession } from '../postgres/connection.ts';
import { quoteQualified } from '../postgres/identifier.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import { drain, runWorkers } from '../workers.ts';
import type { Log } from '../world.ts';

/**
 * Gathers statistics, without which the first queries of a restored database are slow; pg_restore leaves them out. Tables are
 * named one by one: a bare ANALYZE also samples foreign tables, whose servers may not be reachable from here.
 */
export async function analyzeTables(
  settings: ConnectionSettings,
  options: { workers: number; signal: AbortSignal; log: Log },
): Promise<void> {
  const session = await openSession(settings, options.signal);
  const tables = await session.query<{ schema: string; name: string }>(`
    SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class child ON child.oid = i.inhrelid
                      WHERE i.inhparent = c.oid AND child.relkind = 'f')
    ORDER BY pg_relation_size(c.oid) DESC`);
  await session.close();
  const queue = [...tables];
  await runWorkers(Math.min(options.workers, tables.length), options.signal, async (signal) => {
    const worker = await openSession(settings, signal);
    for (const table of drain(queue)) {
      signal.throwIfAborted();
      try {
        await worker.query(`ANALYZE ${quoteQualified(table.schema, table.name)}`);
      } catch (error) {
        signal.throwIfAborted();
        // The rows are there; only the planner's knowledge of this one table is missing.
        options.log.warn(`ANALYZE ${table.schema}.${table.name}: ${messageOf(error)}`);
      }
    }
    await worker.close();
  });
}
