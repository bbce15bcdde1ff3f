import type { Session } from './connection.ts';
import { quoteQualified } from './identifier.ts';

/*
 * Message queues (pgmq). `pgmq.create('mail')` makes the tables `pgmq.q_mail` and `pgmq.a_mail`, up to version 1.5.1 as parts of the extension,
 * which pg_dump leaves to CREATE EXTENSION, which makes no queue. So their rows are copied, and a restore has the extension make the tables.
 * Since 1.6 they are ordinary tables, and pg_dump writes them.
 */

/** A condition on a row `c` of pg_class and its schema `n`: a table of queues, or their list, that pg_dump passes over. */
const isQueueTable = `(
  c.relkind = 'r' AND n.nspname = 'pgmq' AND (c.relname = 'meta' OR c.relname ~ '^[qa]_') AND EXISTS (
    SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
      AND e.extname = 'pgmq' AND coalesce(c.oid <> ALL (e.extconfig), true)))`;

/** The same, of those whose rows this role sees; what it does not see is told like the rows of any other extension. */
export const isCarriedQueue = `(
  ${isQueueTable} AND has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_table_privilege(c.oid, 'SELECT'), false)
  AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
           AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)))`;

/** Something that was added to a table of a queue after the extension had made it */
export interface QueueAddition {
  /** As `describeEntry` calls it, with the table */
  readonly what: string;
  readonly sql: string;
  /** Whether rows would be open to more than in the source without it */
  readonly guards: boolean;
}

/** A table of queues: what its rows do not tell. */
export interface QueueTable {
  readonly name: string;
  readonly owner: string;
  /** How far its messages are numbered; null for a table that numbers none */
  readonly numbered: { readonly lastValue: string; readonly isCalled: boolean } | null;
  readonly additions: QueueAddition[];
}

interface CatalogRow extends Record<string, unknown> {
  name: string;
  owner: string;
  sequence: string | null;
}

const tablesQuery = `
  SELECT c.relname AS name, pg_get_userbyid(c.relowner) AS owner, (
      SELECT s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' AND s.relnamespace = c.relnamespace
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'i'
        AND CASE WHEN s.relkind = 'S' THEN has_sequence_privilege(s.oid, 'SELECT') END) AS sequence
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isCarriedQueue} ORDER BY 1`;

/** As statements, in an order in which they can be run. Of all these the extension itself makes only indexes, which are there then. */
const additionsQuery = `
  WITH tables AS (
    SELECT c.oid, c.relname AS name, format('pgmq.%I', c.relname) AS quoted, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isCarriedQueue})
  SELECT t.name, 'row security pgmq.' || t.name AS what, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', quoted) AS sql, true AS guards
  FROM tables t WHERE relrowsecurity
  UNION ALL
  SELECT t.name, 'row security pgmq.' || t.name, format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', quoted), true
  FROM tables t WHERE relforcerowsecurity
  UNION ALL
  SELECT t.name, 'policy pgmq.' || t.name || ' ' || p.polname,
         format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, quoted,
           CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ') FROM unnest(p.polroles) AS role),
           ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
         NOT p.polpermissive
  FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
  UNION ALL
  SELECT t.name, 'trigger pgmq.' || t.name || ' ' || g.tgname,
         pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'O' THEN '' ELSE format('; ALTER TABLE %s %s TRIGGER %I', quoted,
           CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, g.tgname) END, false
  FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
  UNION ALL
  SELECT t.name, 'index pgmq.' || c.relname,
         regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX ', 'CREATE \\1INDEX IF NOT EXISTS '), false
  FROM tables t JOIN pg_index i ON i.indrelid = t.oid AND i.indisvalid JOIN pg_class c ON c.oid = i.indexrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = t.oid)`;

/**
 * Reads what a restore needs for the queues besides their rows.
 *
 * @param session with an empty search_path, so that statements name what they mean
 */
export async function readQueues(session: Session): Promise<QueueTable[]> {
  const tables = await session.query<CatalogRow>(tablesQuery);
  if (tables.length === 0) return [];
  const additions = await session.query<QueueAddition & { name: string; [column: string]: unknown }>(
    additionsQuery,
  );
  const found: QueueTable[] = [];
  for (const { name, owner, sequence } of tables) {
    const own = additions.filter((addition) => addition.name === name);
    found.push({
      ...{ name, owner },
      numbered: sequence === null ? null : await readNumber(session, sequence),
      additions: own.map(({ what, sql, guards }) => ({ what, sql, guards })),
    });
  }
  return found;
}

async function readNumber(session: Session, sequence: string): Promise<QueueTable['numbered']> {
  const [row] = await session.query<{ value: string; called: boolean }>(
    `SELECT last_value::text AS value, is_called AS called FROM ${quoteQualified('pgmq', sequence)}`,
  );
  return row === undefined ? null : { lastValue: row.value, isCalled: row.called };
}
