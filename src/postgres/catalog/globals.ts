import type { CronJob, Role, Setting, Supplement } from '../../format/supplement.ts';
import { isNotOwnObject } from '../own-schema.ts';
import type { Session } from '../session/connection.ts';

/** What belongs to a cluster and to no archive of one database. */
export type Globals = Pick<Supplement, 'roles' | 'database' | 'cronJobs'>;

/**
 * Reads what pg_dump leaves out because it belongs to the cluster. Passwords are not included: they cannot be
 * read.
 */
export async function readGlobals(session: Session): Promise<Globals> {
  const [roles, database, cronJobs] = await Promise.all([
    readRoles(session),
    readDatabase(session),
    readCronJobs(session),
  ]);
  return { roles, database, cronJobs };
}

const here = `(SELECT oid FROM pg_database WHERE datname = current_database())`;

/**
 * The oids of the relevant roles. In a Supabase project, which is a cluster of its own, these are all roles.
 * Elsewhere other databases may have their own roles, so only these count: roles that this database names,
 * their members, and the groups that all of these belong to.
 */
const relatedRoles = `
  WITH RECURSIVE named AS (
    SELECT refobjid AS oid FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND ((dbid = ${here} AND ${isNotOwnObject('classid', 'objid')}) OR (classid = 'pg_database'::regclass AND objid = ${here}))
    UNION SELECT setrole FROM pg_db_role_setting WHERE setdatabase = ${here}
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()
    UNION SELECT oid FROM pg_roles
    WHERE to_regnamespace('auth') IS NOT NULL
      AND (SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')) = 3
  ), ours AS (
    SELECT r.oid FROM named JOIN pg_roles r USING (oid) WHERE r.rolname !~ '^pg_'
    UNION SELECT m.member FROM ours JOIN pg_auth_members m ON m.roleid = ours.oid
  ), related AS (
    SELECT oid FROM ours
    UNION SELECT m.roleid FROM related JOIN pg_auth_members m ON m.member = related.oid
  )
  SELECT oid FROM related`;

/** A list of name=value texts as JSON, ordered by name. */
const settingsOf = (role: string, database: string) => `
  (SELECT json_agg(json_build_object('name', split_part(x, '=', 1), 'value', substr(x, strpos(x, '=') + 1)) ORDER BY x COLLATE "C")
   FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS x WHERE s.setrole = ${role} AND s.setdatabase = ${database})::text`;

interface RoleRow {
  name: string;
  superuser: boolean;
  inherit: boolean;
  create_role: boolean;
  create_database: boolean;
  login: boolean;
  replication: boolean;
  bypass_rls: boolean;
  connection_limit: number;
  valid_until: string | null;
  comment: string | null;
  member_of: string | null;
  settings: string | null;
  settings_here: string | null;
}

async function readRoles(session: Session): Promise<Role[]> {
  // The same membership may have several grantors, each with its own options: one that allows is enough.
  const options =
    session.serverVersion >= 160000
      ? `'inherit', bool_or(m.inherit_option), 'set', bool_or(m.set_option)`
      : `'inherit', NULL, 'set', NULL`;
  const rows = await session.query<RoleRow & Record<string, unknown>>(`
    SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolinherit AS inherit, r.rolcreaterole AS create_role,
           r.rolcreatedb AS create_database, r.rolcanlogin AS login, r.rolreplication AS replication, r.rolbypassrls AS bypass_rls,
           r.rolconnlimit AS connection_limit,
           CASE WHEN isfinite(r.rolvaliduntil) THEN to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                ELSE r.rolvaliduntil::text END AS valid_until,
           shobj_description(r.oid, 'pg_authid') AS comment,
           (SELECT json_agg(g.line ORDER BY g.name) FROM (
              SELECT a.rolname AS name, json_build_object('role', a.rolname, 'admin', bool_or(m.admin_option), ${options}) AS line
              FROM pg_auth_members m JOIN pg_roles a ON a.oid = m.roleid WHERE m.member = r.oid
              GROUP BY a.rolname) AS g)::text AS member_of,
           ${settingsOf('r.oid', '0')} AS settings, ${settingsOf('r.oid', here)} AS settings_here
    FROM pg_roles r WHERE r.rolname !~ '^pg_' AND r.oid IN (${relatedRoles}) ORDER BY r.rolname`);
  return rows.map((row) => ({
    name: row.name,
    superuser: row.superuser,
    inherit: row.inherit,
    createRole: row.create_role,
    createDatabase: row.create_database,
    login: row.login,
    replication: row.replication,
    bypassRls: row.bypass_rls,
    connectionLimit: row.connection_limit,
    validUntil: row.valid_until,
    comment: row.comment,
    memberOf: parseList<Role['memberOf'][number]>(row.member_of),
    settings: parseList<Setting>(row.settings),
    settingsHere: parseList<Setting>(row.settings_here),
  }));
}

function parseList<T>(text: string | null): T[] {
  return text === null ? [] : (JSON.parse(text) as T[]);
}

/**
 * Settings that the values of expressions may depend on. `search_path` is handled where it is needed
 * (restorer/search-paths.ts).
 */
export const surroundingSettings: readonly string[] = [
  ...['DateStyle', 'IntervalStyle', 'TimeZone', 'timezone_abbreviations', 'default_text_search_config'],
  ...['lc_monetary', 'lc_numeric', 'lc_time', 'bytea_output', 'extra_float_digits', 'xmlbinary', 'xmloption'],
];

/** The values that these settings have in a new session of this role in this database. */
export async function readSurroundings(session: Session): Promise<Setting[]> {
  const names = surroundingSettings.map((name) => `'${name.toLowerCase()}'`).join(', ');
  const rows = await session.query<{ name: string; value: string }>(
    `SELECT name, reset_val AS value FROM pg_settings WHERE lower(name) IN (${names}) ORDER BY name COLLATE "C"`,
  );
  return rows.map(({ name, value }) => ({ name, value }));
}

async function readDatabase(session: Session): Promise<Globals['database']> {
  const [[row], surroundings] = await Promise.all([
    session.query<DatabaseRow & Record<string, unknown>>(databaseQuery),
    readSurroundings(session),
  ]);
  if (!row) throw new Error('the server did not describe the database');
  return {
    owner: row.owner,
    comment: row.comment,
    settings: parseList<Setting>(row.settings),
    connectionLimit: row.limit,
    surroundings,
    grants: row.grants === null ? null : parseList(row.grants),
  };
}

interface DatabaseRow {
  readonly owner: string;
  readonly comment: string | null;
  readonly limit: number;
  readonly settings: string | null;
  readonly grants: string | null;
}

const databaseQuery = `
    SELECT r.rolname AS owner, d.datconnlimit AS limit, shobj_description(d.oid, 'pg_database') AS comment, ${settingsOf('0', 'd.oid')} AS settings,
           CASE WHEN d.datacl IS NOT NULL THEN coalesce((
             SELECT json_agg(json_build_object('grantee', x.grantee, 'privilege', x.privilege, 'grantable', x.grantable)
                             ORDER BY x.grantee COLLATE "C", x.privilege COLLATE "C")
             FROM (SELECT coalesce(g.rolname, 'PUBLIC')::text AS grantee, a.privilege_type AS privilege,
                          bool_or(a.is_grantable) AS grantable
                   FROM aclexplode(d.datacl) AS a LEFT JOIN pg_roles g ON g.oid = a.grantee GROUP BY 1, 2) AS x), '[]') END::text AS grants
    FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = current_database()`;

/**
 * A condition on a row `c` of pg_class: any role may create a relation of that name, but not as a part of an
 * extension, and not with a superuser as its owner.
 */
const isReal = (
  extension: string,
) => `((SELECT r.rolsuper FROM pg_roles r WHERE r.oid = c.relowner) OR EXISTS (
  SELECT FROM pg_depend m JOIN pg_extension e ON e.oid = m.refobjid AND m.refclassid = 'pg_extension'::regclass
  WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid AND m.deptype = 'e' AND e.extname = '${extension}'))`;

/** Columns that older versions of pg_cron lack, each with the value that its absence means. */
const laterColumns: Readonly<Record<string, string>> = {
  jobname: 'NULL::text',
  database: 'current_database()::text',
  username: 'current_user::text',
  active: 'true',
};

/** Reads pg_cron's jobs. The table has a policy: a role without BYPASSRLS sees only its own jobs. */
async function readCronJobs(session: Session): Promise<CronJob[]> {
  const columns = await session.query<{ name: string }>(`
    SELECT a.attname AS name FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'cron' AND c.relname = 'job' AND c.relkind = 'r' AND ${isReal('pg_cron')} AND a.attnum > 0 AND NOT a.attisdropped
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`);
  if (columns.length === 0) return [];
  // `row_security = off` makes a filtered SELECT fail, as it should for a user's tables; cron.job is meant to
  // be filtered.
  const [setting] = await session.query<{ row_security: string }>('SHOW row_security');
  await session.query('SET LOCAL row_security = on');
  const names = new Set(columns.map((column) => column.name));
  const column = (name: string) => (names.has(name) ? `j.${name}` : (laterColumns[name] ?? ''));
  const rows = await session.query<CronJob & Record<string, unknown>>(`
    SELECT ${column('jobname')} AS name, j.schedule, j.command, ${column('database')} AS database,
           ${column('username')} AS username, ${column('active')} AS active
    FROM cron.job j ORDER BY j.jobid`);
  await session.query(`SET LOCAL row_security = ${setting?.row_security ?? 'on'}`);
  return rows.map((row) => ({ ...row }));
}
