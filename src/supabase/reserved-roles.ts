/**
 * Roles that every Supabase project comes with. They belong to the platform: supautils keeps users from
 * creating or altering most of them (supautils.reserved_roles).
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

/**
 * Supabase's command line creates a `cli_login_…` for each of its users; pgsodium has a keyholder, a
 * keyiduser and a keymaker.
 */
const prefixes = ['supabase_', 'cli_login_', 'pgsodium_key'];

/** Whether a role is one of Supabase's own, and not a user's. */
export function isReservedRole(name: string): boolean {
  return names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
