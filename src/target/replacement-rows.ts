import type { Session } from '../postgres/connection.ts';
import { quoteLiteral, quoteQualified } from '../postgres/identifier.ts';
import { writePattern } from '../postgres/selection.ts';
import type { TableEntry } from '../repository/manifest.ts';
import { isUserData } from '../supabase/managed.ts';

/** Those of the platform's tables that hold rows already: the backup's cannot go in beside them, and the tables are not ours to replace. */
export async function findFilled(session: Session, tables: readonly TableEntry[]): Promise<string[]> {
  const asked = tables.filter((table) => table.rows > 0 && isUserData(table));
  if (asked.length === 0) return [];
  const readable = await session.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
     JOIN pg_namespace n ON n.nspname = wanted.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
     WHERE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`,
    [asked.map(({ schema }) => schema), asked.map(({ name }) => name)],
  );
  if (readable.length === 0) return [];
  const found = await session.query<{ what: string }>(
    readable
      .map(
        (table) =>
          `SELECT ${quoteLiteral(writePattern(table))} AS what WHERE EXISTS (SELECT FROM ${quoteQualified(table.schema, table.name)})`,
      )
      .join(' UNION ALL '),
  );
  return found.map(({ what }) => what);
}
