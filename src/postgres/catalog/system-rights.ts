import type { Definition } from '../../format/supplement.ts';
import type { Session } from '../session/connection.ts';
import { sortDefinitions } from './definitions.ts';
import { userSchema } from './facts.ts';
import { apiRoles, ofUsers } from './ownership-queries.ts';

/*
 * Changed privileges on objects that are not the user's own (functions and views of extensions and of
 * pg_catalog), or that have no line elsewhere (types, languages, foreign servers). pg_dump compares each list
 * with the object's initial one (pg_init_privs) and writes the difference. The lines here follow it: one for
 * each object and grantee that differ.
 */

const isMember = (catalog: string, oid: string) =>
  `EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;

/** Objects of an extension or of the server itself; pg_dump omits information_schema. */
const ofOthers = (catalog: string, oid: string) =>
  `(n.nspname = 'pg_catalog' OR (${isMember(catalog, oid)} AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'))`;

/** Each query yields (class, oid, sub, kind of acldefault, type, schema, name, acl, owner). */
const objects = [
  `SELECT 'pg_proc'::regclass, p.oid, 0, 'f', 'function', n.nspname::text, p.proname || '(' || oidvectortypes(p.proargtypes) || ')',
     p.proacl, p.proowner
   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${ofOthers('pg_proc', 'p.oid')}`,
  `SELECT 'pg_class'::regclass, c.oid, 0, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
     n.nspname, c.relname, c.relacl, c.relowner
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${ofOthers('pg_class', 'c.oid')}`,
  `SELECT 'pg_class'::regclass, c.oid, a.attnum, 'c', 'column', n.nspname, quote_ident(c.relname) || '.' || quote_ident(a.attname), a.attacl, c.relowner
   FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ${ofOthers('pg_class', 'c.oid')}
     AND (a.attacl IS NOT NULL OR EXISTS (SELECT FROM wanted w WHERE w.type = 'column'))`,
  `SELECT 'pg_type'::regclass, t.oid, 0, 'T', 'type', n.nspname, t.typname, t.typacl, t.typowner
   FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE (n.nspname = 'pg_catalog' OR ${userSchema}) AND NOT (t.typelem <> 0 AND t.typcategory = 'A')
     AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))`,
  `SELECT 'pg_namespace'::regclass, n.oid, 0, 'n', 'schema', NULL, n.nspname, n.nspacl, n.nspowner
   FROM pg_namespace n WHERE n.nspname = 'pg_catalog' OR (${isMember('pg_namespace', 'n.oid')} AND ${userSchema})`,
  `SELECT 'pg_language'::regclass, l.oid, 0, 'l', 'language', NULL, l.lanname, l.lanacl, l.lanowner FROM pg_language l WHERE l.lanpltrusted`,
  `SELECT 'pg_foreign_data_wrapper'::regclass, w.oid, 0, 'F', 'foreign data wrapper', NULL, w.fdwname, w.fdwacl, w.fdwowner
   FROM pg_foreign_data_wrapper w`,
  `SELECT 'pg_foreign_server'::regclass, s.oid, 0, 'S', 'foreign server', NULL, s.srvname, s.srvacl, s.srvowner FROM pg_foreign_server s`,
];

/**
 * Grantees to describe, including predefined roles such as pg_monitor, and without the platform's own roles.
 */
const told = `SELECT 0::oid AS oid, 'PUBLIC' AS name
  UNION ALL SELECT u.oid, quote_ident(u.rolname) FROM pg_roles u WHERE u.rolname IN ${apiRoles} OR u.rolname ~ '^pg_' OR (${ofUsers})`;

const privilege = `x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END`;

/** Current and initial privileges by grantee; MAINTAIN, new in 17, is left out. */
const lists = (condition: string) => `
  SELECT o.type, o.schema, o.name, x.grantee,
    string_agg(DISTINCT ${privilege}, ', ') FILTER (WHERE x.now) AS now, string_agg(DISTINCT ${privilege}, ', ') FILTER (WHERE NOT x.now) AS came
  FROM objects o
  LEFT JOIN pg_init_privs i ON i.classoid = o.class AND i.objoid = o.oid AND i.objsubid = o.sub
  CROSS JOIN LATERAL (SELECT acldefault(o.letter::"char", o.owner) AS acl) AS d
  CROSS JOIN LATERAL (
    SELECT true AS now, y.* FROM aclexplode(coalesce(o.acl, d.acl)) AS y
    UNION ALL SELECT false, y.* FROM aclexplode(coalesce(i.initprivs, d.acl)) AS y) AS x
  WHERE x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN' AND ${condition}
  GROUP BY o.class, o.oid, o.sub, o.type, o.schema, o.name, x.grantee`;

const rightsQuery = `
  WITH wanted AS MATERIALIZED (
    SELECT x.type, x.schema, x.name, x.grantee FROM jsonb_to_recordset($1::jsonb) AS x (type text, schema text, name text, grantee text)
  ), told AS MATERIALIZED (${told}
  ), objects (class, oid, sub, letter, type, schema, name, acl, owner) AS MATERIALIZED (
    SELECT NULL::regclass, NULL::oid, NULL::int, NULL::text, NULL::text, NULL::text, NULL::text, NULL::aclitem[], NULL::oid WHERE false
    UNION ALL ${objects.join('\nUNION ALL\n')}
  ), changed AS (
    SELECT l.type, l.schema, l.name, t.name AS grantee, coalesce(l.now, '') AS list
    FROM (${lists('o.acl IS NOT NULL')}) AS l JOIN told t ON t.oid = l.grantee WHERE l.now IS DISTINCT FROM l.came
  ), asked AS (
    SELECT o.type, o.schema, o.name, w.grantee, o.class, o.oid, o.sub, o.letter, o.acl, o.owner
    FROM wanted w JOIN objects o ON o.type = w.type AND o.schema IS NOT DISTINCT FROM w.schema AND o.name = w.name
  )
  SELECT 'rights' AS kind, schema, NULL AS relation, type || ' ' || name || ' to ' || grantee AS name, list AS detail FROM changed
  UNION
  SELECT 'rights', o.schema, NULL, o.type || ' ' || o.name || ' to ' || o.grantee, coalesce((
    SELECT string_agg(DISTINCT ${privilege}, ', ')
    FROM aclexplode(coalesce(o.acl, acldefault(o.letter::"char", o.owner))) AS x JOIN told t ON t.oid = x.grantee
    WHERE t.name = o.grantee AND x.privilege_type <> 'MAINTAIN'), '')
  FROM asked o`;

/**
 * Reads the changed privileges.
 *
 * @param wanted lines of kind `rights` of another database. Every object of these that exists here gets a
 *   line, even with its initial privileges. So a missing line means that the object does not exist here, and
 *   equal details mean that nothing has to be done.
 */
export async function readSystemRights(
  session: Session,
  wanted: readonly Definition[] = [],
): Promise<Definition[]> {
  const asked = wanted.flatMap((line) => parseRights(line) ?? []);
  const rows = await session.query<Definition & Record<string, string | null>>(rightsQuery, [
    JSON.stringify(asked),
  ]);
  return sortDefinitions(rows.map((row) => ({ ...row })));
}

/** What a line of kind `rights` is about. */
export interface Rights {
  readonly type: string;
  /** null for an object outside of any schema */
  readonly schema: string | null;
  /** A function with its argument types, a column as `table.column`. */
  readonly name: string;
  /** `PUBLIC`, or a quoted role. */
  readonly grantee: string;
}

/** @returns undefined for a line of another kind */
export function parseRights({ kind, schema, name: text }: Definition): Rights | undefined {
  if (kind !== 'rights') return undefined;
  const [, type, name, grantee] =
    /^(function|table|sequence|column|type|schema|language|foreign data wrapper|foreign server) (.*) to ("(?:[^"]|"")*"|[^" ]+)$/s.exec(
      text,
    ) ?? [];
  if (type === undefined || name === undefined || grantee === undefined) return undefined;
  return { type, schema, name, grantee };
}
