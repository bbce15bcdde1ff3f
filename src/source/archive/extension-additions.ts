import type { Session } from '../../postgres/session/connection.ts';
import { membersQuery } from './extension-members.ts';

/**
 * An object that users added to a table of an extension. pg_dump writes only configuration rows of such
 * tables.
 */
export interface ExtensionAddition {
  readonly schema: string;
  readonly table: string;
  /** The object, named like an entry of an archive. */
  readonly what: string;
  /** The statement that creates it. */
  readonly sql: string;
  /** Whether rows would be less protected than in the source without it. */
  readonly guards: boolean;
}

/**
 * What the extension's own scripts have not made. On tables of queues this is everything, because the
 * extension creates no objects of these kinds there.
 */
const isAdded = (row: string) =>
  `(t.queue OR (t.extension, ${row}.xmin::text) NOT IN (SELECT extension, since FROM known))`;

const additionsQuery = `
  WITH ${membersQuery}, known AS (SELECT extension, since FROM members UNION SELECT extension, since FROM scripts),
  bearers AS (
    SELECT t.*, c.relrowsecurity, c.relforcerowsecurity, c.xmin, format('%I.%I', t.schema, t.name) AS quoted, t.schema || '.' || t.name AS called
    FROM tables t JOIN pg_class c ON c.oid = t.oid WHERE t.relkind IN ('r', 'p') AND (NOT t.added OR t.queue))
  SELECT schema, name AS table, 'row security ' || called AS what, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', quoted) AS sql, true AS guards
  FROM bearers t WHERE relrowsecurity AND ${isAdded('t')}
  UNION ALL
  SELECT schema, name, 'row security ' || called, format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', quoted), true
  FROM bearers t WHERE relforcerowsecurity AND ${isAdded('t')}
  UNION ALL
  SELECT schema, name, 'policy ' || called || ' ' || p.polname,
         format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, quoted,
           CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ') FROM unnest(p.polroles) AS role),
           ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
         NOT p.polpermissive
  FROM bearers t JOIN pg_policy p ON p.polrelid = t.oid WHERE ${isAdded('p')}
  UNION ALL
  SELECT schema, name, 'trigger ' || called || ' ' || g.tgname,
         pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'O' THEN '' ELSE format('; ALTER TABLE %s %s TRIGGER %I', quoted,
           CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, g.tgname) END, false
  FROM bearers t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal AND ${isAdded('g')}
  UNION ALL
  SELECT schema, name, 'index ' || schema || '.' || c.relname,
         regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX ', 'CREATE \\1INDEX IF NOT EXISTS '), false
  FROM bearers t JOIN pg_index i ON i.indrelid = t.oid AND i.indisvalid JOIN pg_class c ON c.oid = i.indexrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = t.oid) AND ${isAdded('i')}`;

/**
 * Reads what was added to tables of extensions, in an order in which it can be created again.
 *
 * @param session with an empty search_path, so that statements are unambiguous
 */
export async function readAdditions(session: Session): Promise<ExtensionAddition[]> {
  const rows = await session.query<ExtensionAddition & Record<string, unknown>>(additionsQuery);
  return rows.map(({ schema, table, what, sql, guards }) => ({ schema, table, what, sql, guards }));
}
