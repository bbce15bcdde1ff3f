import { quoteQualified } from '../identifier.ts';
import type { Session } from '../session/connection.ts';
import { firstUserOid } from './facts.ts';
import type { TableInfo } from './tables.ts';

/**
 * Tables for which the planner reads an expression that calls users' functions or operators; with the
 * untrusted owners of these functions, as JSON.
 */
export const expressionsQuery = `
  SELECT c.oid, bool_or(NOT coalesce(f.trusted, false)) AS foreign,
         coalesce(json_agg(DISTINCT f.owner) FILTER (WHERE NOT coalesce(f.trusted, false)), '[]')::text AS owners
  FROM pg_class c
  JOIN (
    SELECT i.indrelid AS relation, 'pg_class'::regclass AS class, i.indexrelid AS oid FROM pg_index i
    WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    UNION ALL SELECT s.stxrelid, 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s
    UNION ALL SELECT p.partrelid, 'pg_class'::regclass, p.partrelid FROM pg_partitioned_table p) AS x ON x.relation = c.oid
  JOIN pg_depend d ON d.classid = x.class AND d.objid = x.oid
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND d.refobjid >= ${firstUserOid}
  LEFT JOIN LATERAL (
    SELECT r.rolsuper OR r.rolname = current_user AS trusted, r.rolname AS owner
    FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
    WHERE p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid
                       ELSE (SELECT o.oprcode FROM pg_operator o WHERE o.oid = d.refobjid) END) f ON true
  WHERE c.oid = ANY ($1::oid[]) GROUP BY c.oid`;

/**
 * Finds the tables that only a plain COPY can read, by oid. For any other query the planner reads the
 * expressions of a table's indexes and the functions they call. A function that relies on a search_path fails
 * without it, and with it the session might call another user's code. The planner also calls functions of
 * constants, with our privileges: a function that belongs neither to a superuser nor to the connected role
 * must not be planned.
 *
 * @param session in a transaction, which stays usable
 */
export async function findUnplannable(
  session: Session,
  tables: readonly Pick<TableInfo, 'oid' | 'schema' | 'name'>[],
): Promise<Set<number>> {
  const oids = `{${tables.map(({ oid }) => oid).join(',')}}`;
  const rows = await session.query<{ oid: number; foreign: boolean }>(expressionsQuery, [oids]);
  // Only COPY refuses a view that has taken the name of a table.
  if (!session.guarded) return new Set(tables.map(({ oid }) => oid));
  const doubtful = new Set(rows.map(({ oid }) => oid));
  const found = new Set(rows.filter(({ foreign }) => foreign).map(({ oid }) => oid));
  for (const { oid, schema, name } of tables) {
    if (!doubtful.has(oid) || found.has(oid)) continue;
    await session.query('SAVEPOINT planned');
    try {
      await session.query(`EXPLAIN SELECT FROM ONLY ${quoteQualified(schema, name)}`);
    } catch (error) {
      const { severity } = error as { severity?: unknown };
      if (severity !== 'ERROR') throw error;
      await session.query('ROLLBACK TO SAVEPOINT planned');
      found.add(oid);
    }
    await session.query('RELEASE SAVEPOINT planned');
  }
  return found;
}

/** Marks these tables: they are read as a whole, and never reused as unchanged. */
export function markUnplannable(tables: readonly TableInfo[], found: ReadonlySet<number>): TableInfo[] {
  if (found.size === 0) return [...tables];
  return tables.map((table) =>
    found.has(table.oid)
      ? {
          ...table,
          heap: false,
          volatileType:
            table.volatileType ??
            'it can be read as a whole only: an index of it calls a function of somebody else, or one that needs a search_path',
        }
      : table,
  );
}
