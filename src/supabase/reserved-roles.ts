/**
 * The roles that every Supabase project has of its own. They are the platform's: a project comes with them, and supautils keeps its users
 * from making or altering most of them (supautils.reserved_roles).
 */
const names: ReadonlySet<string> = new Set([
  'anon',
  'authenticated',
  'authenticator',
  'dashboard_user',
  'pgbouncer',
  'pgtle_admin',
  'postgres',
  'service_role',
]);

/** The command line tool makes a `cli_login_…` for each of its users; pgsodium has a keyholder, a keyiduser and a keymaker. */
const prefixes = ['supabase_', 'cli_login_', 'pgsodium_key'];

/** Whether a role is one of Supabase's own, and not its user's. */
export function isReservedRole(name: string): boolean {
  return names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
