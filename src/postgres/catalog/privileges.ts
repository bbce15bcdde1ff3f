import type { Privilege } from '../../format/supplement.ts';
import { compareKeys } from '../../values/ordering.ts';
import type { Session } from '../session/connection.ts';
import { routines } from './definition-words.ts';
import { own, ownRelation, userSchema } from './facts.ts';

/** The roles that Supabase's API assumes for its clients. */
export const apiRoles = ['anon', 'authenticated', 'service_role'];

/**
 * Privileges known to all supported major versions. MAINTAIN, new in 17, would make a database of 15 differ
 * from its copy.
 */
const privilegesOf = {
  schema: ['CREATE', 'USAGE'],
  table: ['DELETE', 'INSERT', 'REFERENCES', 'SELECT', 'TRIGGER', 'TRUNCATE', 'UPDATE'],
  column: ['INSERT', 'REFERENCES', 'SELECT', 'UPDATE'],
  sequence: ['SELECT', 'UPDATE', 'USAGE'],
  function: ['EXECUTE'],
} as const;

type Kind = keyof typeof privilegesOf;

const roleList = apiRoles.map((role) => `'${role}'`).join(', ');

/** The privileges of `kind` that fulfil a condition, as one text; null when there is none. */
const those = (kind: Kind, condition: string) =>
  `(SELECT string_agg(p, ',' ORDER BY p COLLATE "C")
    FROM unnest('{${privilegesOf[kind].join(',')}}'::text[]) AS p WHERE ${condition})`;

/** The privileges that `acl` gives to PUBLIC, as one text; null when there is none. */
const ofPublic = (acl: string, condition = 'true') =>
  `(SELECT string_agg(DISTINCT x.privilege_type, ',' ORDER BY x.privilege_type)
    FROM aclexplode(${acl}) AS x WHERE x.grantee = 0 AND x.privilege_type <> 'MAINTAIN' AND ${condition})`;

/**
 * Effective privileges follow from an object's grants and owner, and thousands of tables share a few
 * combinations: each combination is evaluated once, for one object that has it.
 */
const objectsQuery = `
  WITH objects AS MATERIALIZED (
    SELECT 'schema' AS kind, n.oid, n.nspname::text AS schema, ''::text AS name,
           coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl, n.nspowner AS owner, false AS definer
    FROM pg_namespace n WHERE ${userSchema} AND ${own('pg_namespace', 'n.oid')}
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid, n.nspname, c.relname,
           coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)), c.relowner, false
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${userSchema} AND ${ownRelation}
    UNION ALL
    SELECT 'function', p.oid, p.nspname, p.signature, coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner, p.prosecdef
    FROM (${routines}) AS p
  ), alike AS MATERIALIZED (
    SELECT kind, acl, owner, min(oid) AS oid FROM objects GROUP BY kind, acl, owner
  ), effective AS MATERIALIZED (
    SELECT a.kind, a.acl, a.owner, r.rolname::text AS grantee,
           CASE a.kind WHEN 'schema' THEN ${those('schema', 'has_schema_privilege(r.oid, a.oid, p)')}
                       WHEN 'table' THEN ${those('table', 'has_table_privilege(r.oid, a.oid, p)')}
                       WHEN 'sequence' THEN ${those('sequence', 'has_sequence_privilege(r.oid, a.oid, p)')}
                       ELSE ${those('function', 'has_function_privilege(r.oid, a.oid, p)')} END AS privileges
    FROM pg_roles r CROSS JOIN alike a WHERE r.rolname IN (${roleList})
    UNION ALL
    SELECT kind, acl, owner, 'PUBLIC', ${ofPublic('acl')} FROM alike
  )
  SELECT kind, schema, name, NULL::text AS "column", grantee, privileges, definer
  FROM objects JOIN effective USING (kind, acl, owner) WHERE privileges IS NOT NULL`;

/** Columns with grants of their own, as far as these allow more than the grants of their table. */
const columnsQuery = `
  WITH columns AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, a.attacl,
           coalesce(c.relacl, acldefault('r', c.relowner)) AS relacl
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND ${userSchema} AND ${own('pg_class', 'c.oid')}
  ), effective AS (
    SELECT k.*, r.rolname::text AS grantee, ${those(
      'column',
      'has_column_privilege(r.oid, k.oid, k.attnum, p) AND NOT has_table_privilege(r.oid, k.oid, p)',
    )} AS privileges
    FROM pg_roles r CROSS JOIN columns k WHERE r.rolname IN (${roleList})
    UNION ALL
    SELECT k.*, 'PUBLIC', ${ofPublic(
      'k.attacl',
      `NOT EXISTS (SELECT FROM aclexplode(k.relacl) AS y WHERE y.grantee = 0 AND y.privilege_type = x.privilege_type)`,
    )}
    FROM columns k
  )
  SELECT 'column', nspname, relname, attname, grantee, privileges, false FROM effective WHERE privileges IS NOT NULL`;

interface PrivilegeRow {
  kind: Kind;
  schema: string;
  name: string;
  column: string | null;
  grantee: string;
  privileges: string;
  definer: boolean;
}

/**
 * Reads what PUBLIC and the existing roles of Supabase's API may do with the user's objects, one line for
 * each role and object with any privilege. Lines and their order depend on the privileges alone, so they can
 * be compared with a copy's.
 *
 * @param session with an empty search_path, as all our sessions
 */
export async function readPrivileges(session: Session): Promise<Privilege[]> {
  const rows = await session.query<PrivilegeRow>(`(${objectsQuery}) UNION ALL (${columnsQuery})`);
  return rows
    .map((row) => ({ ...row, privileges: row.privileges.split(',') }))
    .sort((one, other) => compareKeys(keyOf(one), keyOf(other)));
}

const keyOf = ({ kind, schema, name, column, grantee }: Privilege) => [
  kind,
  schema,
  name,
  column ?? '',
  grantee,
];
