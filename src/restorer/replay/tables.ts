import type { TableEntry } from '../../format/manifest.ts';
import type { TableName } from '../../postgres/decoding/test-decoding.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { PresentTable } from '../../supabase/project-selection.ts';

/** A table whose changes are replayed, as the target has it. */
export interface ReplayTable {
  readonly entry: TableEntry;
  /** Whether the target had it before, with triggers and foreign keys of its own */
  readonly present: boolean;
  /** The table that its rows are written to, quoted */
  readonly into: string;
  /**
   * The same for a statement that leaves out tables which inherit from it; equal to `into` for a partitioned
   * table
   */
  readonly only: string;
  /** By their names as `encodeName` writes them, in the table's order */
  readonly columns: ReadonlyMap<string, TargetColumn>;
  /** Columns of the source that the target lacks, named the same way */
  readonly missing: ReadonlySet<string>;
  /** Keys that identify a row, the best first */
  readonly keys: readonly RowKey[];
  /** REPLICA IDENTITY FULL: the source writes all of a row that it changes */
  readonly full: boolean;
  /** First column of an index, to look up rows that no key identifies */
  readonly lookup: KeyColumn | undefined;
}

export interface TargetColumn {
  readonly name: string;
  /** As CREATE TABLE takes it */
  readonly type: string;
  readonly generated: boolean;
  /** GENERATED ALWAYS AS IDENTITY: an UPDATE may not set it */
  readonly always: boolean;
}

/** The columns of a unique index, none of which may be null */
export interface RowKey {
  readonly columns: readonly KeyColumn[];
  /** Whether it is the replica identity, which the server writes of a changed row */
  readonly identity: boolean;
}

export interface KeyColumn {
  /** As `encodeName` writes it */
  readonly name: string;
  /** The equality of the index, `OPERATOR(schema.=)` */
  readonly operator: string;
}

/** The bytes of a name, each as one character, which is how changes are read. */
export function encodeName(name: string): string {
  return Buffer.from(name).toString('latin1');
}

export function decodeName(name: string): string {
  return Buffer.from(name, 'latin1').toString();
}

interface CatalogColumn extends TargetColumn {
  readonly number: number;
  readonly required: boolean;
}

interface CatalogIndex {
  readonly unique: boolean;
  readonly primary: boolean;
  readonly identity: boolean;
  readonly columns: readonly { readonly number: number; readonly operator: string | null }[];
}

/**
 * Only B-trees over all rows and plain columns: PostgreSQL makes no replica identity of others, and they
 * allow no lookup by equality of columns.
 */
const tablesQuery = `
  SELECT w.place::int4 AS place, c.relreplident AS identity,
    (SELECT coalesce(json_agg(json_build_object(
              'number', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'generated', a.attgenerated <> '',
              'always', a.attidentity = 'a', 'required', a.attnotnull) ORDER BY a.attnum), '[]')
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text AS columns,
    (SELECT coalesce(json_agg(json_build_object(
              'unique', i.indisunique AND i.indimmediate, 'primary', i.indisprimary, 'identity', i.indisreplident,
              'columns', (SELECT json_agg(json_build_object('number', k.number, 'operator', e.operator) ORDER BY k.place)
                          FROM unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k (number, class, place)
                          LEFT JOIN LATERAL (
                            SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS operator
                            FROM pg_opclass oc JOIN pg_amop m ON m.amopfamily = oc.opcfamily AND m.amopstrategy = 3
                              AND m.amoplefttype = oc.opcintype AND m.amoprighttype = oc.opcintype
                            JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
                            WHERE oc.oid = k.class) e ON true
                          WHERE k.place <= i.indnkeyatts)) ORDER BY i.indexrelid), '[]')
     FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
     WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND x.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
    )::text AS indexes
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, place)
  JOIN pg_namespace s ON s.nspname = w.schema JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = w.name
  WHERE c.relkind = 'r' ORDER BY w.place`;

/**
 * Reads the ordinary tables that are named, and all partitioned ones. Tables that the target lacks are left
 * out.
 */
export async function readReplayTables(
  session: Session,
  created: readonly TableEntry[],
  present: readonly PresentTable[],
): Promise<{ tables: ReplayTable[]; partitioned: TableName[] }> {
  const wanted: readonly PresentTable[] = [...created.map((table) => ({ table, missing: [] })), ...present];
  const rows = await session.query<{ place: number; identity: string; columns: string; indexes: string }>(
    tablesQuery,
    [wanted.map(({ table }) => table.schema), wanted.map(({ table }) => table.name)],
  );
  const partitioned = await session.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p'`,
  );
  const tables = rows.map((row) => {
    const found = wanted[row.place - 1];
    if (found === undefined) throw new Error(`no table was asked for at ${row.place}`);
    return {
      present: row.place > created.length,
      ...toTable(found),
      ...toCatalog(
        JSON.parse(row.columns) as CatalogColumn[],
        JSON.parse(row.indexes) as CatalogIndex[],
        row.identity,
      ),
    };
  });
  return { tables, partitioned };
}

function toTable({ table, missing }: PresentTable): Pick<ReplayTable, 'entry' | 'into' | 'only' | 'missing'> {
  const { schema, name } = table.root ?? table;
  const into = quoteQualified(schema, name);
  return {
    entry: table,
    into,
    only: table.root === null ? `ONLY ${into}` : into,
    missing: new Set(missing.map(encodeName)),
  };
}

function toCatalog(
  columns: readonly CatalogColumn[],
  indexes: readonly CatalogIndex[],
  identity: string,
): Pick<ReplayTable, 'columns' | 'keys' | 'full' | 'lookup'> {
  const byNumber = new Map(columns.map((column) => [column.number, column]));
  const usable = indexes.flatMap((index) => {
    const named = index.columns.flatMap(({ number, operator }) => {
      const column = byNumber.get(number);
      return column === undefined || operator === null
        ? []
        : [{ name: encodeName(column.name), operator, required: column.required }];
    });
    return named.length === index.columns.length && named.length > 0 ? [{ ...index, named }] : [];
  });
  const isIdentity = (index: CatalogIndex) =>
    identity === 'i' ? index.identity : identity === 'd' && index.primary;
  const keys = usable
    .filter((index) => index.unique && index.named.every(({ required }) => required))
    .map((index) => ({ columns: index.named, identity: isIdentity(index), primary: index.primary }))
    .sort((one, other) => rank(one) - rank(other));
  return {
    columns: new Map(columns.map((column) => [encodeName(column.name), column])),
    keys,
    full: identity === 'f',
    lookup: usable.find((index) => index.named.length > 0)?.named[0],
  };
}

function rank({ identity, primary }: { identity: boolean; primary: boolean }): number {
  return identity ? 0 : primary ? 1 : 2;
}
