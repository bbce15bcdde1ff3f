import { firstUserOid, own, userSchema } from './facts.ts';

/* Owners and grants. Rows are of (kind, schema, relation, name, detail), as in definition-queries.ts. */

const owner = (name: string) => `quote_ident(pg_get_userbyid(${name}))`;

/**
 * Kinds whose owners pg_dump writes, except those with queries of their own below: catalog and column of the
 * owner.
 */
const owned: readonly (readonly [catalog: string, owner: string, condition?: string])[] = [
  ['pg_foreign_data_wrapper', 'fdwowner'],
  ['pg_language', 'lanowner'],
  ['pg_operator', 'oprowner', 'x.oprcode <> 0'],
  ['pg_opclass', 'opcowner'],
  ['pg_opfamily', 'opfowner'],
  ['pg_collation', 'collowner'],
  ['pg_conversion', 'conowner'],
  ['pg_ts_dict', 'dictowner'],
  ['pg_ts_config', 'cfgowner'],
  ['pg_statistic_ext', 'stxowner', own('pg_class', 'x.stxrelid')],
  [
    'pg_subscription',
    'subowner',
    'x.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
  ],
];

/**
 * Owner of every object. SECURITY DEFINER functions, views without security_invoker and a table's policies
 * run with the owner's rights. All owners are listed, not only unusual ones: another database has other usual
 * owners. A part of a relation has the relation's owner.
 */
export const owners = [
  `SELECT 'owner', n.nspname, NULL, '(schema)', ${owner('n.nspowner')}
   FROM pg_namespace n WHERE ${userSchema} AND ${own('pg_namespace', 'n.oid')}`,
  `SELECT 'owner', r.nspname, r.relname, '', ${owner('r.relowner')}
   FROM relations r
   WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE r.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = r.oid
                       AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass)`,
  `SELECT 'owner', f.nspname, NULL, f.signature, ${owner('f.proowner')} FROM routines f`,
  `SELECT 'owner', t.nspname, NULL, t.typname, ${owner('t.typowner')} FROM types t`,
  `SELECT 'owner', NULL, NULL, 'event trigger ' || e.evtname, ${owner('e.evtowner')}
   FROM pg_event_trigger e WHERE ${own('pg_event_trigger', 'e.oid')}`,
  `SELECT 'owner', NULL, NULL, 'publication ' || p.pubname, ${owner('p.pubowner')}
   FROM pg_publication p WHERE ${own('pg_publication', 'p.oid')}`,
  `SELECT 'owner', NULL, NULL, 'foreign server ' || s.srvname, ${owner('s.srvowner')}
   FROM pg_foreign_server s WHERE ${own('pg_foreign_server', 's.oid')}`,
  `SELECT 'owner', NULL, NULL, 'extension ' || e.extname, ${owner('e.extowner')} FROM pg_extension e WHERE e.oid >= ${firstUserOid}`,
  ...owned.map(
    ([catalog, column, condition = 'true']) =>
      `SELECT 'owner', i.schema, NULL, i.type || ' ' || i.identity, ${owner(`x.${column}`)}
       FROM ${catalog} x CROSS JOIN LATERAL pg_identify_object('${catalog}'::regclass, x.oid, 0) AS i
       WHERE x.oid >= ${firstUserOid} AND ${own(catalog, 'x.oid')} AND ${condition}`,
  ),
];

/** Owners that the first version of descriptions lacks; a line's name begins with the kind of object. */
export const laterOwner =
  /^(extension|foreign-data wrapper|language|operator|operator class|operator family|collation|conversion|text search dictionary|text search configuration|statistics object|subscription) /;

/** The roles that Supabase's API assumes for its clients. */
export const apiRoles = `('anon', 'authenticated', 'service_role')`;

/**
 * Excludes Supabase's own roles, whose grants come from the platform, and the API's roles, whose effective
 * privileges are compared instead.
 */
export const ofUsers = `u.rolname NOT IN ('anon', 'authenticated', 'authenticator', 'dashboard_user', 'pgbouncer', 'postgres', 'service_role')
  AND u.rolname !~ '^(pg_|supabase_|cli_login_|pgsodium_key|pgtle_)'`;

/**
 * Privileges that a list grants to some roles, without its owner: one row of (grantee, privileges) for each
 * role.
 */
const granted = (acl: string, owner: string, condition: string) => `LATERAL (
  SELECT u.rolname AS grantee,
         string_agg(DISTINCT x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END, ', ') AS list
  FROM aclexplode(${acl}) AS x JOIN pg_roles u ON u.oid = x.grantee
  WHERE x.grantee <> ${owner} AND x.privilege_type <> 'MAINTAIN' AND ${condition} GROUP BY u.rolname) AS g`;

const grantsTo = (kind: string, condition: string) => [
  `SELECT '${kind}', NULL, NULL, 'schema ' || quote_ident(n.nspname) || ' to ' || quote_ident(g.grantee), g.list
   FROM pg_namespace n CROSS JOIN ${granted('n.nspacl', 'n.nspowner', condition)} WHERE ${userSchema} AND ${own('pg_namespace', 'n.oid')}`,
  `SELECT '${kind}', r.nspname, r.relname, g.grantee, g.list
   FROM relations r CROSS JOIN ${granted('r.relacl', 'r.relowner', condition)}`,
  `SELECT '${kind}', r.nspname, r.relname, quote_ident(a.attname) || ' to ' || quote_ident(g.grantee), g.list
   FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
   CROSS JOIN ${granted('a.attacl', 'r.relowner', condition)}`,
  `SELECT '${kind}', f.nspname, NULL, f.signature || ' to ' || quote_ident(g.grantee), g.list
   FROM routines f CROSS JOIN ${granted('f.proacl', 'f.proowner', condition)}`,
];

export const grants = [
  ...grantsTo('grant', ofUsers),
  // The API's privileges are compared by effect, which does not include the right to grant them to others.
  ...grantsTo('grant option', `u.rolname IN ${apiRoles} AND x.is_grantable`),
];
