import type { Session } from '../postgres/session/connection.ts';
import { isReservedRole } from './reserved-roles.ts';

/** Schemas that belong to the platform, or to an extension that it ships. */
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

/** The extension that has a schema of this name: any user may add a schema to an extension of their own. */
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

/** Whether a schema with this name and owner is a part of the platform. */
export function isPlatformSchema(name: string, owner: string): boolean {
  return managedSchemas.has(name) && isPlatformRole(owner);
}

/** Whether a role belongs to the platform and is not the one that users work as. */
export function isPlatformRole(name: string): boolean {
  return name !== 'postgres' && isReservedRole(name);
}

/**
 * Reads which schemas of this database are the platform's own. The name alone does not decide: a user may
 * have a schema `topology`, too, and it must not be taken for one that comes with every project.
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

/**
 * Tables with the platform's own migrations and the instances that its services serve: they describe this
 * project, not the one that was backed up.
 */
const stateTables: ReadonlySet<string> = new Set([
  'auth.instances',
  'auth.schema_migrations',
  'realtime.schema_migrations',
  'storage.migrations',
  'supabase_functions.migrations',
]);
const stateSchemas: ReadonlySet<string> = new Set(['_analytics', '_realtime', '_supavisor']);

/** Whether the rows of a table in a managed schema describe the platform itself: the target keeps its own. */
export function isPlatformState({ schema, name }: { schema: string; name: string }): boolean {
  return stateSchemas.has(schema) || stateTables.has(`${schema}.${name}`);
}

/**
 * Schemas whose rows come and go with the connections of a running project, and mean nothing in another one.
 */
const transientSchemas: ReadonlySet<string> = new Set(['net', 'realtime']);

/** Whether rows of the table show that the project is in use. */
export function isUserData(table: { schema: string; name: string }): boolean {
  return !isPlatformState(table) && !transientSchemas.has(table.schema);
}
