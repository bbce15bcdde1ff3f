import type { Session } from './connection.ts';
import { firstUserOid } from './facts.ts';
import { quoteQualified } from './identifier.ts';
import type { TableInfo } from './tables.ts';

/** What a table has that the planner reads, and that calls what users have made. */
const expressionsQuery = `
  SELECT DISTINCT c.oid FROM pg_class c
  JOIN (
    SELECT i.indrelid AS relation, 'pg_class'::regclass AS class, i.indexrelid AS oid FROM pg_index i
    WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    UNION ALL SELECT s.stxrelid, 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s) AS x ON x.relation = c.oid
  JOIN pg_depend d ON d.classid = x.class AND d.objid = x.oid
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND d.refobjid >= ${firstUserOid}
  WHERE c.oid = ANY ($1::oid[])`;

/**
 * The tables that can be read by a plain COPY alone, by oid. To plan any other query, the server looks into the expressions of a table's
 * indexes, and into the functions that these call; one that counts on a search_path is not understood without it, and with it a session
 * might call what somebody has put there.
 *
 * @param session outside of a transaction
 */
export async function findUnplannable(
  session: Session,
  tables: readonly Pick<TableInfo, 'oid' | 'schema' | 'name'>[],
): Promise<Set<number>> {
  const oids = `{${tables.map(({ oid }) => oid).join(',')}}`;
  const rows = await session.query<{ oid: number }>(expressionsQuery, [oids]);
  const doubtful = new Set(rows.map(({ oid }) => oid));
  const found = new Set<number>();
  for (const { oid, schema, name } of tables) {
    if (!doubtful.has(oid)) continue;
    try {
      await session.query(`EXPLAIN SELECT FROM ONLY ${quoteQualified(schema, name)}`);
    } catch (error) {
      const { severity } = error as { severity?: unknown };
      if (severity !== 'ERROR') throw error;
      found.add(oid);
    }
  }
  return found;
}

/** Marks those: they are read as a whole, and never taken for unchanged without having been read. */
export function markUnplannable(tables: readonly TableInfo[], found: ReadonlySet<number>): TableInfo[] {
  if (found.size === 0) return [...tables];
  return tables.map((table) =>
    found.has(table.oid)
      ? {
          ...table,
          heap: false,
          unsteady: table.unsteady ?? 'an index of it calls a function that needs a search_path',
        }
      : table,
  );
}
