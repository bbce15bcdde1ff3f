import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import type { Session } from '../../postgres/session/connection.ts';

/** Existing objects of the kinds that parallel steps create, named as in a table of contents. */
const madeQuery = `
  SELECT 'INDEX' AS kind, n.nspname::text AS schema, c.relname::text AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('i', 'I')
  UNION ALL
  SELECT 'CONSTRAINT', n.nspname, coalesce(c.relname, t.typname) || ' ' || x.conname
  FROM pg_constraint x JOIN pg_namespace n ON n.oid = x.connamespace
  LEFT JOIN pg_class c ON c.oid = x.conrelid LEFT JOIN pg_type t ON t.oid = x.contypid
  UNION ALL
  SELECT 'STATISTICS', n.nspname, s.stxname FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
  UNION ALL
  SELECT 'MATERIALIZED VIEW DATA', n.nspname, c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND c.relispopulated`;

const kindsMade: Readonly<Record<string, string>> = {
  INDEX: 'INDEX',
  CONSTRAINT: 'CONSTRAINT',
  'FK CONSTRAINT': 'CONSTRAINT',
  'CHECK CONSTRAINT': 'CONSTRAINT',
  STATISTICS: 'STATISTICS',
  'MATERIALIZED VIEW DATA': 'MATERIALIZED VIEW DATA',
};

/**
 * Finds the entries that the target does not have yet. Entries of kinds that the catalog does not identify by
 * name are all returned.
 */
export async function findUnfinished(
  session: Session,
  entries: readonly ArchiveEntry[],
): Promise<ArchiveEntry[]> {
  const rows = await session.query<{ kind: string; schema: string; name: string }>(madeQuery);
  const made = new Set(rows.map((row) => identify(row.kind, row.schema, row.name)));
  return entries.filter((entry) => {
    const kind = kindsMade[entry.kind];
    return kind === undefined || !made.has(identify(kind, entry.schema ?? '', entry.name));
  });
}

/** A table of contents replaces line breaks in names by spaces (sanitize_line in pg_backup_archiver.c). */
function identify(kind: string, schema: string, name: string): string {
  return [kind, schema, name].map((part) => part.replaceAll(/[\n\r]/g, ' ')).join('\0');
}
