import { findUnplannable } from '../../postgres/catalog/plannable.ts';
import { isCarriedQueue } from '../../postgres/catalog/queues.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { secureTables } from '../snapshot/present.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';

/**
 * Rows of an extension's table that are in no backup: pg_dump leaves the tables of extensions to CREATE
 * EXTENSION.
 */
export interface UnwrittenRows {
  readonly schema: string;
  readonly table: string;
  readonly extension: string;
  /** The number of rows, or why they were not counted. */
  readonly rows: number | 'not readable' | 'not counted';
  /**
   * The condition on the rows that pg_dump writes, for a table that the extension declares as configuration.
   */
  readonly condition: string | undefined;
  /** Whether users made the table and added it to the extension: CREATE EXTENSION does not create it. */
  readonly added: boolean;
}

/** An object that pg_dump takes for a part of an extension, but that CREATE EXTENSION does not create. */
export interface UnwrittenObject {
  readonly kind: string;
  readonly name: string;
  readonly extension: string;
  /** `added` to the extension, or created `on` a table that belongs to it. */
  readonly how: 'added' | 'on';
}

/**
 * The members of extensions, with the transaction that made each a member. The script of an extension runs in
 * one transaction, which is also that of the extension's catalog row unless the row was updated later.
 */
export const membersQuery = `
  members AS (
    SELECT d.refobjid AS extension, d.classid, d.objid, d.xmin::text AS since, d.xmin AS xid
    FROM pg_depend d WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
  ),
  scripts AS (
    -- Since 17 the type of a table's rows becomes a part of the extension together with the table.
    SELECT extension, since FROM members WHERE classid NOT IN ('pg_class'::regclass, 'pg_type'::regclass)
    UNION SELECT oid, xmin::text FROM pg_extension
  ),
  tables AS (
    SELECT c.oid, c.relkind, n.nspname AS schema, c.relname AS name, m.extension, e.extname,
           (m.extension, m.since) NOT IN (SELECT extension, since FROM scripts) AS added,
           array_position(e.extconfig, c.oid) AS config, e.extcondition,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable,
           c.relrowsecurity AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
             AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) AS filtered,
           ${isCarriedQueue} AS queue
    FROM members m JOIN pg_class c ON c.oid = m.objid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_extension e ON e.oid = m.extension
    WHERE m.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v')
  )`;

interface MemberTable {
  oid: number;
  schema: string;
  name: string;
  extname: string;
  added: boolean;
  configured: boolean;
  condition: string | null;
  readable: boolean | null;
}

/**
 * Counts the rows of extensions' tables that pg_dump does not write. Empty tables are skipped, except tables
 * that users added: these are in no backup themselves.
 *
 * @param session under the snapshot, but not the lead session: a table may be locked
 */
export async function countUnwrittenRows(
  session: Session,
  snapshot: Pick<Snapshot, 'present' | 'lockTimeoutSeconds'>,
): Promise<UnwrittenRows[]> {
  const tables = await session.query<MemberTable & { [column: string]: unknown }>(`
    WITH ${membersQuery}
    SELECT oid, schema, name, extname, added, config IS NOT NULL AS configured, extcondition[config] AS condition,
           readable AND NOT filtered AS readable
    FROM tables WHERE relkind = 'r' AND NOT queue ORDER BY 2, 3`);
  // pg_dump writes all rows of the other tables.
  const asked = tables.filter(({ configured, condition }) => !configured || (condition ?? '') !== '');
  const readable = asked.filter((table) => table.readable === true);
  // The owner of an extension can add any table to it.
  const unplannable = await findUnplannable(session, readable);
  await secureTables(
    session,
    snapshot,
    readable.filter(({ oid }) => !unplannable.has(oid)),
  );
  const unwritten: UnwrittenRows[] = [];
  for (const table of asked) {
    const rows = await countRows(session, table, unplannable);
    if (rows === 0 && !(table.added && !table.configured)) continue;
    const { schema, name, extname: extension, added } = table;
    const condition = table.configured ? (table.condition ?? undefined) : undefined;
    unwritten.push({ schema, table: name, extension, rows, condition, added: added && !table.configured });
  }
  return unwritten;
}

/**
 * Counts the rows of a table without those that pg_dump writes. pg_dump appends the condition to the name of
 * the table unchanged (PostgreSQL manual 38.17.3).
 */
async function countRows(
  session: Session,
  table: MemberTable,
  unplannable: ReadonlySet<number>,
): Promise<UnwrittenRows['rows']> {
  if (table.readable !== true) return 'not readable';
  if (unplannable.has(table.oid)) return 'not counted';
  const of = quoteQualified(table.schema, table.name);
  const written = table.configured ? ` - (SELECT count(*) FROM ${of} ${table.condition ?? ''})` : '';
  const [row] = await session.query<{ rows: number }>(
    `SELECT (SELECT count(*) FROM ${of})${written} AS rows`,
  );
  return row?.rows ?? 0;
}

/** An object on a table, created in a transaction that did not create or extend the extension. */
const onTable = (kind: string, name: string, from: string, table: string) => `
  SELECT '${kind}' AS kind, ${name} || ' on ' || t.schema || '.' || t.name AS name, t.extname AS extension, 'on' AS how
  FROM ${from} JOIN tables t ON t.oid = ${table}
  WHERE (NOT t.added OR t.queue) AND (t.extension, x.xmin::text) NOT IN (SELECT extension, since FROM known)`;

const onDomains = `
  SELECT 'constraint', x.conname || ' on domain ' || format_type(x.contypid, NULL), e.extname, 'on'
  FROM pg_constraint x JOIN members m ON m.classid = 'pg_type'::regclass AND m.objid = x.contypid JOIN pg_extension e ON e.oid = m.extension
  WHERE (m.extension, x.xmin::text) NOT IN (SELECT extension, since FROM known)`;

const onComments = `
  SELECT 'comment', 'on ' || o.type || ' ' || o.identity, e.extname, 'on'
  FROM pg_description x JOIN members m ON m.classid = x.classoid AND m.objid = x.objoid JOIN pg_extension e ON e.oid = m.extension,
    pg_identify_object(x.classoid, x.objoid, x.objsubid) AS o
  WHERE (m.extension, x.xmin::text) NOT IN (SELECT extension, since FROM known)`;

/** An object that is older than its membership in the extension; a script creates both at once. */
const addedObject = (catalog: string, condition: string) => `
  SELECT o.type AS kind, o.identity AS name, e.extname AS extension, 'added' AS how
  FROM members m JOIN ${catalog} x ON m.classid = '${catalog}'::regclass AND m.objid = x.oid
  JOIN pg_extension e ON e.oid = m.extension, pg_identify_object(m.classid, m.objid, 0) AS o
  WHERE age(x.xmin) > age(m.xid) AND ${condition}`;

/**
 * Finds objects in no backup because they are part of an extension, or on such a part, although the
 * extension's script did not make them: constraints, rules, columns and comments that users added to its
 * parts, and objects added to the extension itself. Objects that extension-additions.ts reads are backed up.
 */
export async function findUnwrittenObjects(session: Session): Promise<UnwrittenObject[]> {
  const publications = session.serverVersion < 180000;
  const rows = await session.query<{ kind: string; name: string; extension: string; how: 'added' | 'on' }>(`
    WITH ${membersQuery}, known AS (SELECT extension, since FROM members UNION SELECT extension, since FROM scripts)
    ${[
      onTable('trigger', 'x.tgname', 'pg_trigger x', "x.tgrelid AND NOT x.tgisinternal AND t.relkind = 'v'"),
      onTable(
        'constraint',
        'x.conname',
        'pg_constraint x',
        "x.conrelid AND x.contype IN ('c', 'f', 'p', 'u', 'x')",
      ),
      onTable('rule', 'x.rulename', 'pg_rewrite x', 'x.ev_class'),
      onTable('column', 'x.attname', 'pg_attribute x', 'x.attrelid AND x.attnum > 0 AND NOT x.attisdropped'),
      onTable('statistics object', 'x.stxname', 'pg_statistic_ext x', 'x.stxrelid'),
      // pg_dump writes these since version 18.
      ...(publications
        ? [
            onTable(
              'publication table',
              'p.pubname',
              'pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid',
              'x.prrelid',
            ),
          ]
        : []),
      onDomains,
      onComments,
      addedObject('pg_class', "x.relkind IN ('p', 'v', 'm', 'f') AND NOT x.relispartition"),
      addedObject('pg_proc', 'true'),
      addedObject('pg_namespace', 'true'),
      addedObject('pg_type', 'x.typrelid = 0 AND x.typelem = 0'),
    ].join(' UNION ALL ')}
    ORDER BY extension, kind, name`);
  return rows.map((row) => ({ ...row }));
}

/**
 * Finds sequences of identity columns of added tables: they are no members of the extension, but pg_dump
 * omits them with their table.
 */
export async function findOrphanedSequences(session: Session): Promise<{ name: string; table: string }[]> {
  return session.query<{ name: string; table: string }>(`
    WITH ${membersQuery}
    SELECT n.nspname || '.' || s.relname AS name, t.schema || '.' || t.name AS "table"
    FROM tables t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.deptype = 'i'
    JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_namespace n ON n.oid = s.relnamespace
    WHERE t.added AND NOT t.queue AND s.oid NOT IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass)
    ORDER BY 1`);
}

/** Finds used sequences of extensions that are not configuration: CREATE EXTENSION resets their values. */
export async function findUnwrittenSequences(
  session: Session,
): Promise<{ schema: string; name: string; extension: string }[]> {
  return session.query<{ schema: string; name: string; extension: string }>(`
    WITH ${membersQuery}
    SELECT n.nspname AS schema, c.relname AS name, e.extname AS extension
    FROM members m JOIN pg_class c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_extension e ON e.oid = m.extension
    WHERE c.relkind = 'S' AND coalesce(c.oid <> ALL (e.extconfig), true)
      -- Numbered by the messages of a queue
      AND NOT EXISTS (SELECT FROM pg_depend d JOIN tables t ON t.oid = d.refobjid AND t.queue
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i')
      AND has_schema_privilege(n.oid, 'USAGE')
      -- asked of a table, it is an error
      AND CASE WHEN c.relkind = 'S' AND has_sequence_privilege(c.oid, 'SELECT') THEN pg_sequence_last_value(c.oid) IS NOT NULL END
    ORDER BY 1, 2`);
}
