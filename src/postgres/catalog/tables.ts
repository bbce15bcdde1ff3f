import { createHash } from 'node:crypto';
import { isNotOwnSchema } from '../own-schema.ts';
import type { Session } from '../session/connection.ts';
import { isCarriedQueue } from './queues.ts';
import { type ColumnShapes, readColumnShapes } from './types.ts';

/** A table that holds rows of its own, as the catalog describes it. */
export interface TableInfo {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly relfilenode: number;
  /** SHA-256 over the columns and everything that their types consist of. */
  readonly fingerprint: string;
  readonly persistence: 'permanent' | 'unlogged';
  /** Why a row may read differently although it was not written; undefined when that cannot happen. */
  readonly volatileType: string | undefined;
  /** Columns that COPY writes, without dropped and generated ones; in the order of `root` if there is one. */
  readonly columns: readonly string[];
  /**
   * Where the rows have to be loaded: the root of a partition tree in which a row may belong to another
   * partition after a restore. Hashing an enum hashes its oid, which a restore changes (pg_dump's
   * forcePartitionRootLoad).
   */
  readonly root: { readonly schema: string; readonly name: string } | undefined;
  /** The partitioned tables above it: a pattern that matches one of them matches this table. */
  readonly ancestors?: readonly { readonly schema: string; readonly name: string }[];
  /** Whether rows can be addressed by page: heap tables only. */
  readonly heap: boolean;
  /** bytes of the main fork */
  readonly heapBytes: number;
  /** bytes of the TOAST table */
  readonly toastBytes: number;
  /**
   * Whether this role may read it; undefined when it was dropped after the snapshot, because the server
   * cannot tell then.
   */
  readonly readable: boolean | undefined;
  /** Whether row security would hide rows from this role if it could not bypass it. */
  readonly hiddenByRls: boolean;
  /**
   * Whether a role other than this one, and no superuser, may create indexes on it or give its name to
   * another relation.
   */
  readonly foreign: boolean;
}

interface CatalogRow {
  oid: number;
  schema: string;
  name: string;
  relfilenode: number;
  shape: string;
  types: string;
  unlogged: boolean;
  columns: string | null;
  root_schema: string | null;
  root_name: string | null;
  ancestors: string;
  heap: boolean;
  readable: boolean | null;
  hidden_by_rls: boolean;
  foreign: boolean;
}

/**
 * A condition on the owner of a table or a schema; `public` belongs to the owner of the database. An index of
 * a partitioned table is created on its partitions, also on those of other owners.
 */
const isForeign = (owner: string) => `EXISTS (
  SELECT FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname <> current_user AND r.oid = CASE pg_get_userbyid(${owner})
    WHEN 'pg_database_owner' THEN (SELECT datdba FROM pg_database WHERE datname = current_database()) ELSE ${owner} END)`;

/**
 * Tables that hold rows of their own: ordinary tables and leaf partitions. Tables of extensions are left to
 * pg_dump, which knows their configuration rows; the exceptions are tables of message queues, whose rows it
 * does not write. Foreign tables hold no rows here, and materialized views are refreshed.
 */
const tablesQuery = `
  WITH RECURSIVE moving AS (
    SELECT partrelid AS oid FROM pg_partitioned_table
    WHERE partclass::oid[] && ARRAY(SELECT x.oid FROM pg_opclass x JOIN pg_am a ON a.oid = x.opcmethod
                                    WHERE x.opcname = 'enum_ops' AND a.amname = 'hash')
    UNION
    SELECT i.inhrelid FROM moving JOIN pg_inherits i ON i.inhparent = moving.oid
  )
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relfilenode,
         coalesce(a.shape, '') AS shape, coalesce(a.types, '[]') AS types, c.relpersistence = 'u' AS unlogged,
         CASE WHEN c.relispartition THEN (
           SELECT coalesce(json_agg(json_build_object('schema', pn.nspname, 'name', p.relname)), '[]')
           FROM pg_partition_ancestors(c.oid) AS x JOIN pg_class p ON p.oid = x.relid JOIN pg_namespace pn ON pn.oid = p.relnamespace
           WHERE p.oid <> c.oid) ELSE '[]' END::text AS ancestors,
         a.columns, root.schema AS root_schema, root.name AS root_name, am.amname = 'heap' AS heap,
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable,
         c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) AS hidden_by_rls,
         ${isForeign('c.relowner')} OR ${isForeign('n.nspowner')} OR (c.relispartition AND EXISTS (
           SELECT FROM pg_partition_ancestors(c.oid) AS x JOIN pg_class p ON p.oid = x.relid WHERE ${isForeign('p.relowner')})) AS foreign
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN LATERAL (
    SELECT r.oid, rn.nspname AS schema, r.relname AS name
    FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE c.relispartition AND c.oid IN (SELECT oid FROM moving) AND r.oid = pg_partition_root(c.oid)
  ) root ON true
  LEFT JOIN LATERAL (
    SELECT json_agg(DISTINCT atttypid::int8) FILTER (WHERE NOT attisdropped AND attgenerated = '')::text AS types,
           json_agg(attname ORDER BY coalesce(
             (SELECT r.attnum FROM pg_attribute r WHERE r.attrelid = root.oid AND r.attname = pg_attribute.attname), attnum)) FILTER (WHERE NOT attisdropped AND attgenerated = '')::text AS columns,
           string_agg(concat_ws(chr(31), attnum, attname, atttypid, atttypmod, attcollation, attisdropped,
                                atthasmissing, attmissingval, attgenerated, attidentity),
                      chr(30) ORDER BY attnum) AS shape
    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
  ) a ON true
  WHERE c.relkind = 'r'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND ${isNotOwnSchema}
    AND (NOT EXISTS (SELECT FROM pg_depend d
                     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') OR ${isCarriedQueue})
  ORDER BY n.nspname, c.relname`;

/**
 * Reads all tables from the catalog only, so that it waits for no locked table. Sizes are 0 until
 * `measureTables`.
 */
export async function readTables(session: Session): Promise<TableInfo[]> {
  const [rows, shapes] = await Promise.all([
    session.query<CatalogRow>(tablesQuery),
    readColumnShapes(session),
  ]);
  return rows.map((row) => ({
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    relfilenode: row.relfilenode,
    ...toShape(row, shapes),
    columns: row.columns === null ? [] : (JSON.parse(row.columns) as string[]),
    root:
      row.root_schema === null || row.root_name === null
        ? undefined
        : { schema: row.root_schema, name: row.root_name },
    ancestors: JSON.parse(row.ancestors) as { schema: string; name: string }[],
    heap: row.heap,
    heapBytes: 0,
    toastBytes: 0,
    readable: row.readable ?? undefined,
    hiddenByRls: row.hidden_by_rls,
    foreign: row.foreign,
  }));
}

function toShape(
  row: CatalogRow,
  shapes: ColumnShapes,
): Pick<TableInfo, 'fingerprint' | 'persistence' | 'volatileType'> {
  const types = JSON.parse(row.types) as number[];
  const volatile = shapes.findVolatile(types);
  return {
    fingerprint: createHash('sha256')
      .update(`${row.shape}\n${shapes.fingerprint(types)}`)
      .digest('hex'),
    persistence: row.unlogged ? 'unlogged' : 'permanent',
    volatileType:
      (row.heap ? undefined : 'it is not a heap table') ??
      (row.unlogged ? 'it is unlogged' : undefined) ??
      (volatile === undefined ? undefined : `it has a column of type ${volatile}`),
  };
}

/** Adds the sizes. It locks each table, so call it for tables that are already locked or not in use. */
export async function measureTables(session: Session, tables: readonly TableInfo[]): Promise<TableInfo[]> {
  const rows = await session.query<{ oid: number; heap: number; toast: number }>(
    `SELECT c.oid, coalesce(pg_relation_size(c.oid), 0) AS heap,
            CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE coalesce(pg_relation_size(c.reltoastrelid), 0) END AS toast
     FROM pg_class c WHERE c.oid = ANY ($1::oid[])`,
    [`{${tables.map((table) => table.oid).join(',')}}`],
  );
  const sizes = new Map(rows.map((row) => [row.oid, row]));
  return tables.map((table) => {
    const size = sizes.get(table.oid);
    return { ...table, heapBytes: size?.heap ?? 0, toastBytes: size?.toast ?? 0 };
  });
}

/** The name in keys and descriptions, without quotes; `writePattern` writes a form that can be typed. */
export function qualifiedName(table: { schema: string; name: string }): string {
  return `${table.schema}.${table.name}`;
}
