import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { append } from '../../runtime/lists.ts';
import { writePattern } from '../../values/table-patterns.ts';

/** An object of a target that an object of the backup replaces. */
export interface TargetObject {
  /** oid of the catalog that it is in */
  readonly class: number;
  readonly oid: number;
}

/**
 * Something that depends on a replaced object, is dropped with it, and is given back when the object is there
 * again.
 */
export interface Held {
  /** For people */
  readonly what: string;
  /** Statement that drops it first; null where it is dropped with the object */
  readonly drop: string | null;
  readonly add: string;
  /** Statement that gives back a foreign key although rows violate it; null where there is none */
  readonly addUnchecked: string | null;
}

/** The objects of a target that a part of a backup replaces. */
export interface Replacement {
  /** For people, by catalog and name */
  readonly names: readonly string[];
  readonly objects: readonly TargetObject[];
  /** How many tables are dropped, partitions included */
  readonly tables: number;
  /** As the planner estimates them */
  readonly rows: number;
  /** Dropped tables that do not come back, because the backup has no rows of them */
  readonly lost: readonly TableSize[];
  readonly held: readonly Held[];
  /** Other objects that would be dropped with it */
  readonly hindrances: readonly string[];
  /** Whether the object of that name is dropped, itself or as a part, such as the sequence of a column */
  goes(entry: Pick<ArchiveEntry, 'schema' | 'name'>): boolean;
}

/** The entries of a backup that replace something. */
export interface Chosen {
  readonly entries: readonly ArchiveEntry[];
  /** The tables that the backup has rows of */
  readonly coming: readonly { readonly schema: string; readonly name: string }[];
}

export interface TableSize {
  readonly schema: string;
  readonly name: string;
  /** As the planner estimates them */
  readonly rows: number;
}

export const nothingReplaced: Replacement = {
  ...{ names: [], objects: [], tables: 0, rows: 0, lost: [], held: [], hindrances: [] },
  goes: () => false,
};

interface Catalog {
  readonly catalog: string;
  readonly name: string;
  readonly schema: string;
  /** Kinds of entries that it describes */
  readonly kinds: readonly string[];
}

const relations = ['TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE'];
const routines = ['FUNCTION', 'PROCEDURE', 'AGGREGATE'];
const types = ['TYPE', 'DOMAIN', 'SHELL TYPE'];

/** Catalogs of the objects that patterns can name. */
const catalogs: readonly Catalog[] = [
  { catalog: 'pg_class', name: 'relname', schema: 'relnamespace', kinds: relations },
  { catalog: 'pg_proc', name: 'proname', schema: 'pronamespace', kinds: routines },
  { catalog: 'pg_type', name: 'typname', schema: 'typnamespace', kinds: types },
  { catalog: 'pg_operator', name: 'oprname', schema: 'oprnamespace', kinds: ['OPERATOR'] },
  { catalog: 'pg_opclass', name: 'opcname', schema: 'opcnamespace', kinds: ['OPERATOR CLASS'] },
  { catalog: 'pg_opfamily', name: 'opfname', schema: 'opfnamespace', kinds: ['OPERATOR FAMILY'] },
  { catalog: 'pg_collation', name: 'collname', schema: 'collnamespace', kinds: ['COLLATION'] },
  { catalog: 'pg_conversion', name: 'conname', schema: 'connamespace', kinds: ['CONVERSION'] },
  { catalog: 'pg_ts_config', name: 'cfgname', schema: 'cfgnamespace', kinds: ['TEXT SEARCH CONFIGURATION'] },
  { catalog: 'pg_ts_dict', name: 'dictname', schema: 'dictnamespace', kinds: ['TEXT SEARCH DICTIONARY'] },
  { catalog: 'pg_ts_parser', name: 'prsname', schema: 'prsnamespace', kinds: ['TEXT SEARCH PARSER'] },
  { catalog: 'pg_ts_template', name: 'tmplname', schema: 'tmplnamespace', kinds: ['TEXT SEARCH TEMPLATE'] },
];

/** Whether patterns can name an entry of that kind, and it can be replaced. */
export function isReplaceable(kind: string): boolean {
  return catalogs.some(({ kinds }) => kinds.includes(kind));
}

/**
 * Finds the objects that entries of an archive replace, and what depends on them. Foreign keys of other
 * tables and memberships in publications are given back afterwards; everything else that would be dropped is
 * a hindrance.
 */
export async function findReplacement(session: Session, { entries, coming }: Chosen): Promise<Replacement> {
  const objects = await findObjects(session, entries);
  if (objects.length === 0) return nothingReplaced;
  const ids = [objects.map((object) => object.class), objects.map(({ oid }) => oid)];
  const sizes = await session.query<TableSize & { kind: string; [column: string]: unknown }>(
    `${partsQuery} ${relationsOfParts}`,
    ids,
  );
  const tables = sizes.filter(({ kind }) => kind === 'r');
  const back = new Set(coming.map(writePattern));
  const going = new Set(sizes.map(({ schema, name }) => identify(schema, name)));
  const hindrances = await session.query<{ what: string }>(`${partsQuery} ${beyondQuery}`, ids);
  return {
    names: objects.map(({ name }) => name),
    objects,
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    lost: tables.filter((table) => !back.has(writePattern(table))),
    held: await readHeld(session, ids),
    hindrances: hindrances.map(({ what }) => what),
    goes: ({ schema = '', name }) => going.has(identify(schema, name)),
  };
}

/** A table of contents replaces line breaks in names by spaces. */
function identify(schema: string, name: string): string {
  return `${schema}\0${name}`.replaceAll(/[\n\r]/g, ' ');
}

type Found = TargetObject & { readonly name: string };

async function findObjects(session: Session, entries: readonly ArchiveEntry[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const { catalog, name, schema: namespace, kinds } of catalogs) {
    const group = entries.filter(({ kind }) => kinds.includes(kind));
    if (group.length === 0) continue;
    const written = catalog === 'pg_proc' ? routineName : `o.${name}`;
    const rows = await session.query<Found & Record<string, unknown>>(
      `SELECT '${catalog}'::regclass::oid AS class, o.oid, format('%s.%s', n.nspname, ${written}) AS name
       FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
       JOIN pg_namespace n ON n.nspname = wanted.schema
       JOIN ${catalog} o ON o.${namespace} = n.oid AND translate(${written}, E'\\n\\r', '  ') = wanted.name
       ${catalog === 'pg_class' ? `WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')` : ''}
       ORDER BY 3`,
      [group.map(({ schema }) => schema ?? ''), group.map((entry) => entry.name)],
    );
    append(found, rows);
  }
  return found;
}

/** The name of a routine as in an archive, with the types of its arguments. */
const routineName = `(o.proname || '(' || CASE WHEN o.prokind = 'a' AND o.pronargs = 0 THEN '*' ELSE array_to_string(
  ARRAY(SELECT format_type(a.type, NULL) FROM unnest(o.proargtypes) WITH ORDINALITY AS a (type, at) ORDER BY a.at), ', ') END || ')')`;

/**
 * The replaced objects, with all that belongs to them: indexes, constraints, triggers, policies, sequences of
 * columns, partitions.
 */
const partsQuery = `
  WITH RECURSIVE parts (class, oid) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[])
    UNION
    SELECT d.classid, d.objid FROM parts p JOIN pg_depend d ON d.refclassid = p.class AND d.refobjid = p.oid
    WHERE d.deptype IN ('a', 'i', 'P', 'S')
  )`;

const relationsOfParts = `
  SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind,
         greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint AS rows
  FROM parts p JOIN pg_class c ON p.class = 'pg_class'::regclass AND c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') ORDER BY 1, 2`;

/** A condition: the row d of pg_depend is about a foreign key. */
const isForeignKey = `(d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid AND k.contype = 'f'))`;

/**
 * Objects that DROP … CASCADE would drop besides: those that need one of the parts, and those that need
 * these. What needs another column of the same table does not count. Dependent objects are listed without
 * their parts.
 */
const beyondQuery = `
  , beyond (class, oid, sub, told) AS (
    SELECT d.classid, d.objid, d.objsubid, true FROM parts p JOIN pg_depend d ON d.refclassid = p.class AND d.refobjid = p.oid
    WHERE d.deptype IN ('n', 'e', 'x') AND NOT ${isForeignKey} AND (d.classid, d.objid) NOT IN (TABLE parts)
    UNION
    SELECT more.* FROM beyond b, LATERAL (
      SELECT d.classid, d.objid, d.objsubid, d.deptype = 'n' FROM pg_depend d
      WHERE d.refclassid = b.class AND d.refobjid = b.oid AND (b.sub = 0 OR d.refobjsubid = b.sub)
        AND (d.classid, d.objid) NOT IN (TABLE parts)
      UNION ALL
      SELECT 'pg_class'::regclass, r.ev_class, 0, false FROM pg_rewrite r
      WHERE b.class = 'pg_rewrite'::regclass AND r.oid = b.oid AND r.rulename = '_RETURN') AS more
  )
  SELECT DISTINCT coalesce((SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0) FROM pg_rewrite r
                            WHERE class = 'pg_rewrite'::regclass AND r.oid = b.oid AND r.rulename = '_RETURN'),
                           pg_describe_object(class, oid, sub)) AS what
  FROM beyond b WHERE told ORDER BY 1`;

async function readHeld(session: Session, ids: readonly unknown[][]): Promise<Held[]> {
  const keys = await session.query<{
    table: string;
    key: string;
    definition: string;
    comment: string | null;
  }>(`${partsQuery} ${keysQuery}`, [...ids]);
  const listed = session.serverVersion >= 150000 ? listedTables : listedTablesBefore15;
  const members = await session.query<{ publication: string; table: string; list: string }>(
    `${partsQuery} ${listed}`,
    [...ids],
  );
  return [
    ...keys.map(({ table, key, definition, comment }) => {
      const alter = `ALTER TABLE ${table}`;
      const add = `${alter} ADD CONSTRAINT ${key} ${definition}`;
      const remark = comment === null ? '' : `; COMMENT ON CONSTRAINT ${key} ON ${table} IS ${comment}`;
      return {
        what: `foreign key ${key} of ${table}`,
        drop: `${alter} DROP CONSTRAINT ${key}`,
        add: `${add}${remark}`,
        addUnchecked: definition.endsWith(' NOT VALID') ? null : `${add} NOT VALID${remark}`,
      };
    }),
    ...members.map(({ publication, table, list }) => ({
      what: `table ${table} of publication ${publication}`,
      drop: null,
      add: `ALTER PUBLICATION ${publication} ADD TABLE ONLY ${table}${list}`,
      addUnchecked: null,
    })),
  ];
}

/** Foreign keys of other tables; of a partitioned table, the key as it was declared. */
const keysQuery = `
  , keys (oid, above) AS (
    SELECT k.oid, k.conparentid FROM pg_constraint k
    WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM parts WHERE class = 'pg_class'::regclass)
      AND ('pg_constraint'::regclass, k.oid) NOT IN (TABLE parts)
    UNION
    SELECT k.oid, k.conparentid FROM keys JOIN pg_constraint k ON k.oid = keys.above
  )
  SELECT format('%I.%I', n.nspname, c.relname) AS table, quote_ident(k.conname) AS key, pg_get_constraintdef(k.oid) AS definition,
         quote_literal(obj_description(k.oid, 'pg_constraint')) AS comment
  FROM keys JOIN pg_constraint k USING (oid) JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.conparentid = 0 AND ('pg_constraint'::regclass, k.oid) NOT IN (TABLE parts) ORDER BY 1, 2`;

const listedColumns = (list: string) => `
  SELECT quote_ident(b.pubname) AS publication, format('%I.%I', n.nspname, c.relname) AS table, ${list} AS list
  FROM parts p JOIN pg_publication_rel r ON p.class = 'pg_class'::regclass AND r.prrelid = p.oid
    JOIN pg_publication b ON b.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY 1, 2`;

const listedTables = listedColumns(`concat(
    (SELECT format(' (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs) HAVING count(*) > 0),
    ' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')')`);

const listedTablesBefore15 = listedColumns(`''`);
