import type { TableEntry } from '../../format/manifest.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { isUserData } from '../../supabase/managed-schemas.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { findWithRows } from '../filled-tables.ts';

/**
 * Finds tables of the platform that already hold rows. The backup's rows cannot be loaded beside them, and
 * the tables cannot be replaced.
 */
export async function findFilled(session: Session, tables: readonly TableEntry[]): Promise<string[]> {
  const asked = tables.filter((table) => table.rows > 0 && isUserData(table));
  if (asked.length === 0) return [];
  const readable = await session.query<{ oid: number; schema: string; name: string }>(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
     JOIN pg_namespace n ON n.nspname = wanted.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
     WHERE c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`,
    [asked.map(({ schema }) => schema), asked.map(({ name }) => name)],
  );
  return (await findWithRows(session, readable)).map(writePattern);
}
