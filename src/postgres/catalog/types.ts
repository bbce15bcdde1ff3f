import { createHash } from 'node:crypto';
import type { Session } from '../session/connection.ts';

/**
 * What the text of a column depends on besides the stored rows: the labels of an enum, the attributes of a
 * composite type, the output function of a base type. All of these may change without a row being written.
 */
export interface ColumnShapes {
  /** A digest over the given types and everything that they consist of, hexadecimal SHA-256. */
  fingerprint(typeOids: readonly number[]): string;
  /**
   * A type, among the given ones or inside them, whose text may change although neither a row nor the type's
   * definition did: it contains the name of an object that can be renamed, or its output function is unknown
   * here. Undefined when there is none.
   */
  findVolatile(typeOids: readonly number[]): string | undefined;
}

/**
 * One type as the catalog describes it. `parts` lists the types that it consists of; the rest goes only into
 * the digest.
 */
interface TypeRow {
  oid: number;
  schema: string;
  name: string;
  kind: string;
  extension: string | null;
  isArray: boolean;
  /** Oids of the types that it consists of, as JSON. */
  parts: string;
  /** Everything that its text depends on, as JSON. */
  definition: string;
}

/** The first oid that initdb leaves to users (FirstNormalObjectId). */
const firstUserOid = 16384;

/** The oids of the types that a row `t` of pg_type consists of. */
const partsOf = `
  SELECT p.oid FROM (VALUES (t.typelem), (t.typbasetype)) AS p (oid) WHERE p.oid <> 0
  UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
  UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid
  UNION ALL SELECT a.atttypid FROM pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped`;

/**
 * The types of user tables' columns and, recursively, the types that these consist of: elements of arrays,
 * bases of domains, subtypes of ranges, attributes of composite types, which may be the row types of other
 * tables.
 */
const typesQuery = `
  WITH RECURSIVE reached (oid) AS (
    SELECT DISTINCT a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    UNION SELECT part.oid FROM reached JOIN pg_type t USING (oid) CROSS JOIN LATERAL (${partsOf}) AS part
  )
  SELECT t.oid, n.nspname AS schema, t.typname AS name, t.typtype AS kind, e.extname AS extension,
         t.typsubscript = 'array_subscript_handler'::regproc AS "isArray",
         (SELECT coalesce(json_agg(part.oid::int8), '[]') FROM (${partsOf}) AS part)::text AS parts,
         -- oids of functions as numbers: a regproc is written with or without its schema, as the search_path of the session has it
         json_build_array(t.typtype, t.typlen, t.typelem, t.typbasetype, t.typtypmod, t.typoutput::oid, t.typdelim, e.extversion,
           -- A base type of its own may get another output function under the same oid.
           CASE WHEN t.typoutput >= ${firstUserOid} THEN (SELECT json_build_array(p.prosrc, p.probin) FROM pg_proc p WHERE p.oid = t.typoutput) END,
           (SELECT json_agg(json_build_array(l.oid, l.enumlabel) ORDER BY l.enumsortorder) FROM pg_enum l WHERE l.enumtypid = t.oid),
           (SELECT json_agg(json_build_array(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped) ORDER BY a.attnum)
            FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0))::text AS definition
  FROM reached JOIN pg_type t USING (oid) JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = d.refobjid`;

/** Reads the types of all user tables at once, without waiting for a lock. */
export async function readColumnShapes(session: Session): Promise<ColumnShapes> {
  const rows = await session.query<TypeRow>(typesQuery);
  const types = new Map(rows.map((row) => [row.oid, { ...row, parts: JSON.parse(row.parts) as number[] }]));
  const closures = new Map<number, ReadonlySet<number>>();

  /** A type and all types that it consists of. */
  function closureOf(oid: number): ReadonlySet<number> {
    const known = closures.get(oid);
    if (known) return known;
    const closure = new Set<number>([oid]);
    for (const member of closure) {
      for (const part of types.get(member)?.parts ?? []) closure.add(part);
    }
    closures.set(oid, closure);
    return closure;
  }

  const closureOfAll = (oids: readonly number[]) => new Set(oids.flatMap((oid) => [...closureOf(oid)]));
  return {
    fingerprint(oids) {
      const hash = createHash('sha256');
      for (const oid of [...closureOfAll(oids)].sort((one, other) => one - other)) {
        hash.update(`${oid} ${types.get(oid)?.definition ?? ''}\n`);
      }
      return hash.digest('hex');
    },
    findVolatile(oids) {
      for (const oid of closureOfAll(oids)) {
        const type = types.get(oid);
        // A composed type is as steady as its parts.
        if (type === undefined || !(type.kind === 'b' || type.kind === 'p') || type.isArray) continue;
        if (!isSteady(type)) return `${type.schema}.${type.name}`;
      }
      return undefined;
    },
  };
}

/**
 * Base types of PostgreSQL whose text depends only on the value, and on settings that are the same in all our
 * sessions.
 */
const steadyTypes = new Set(
  `bool bytea char name int8 int2 int4 text oid json xml point lseg path box polygon line float4 float8 circle money macaddr inet cidr
   macaddr8 bpchar varchar date time timestamp timestamptz interval timetz bit varbit numeric uuid jsonb jsonpath tsvector tsquery
   pg_lsn int2vector oidvector`.split(/\s+/),
);

/** Such types of extensions, whose version is part of the digest. */
const steadyExtensionTypes: Readonly<Record<string, readonly string[]>> = {
  citext: ['citext'],
  cube: ['cube'],
  hstore: ['hstore'],
  ltree: ['ltree'],
  postgis: ['geometry', 'geography'],
  seg: ['seg'],
  vector: ['vector', 'halfvec', 'sparsevec'],
};

function isSteady(type: Pick<TypeRow, 'oid' | 'schema' | 'name' | 'extension'>): boolean {
  if (type.extension !== null) return steadyExtensionTypes[type.extension]?.includes(type.name) ?? false;
  return type.schema === 'pg_catalog' && type.oid < firstUserOid && steadyTypes.has(type.name);
}
