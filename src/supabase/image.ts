import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import type { TargetCatalog } from './target-catalog.ts';

/** What is dropped from an image, because the archive has objects of the same names. */
export interface ImagePlan {
  readonly schemas: readonly string[];
  /** Statements in execution order. */
  readonly statements: readonly string[];
}

/**
 * Schemas without members of an extension. The members are gathered once: a query per schema takes seconds
 * when there are many.
 */
const freeSchemas = `
  WITH members AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
  SELECT nspname AS name FROM pg_namespace
  WHERE oid NOT IN (
    SELECT objid FROM members WHERE classid = 'pg_namespace'::regclass
    UNION ALL SELECT c.relnamespace FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
    UNION ALL SELECT p.pronamespace FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
    UNION ALL SELECT t.typnamespace FROM members m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid)`;

/**
 * Plans how a container of `supabase/postgres` becomes like the source: the platform's own schemas, and other
 * objects with a name from the archive, are dropped, because their version is the image's. Schemas with
 * members of an extension stay, and so does everything that the archive lacks. Only for a target without rows
 * of a user.
 */
export async function planImage(
  session: Session,
  entries: readonly ArchiveEntry[],
  target: TargetCatalog,
): Promise<ImagePlan> {
  const rows = await session.query<{ name: string }>(freeSchemas);
  const free = new Set(rows.map(({ name }) => name).filter((name) => target.managed.has(name)));
  const schemas = entries
    .filter(({ kind, name }) => kind === 'SCHEMA' && free.has(name))
    .map(({ name }) => name);
  const there = entries.filter((entry) => target.has(entry) && !schemas.includes(entry.schema ?? ''));
  const named = (kind: string) =>
    there.filter((entry) => entry.kind === kind).map(({ name }) => quoteIdentifier(name));
  const routines = there.filter(({ kind }) => kind === 'FUNCTION' || kind === 'PROCEDURE');
  return {
    schemas,
    statements: [
      ...named('EVENT TRIGGER').map((name) => `DROP EVENT TRIGGER ${name}`),
      ...named('PUBLICATION').map((name) => `DROP PUBLICATION ${name}`),
      ...(schemas.length === 0 ? [] : [`DROP SCHEMA ${schemas.map(quoteIdentifier).join(', ')} CASCADE`]),
      ...(await findRoutines(session, routines)).map((routine) => `DROP ROUTINE ${routine} CASCADE`),
    ],
  };
}

/** An archive has no entries for members of extensions, so names are enough. */
async function findRoutines(session: Session, entries: readonly ArchiveEntry[]): Promise<string[]> {
  if (entries.length === 0) return [];
  const wanted = new Set(entries.map(({ schema, name }) => `${schema}.${name}`));
  const rows = await session.query<{ routine: string; name: string }>(`
    SELECT p.oid::regprocedure::text AS routine, n.nspname || '.' || p.proname || '(' || array_to_string(
             ARRAY(SELECT format_type(a.type, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, at) ORDER BY a.at), ', ') || ')' AS name
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')`);
  return rows.filter(({ name }) => wanted.has(name)).map(({ routine }) => routine);
}

/** Executes the plan in one transaction: all of it or nothing. */
export async function clearImage(session: Session, plan: ImagePlan): Promise<void> {
  await session.query('BEGIN');
  try {
    for (const statement of plan.statements) await session.query(statement);
    await session.query('COMMIT');
  } catch (error) {
    await session.query('ROLLBACK');
    throw error;
  }
}
