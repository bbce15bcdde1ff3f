import type { Session } from '../postgres/session/connection.ts';
import { isReservedRole } from './reserved-roles.ts';

/** Schemas that the platform, or an extension that it ships, keeps for itself. */
const managedSchemas: ReadonlySet<string> = new Set([
  '_analytics',
  '_realtime',
  '_supavisor',
  'auth',
  'cron',
  'extensions',
  'graphql',
  'graphql_public',
  'net',
  'pgbouncer',
  'pgmq',
  'pgsodium',
  'pgsodium_masks',
  'pgtle',
  'realtime',
  'storage',
  'supabase_functions',
  'tiger',
  'tiger_data',
  'topology',
  'vault',
]);

/** Which extension has a schema of that name: anybody may add a schema to an extension of his own. */
const makers: ReadonlyMap<string, string> = new Map([
  ['cron', 'pg_cron'],
  ['graphql', 'pg_graphql'],
  ['graphql_public', 'pg_graphql'],
  ['net', 'pg_net'],
  ['pgmq', 'pgmq'],
  ['pgsodium', 'pgsodium'],
  ['pgsodium_masks', 'pgsodium'],
  ['pgtle', 'pg_tle'],
  ['tiger', 'postgis_tiger_geocoder'],
  ['tiger_data', 'postgis_tiger_geocoder'],
  ['topology', 'postgis_topology'],
  ['vault', 'supabase_vault'],
]);

/** Whether a schema of that name and owner is a part of the platform. */
export function isPlatformSchema(name: string, owner: string): boolean {
  return managedSchemas.has(name) && isPlatformRole(owner);
}

/** Whether a role is the platform's and not the one that its user works as. */
export function isPlatformRole(name: string): boolean {
  return name !== 'postgres' && isReservedRole(name);
}

/**
 * The schemas of this database that are the platform's own. The name alone does not tell: a user may have a `topology` too, and what is the
 * user's must not be taken for something that comes with every project.
 */
export async function readManagedSchemas(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string; owner: string; extension: string | null }>(`
    SELECT n.nspname AS name, pg_get_userbyid(n.nspowner) AS owner, (
      SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
      WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e') AS extension
    FROM pg_namespace n`);
  const managed = rows.filter(
    ({ name, owner, extension }) =>
      managedSchemas.has(name) &&
      (isPlatformRole(owner) || (extension !== null && makers.get(name) === extension)),
  );
  return new Set(managed.map(({ name }) => name));
}

/** Which migrations of itself the platform has run, and whom its services serve: true of this project, not of the one that was backed up. */
const stateTables: ReadonlySet<string> = new Set([
  'auth.instances',
  'auth.schema_migrations',
  'realtime.schema_migrations',
  'storage.migrations',
  'supabase_functions.migrations',
]);
const stateSchemas: ReadonlySet<string> = new Set(['_analytics', '_realtime', '_supavisor']);

/** Whether the rows of a table of a managed schema say something about the platform itself: they stay as the target has them. */
export function isPlatformState({ schema, name }: { schema: string; name: string }): boolean {
  return stateSchemas.has(schema) || stateTables.has(`${schema}.${name}`);
}

/** Rows that come and go with the connections of a running project, and that mean nothing once it is another one. */
const transientSchemas: ReadonlySet<string> = new Set(['net', 'realtime']);

/** Whether rows there say that somebody uses the project. */
export function isUserData(table: { schema: string; name: string }): boolean {
  return !isPlatformState(table) && !transientSchemas.has(table.schema);
}
