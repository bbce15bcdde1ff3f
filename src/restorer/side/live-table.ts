import type { Session } from '../../postgres/session/connection.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { writePattern } from '../../values/table-patterns.ts';

/**
 * A table of the database in use, with what is needed to compare rows of a backup with it and to bring them
 * back into it.
 */
export interface LiveTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** A partitioned table is read with its partitions, any other without those that inherit from it. */
  readonly partitioned: boolean;
  readonly columns: readonly LiveColumn[];
  /**
   * Keys that identify its rows, the best first: primary key, replica identity, other unique indexes without
   * nulls
   */
  readonly keys: readonly (readonly KeyColumn[])[];
  readonly sequences: readonly OwnedSequence[];
  /** Names of the user's triggers that bringing a row back would fire */
  readonly triggers: readonly string[];
  readonly readable: boolean;
  /** Whether row level security hides rows from this role, unless the role can bypass it */
  readonly filtered: boolean;
}

export interface LiveColumn {
  readonly name: string;
  /** With its collation, where that is not the type's own */
  readonly type: string;
  /** Without a length or precision, which a cast would apply by cutting the value */
  readonly bareType: string;
  readonly generated: boolean;
  /** GENERATED ALWAYS AS IDENTITY: can be inserted, and never updated */
  readonly identityAlways: boolean;
  /** Has to be given in every INSERT */
  readonly required: boolean;
}

export interface KeyColumn {
  readonly name: string;
  /** The equality of the index, as an operator that does not depend on search_path */
  readonly equals: string;
}

/** The sequence that a column of whole numbers takes its values from. */
export interface OwnedSequence {
  readonly column: string;
  readonly schema: string;
  readonly name: string;
  readonly ascending: boolean;
  /** As text, because a bigint may not fit a number; null where it may not be read */
  readonly lastValue: string | null;
}

/** A reference of one table to another. */
export interface ForeignKey {
  readonly from: { readonly schema: string; readonly name: string };
  readonly to: { readonly schema: string; readonly name: string };
  /** What deleting a row does to the rows that refer to it; undefined where the delete is refused */
  readonly onDelete: 'delete' | 'clear' | undefined;
}

const liveQuery = `
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned,
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable,
         c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) AS filtered,
         coalesce(columns.list, '[]') AS columns, coalesce(keys.list, '[]') AS keys,
         coalesce(sequences.list, '[]') AS sequences, coalesce(triggers.list, '[]') AS triggers
  FROM json_to_recordset($1::json) AS wanted (schema text, name text)
  JOIN pg_namespace n ON n.nspname = wanted.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name AND c.relkind IN ('r', 'p')
  LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
             'name', a.attname,
             'type', format_type(a.atttypid, a.atttypmod) || coalesce(' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname), ''),
             'bareType', format_type(a.atttypid, -1),
             'generated', a.attgenerated <> '',
             'identityAlways', a.attidentity = 'a',
             'required', a.attnotnull AND NOT a.atthasdef AND a.attidentity = '') ORDER BY a.attnum)::text AS list
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN (pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace)
      ON co.oid = a.attcollation AND a.attcollation <> t.typcollation
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ) columns ON true
  LEFT JOIN LATERAL (
    SELECT json_agg(key.list ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indnkeyatts, i.indexrelid)::text AS list
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
    CROSS JOIN LATERAL (
      SELECT json_agg(json_build_object('name', a.attname, 'equals', format('OPERATOR(%I.%s)', opn.nspname, op.oprname))
                      ORDER BY k.position) AS list,
             bool_and(a.attnotnull AND a.attgenerated = '') AS certain
      FROM unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k (attnum, class, position)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
      JOIN pg_opclass oc ON oc.oid = k.class
      JOIN pg_amop o ON o.amopfamily = oc.opcfamily AND o.amoplefttype = oc.opcintype
                    AND o.amoprighttype = oc.opcintype AND o.amopstrategy = 3
      JOIN pg_operator op ON op.oid = o.amopopr
      JOIN pg_namespace opn ON opn.oid = op.oprnamespace
      WHERE k.position <= i.indnkeyatts
    ) key
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND key.certain
  ) keys ON true
  LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
             'column', a.attname, 'schema', sn.nspname, 'name', s.relname, 'ascending', q.seqincrement > 0,
             'lastValue', CASE WHEN has_schema_privilege(sn.oid, 'USAGE') AND has_sequence_privilege(s.oid, 'SELECT')
                               THEN coalesce(pg_sequence_last_value(s.oid), q.seqstart - q.seqincrement)::text END)
             ORDER BY a.attnum, s.oid)::text AS list
    FROM (
      SELECT d.refobjsubid AS attnum, d.objid AS sequence FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = c.oid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
      UNION
      SELECT f.adnum, d.refobjid FROM pg_attrdef f
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
      WHERE f.adrelid = c.oid
    ) used
    JOIN pg_class s ON s.oid = used.sequence AND s.relkind = 'S'
    JOIN pg_namespace sn ON sn.oid = s.relnamespace
    JOIN pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = used.attnum AND a.atttypid IN (20, 21, 23)
  ) sequences ON true
  LEFT JOIN LATERAL (
    SELECT json_agg(DISTINCT t.tgname)::text AS list FROM pg_trigger t
    -- on INSERT (4) or UPDATE (16)
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 20 > 0
  ) triggers ON true`;

interface CatalogRow {
  oid: number;
  schema: string;
  name: string;
  partitioned: boolean;
  readable: boolean;
  filtered: boolean;
  columns: string;
  keys: string;
  sequences: string;
  triggers: string;
}

/** Reads the tables and partitioned tables of these names from the catalog. Other names are left out. */
export async function readLiveTables(
  session: Session,
  names: readonly { readonly schema: string; readonly name: string }[],
): Promise<LiveTable[]> {
  const wanted = names.map(({ schema, name }) => ({ schema, name }));
  const rows = await session.query<CatalogRow>(liveQuery, [JSON.stringify(wanted)]);
  return rows.map((row) => ({
    ...row,
    columns: JSON.parse(row.columns) as LiveColumn[],
    keys: JSON.parse(row.keys) as KeyColumn[][],
    sequences: JSON.parse(row.sequences) as OwnedSequence[],
    triggers: JSON.parse(row.triggers) as string[],
  }));
}

export async function readForeignKeys(session: Session): Promise<ForeignKey[]> {
  const rows = await session.query<{
    from_schema: string;
    from_name: string;
    to_schema: string;
    to_name: string;
    action: string;
  }>(`
    SELECT DISTINCT fn.nspname AS from_schema, f.relname AS from_name, tn.nspname AS to_schema, t.relname AS to_name,
           k.confdeltype AS action
    FROM pg_constraint k
    JOIN pg_class f ON f.oid = k.conrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
    JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0
    ORDER BY 1, 2, 3, 4`);
  return rows.map((row) => ({
    from: { schema: row.from_schema, name: row.from_name },
    to: { schema: row.to_schema, name: row.to_name },
    onDelete: row.action === 'c' ? 'delete' : row.action === 'n' || row.action === 'd' ? 'clear' : undefined,
  }));
}

/**
 * Checks that this role sees every row of the live tables: a hidden row would count as missing.
 *
 * @throws ConfigurationError naming every table that it does not see whole
 */
export async function checkComparable(session: Session, tables: readonly LiveTable[]): Promise<void> {
  const [role] = await session.query<{ name: string; bypass: boolean }>(
    'SELECT rolname AS name, rolsuper OR rolbypassrls AS bypass FROM pg_roles WHERE rolname = current_user',
  );
  const name = role?.name ?? 'this role';
  const unreadable = tables.filter((table) => !table.readable).map(writePattern);
  if (unreadable.length > 0) {
    throw new ConfigurationError(
      say`${nameInput('target-url')}: ${name} may not read ${unreadable.join(', ')}`,
      `Run "GRANT pg_read_all_data TO ${name}", or connect with another role.`,
    );
  }
  const filtered = tables.filter((table) => table.filtered).map(writePattern);
  if (role?.bypass !== true && filtered.length > 0) {
    throw new ConfigurationError(
      say`${nameInput('target-url')}: ${name} has no BYPASSRLS , and row level security hides rows of ${filtered.join(', ')}`,
      `Use the role postgres of the Supabase project, or run "ALTER ROLE ${name} BYPASSRLS".`,
    );
  }
}
