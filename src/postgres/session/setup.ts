import type { ConnectionOption } from './options.ts';

/**
 * Settings of every session, whatever the server, the database, the role or a pooler sets: no timeout ends a
 * long statement, and names mean what they say. They are set after connecting, because poolers refuse
 * start-up parameters (PgBouncer) or drop them (Supavisor).
 */
const settings: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  client_min_messages: 'warning',
  // Compiling one of our catalog queries takes half a second and saves nothing.
  jit: 'off',
  // A transaction that must not write says so itself.
  default_transaction_read_only: 'off',
};

/** The timeouts as start-up options, for the very first statement, where the server accepts them. */
export const startOptions =
  '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c lock_timeout=0';

export const restricting = 'restrict_nonsystem_relation_kind';

/**
 * Settings that decide what our statements mean and which code they call; they override the user's `options`.
 * With constraint_exclusion the planner would run functions of check constraints with our privileges.
 */
const guards: Readonly<Record<string, string>> = {
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  constraint_exclusion: 'off',
  // As in pg_dump: between reading the catalog and reading rows, a user may rename a relation and give its
  // name to another one.
  [restricting]: 'view, foreign-table',
};

/**
 * Lets the server notice that the client is gone; otherwise the current statement of a stopped run continues
 * to its end. Servers on some systems cannot check, and refuse any value but 0.
 */
const endsWithUs = 'client_connection_check_interval';

/** Whether a user's `options` may not override a setting. */
export const isOurs = (name: string): boolean =>
  name.toLowerCase() === 'search_path' || Object.hasOwn(guards, name.toLowerCase());

/**
 * Writes one message that sets up a session and returns the resulting settings. Settings unknown to an older
 * server are left out.
 *
 * @param options the user's options, which override ours except the guards
 * @param looks whether to set `client_connection_check_interval`
 */
export function writeSetUp(options: readonly ConnectionOption[], looks: boolean): string {
  const wanted = { ...settings, ...(looks ? { [endsWithUs]: '1s' } : {}), ...guards };
  const values = Object.entries(wanted)
    .filter(([name]) => name in guards || !options.some((option) => option.name.toLowerCase() === name))
    .map(([name, value]) => `('${name}', '${value}')`);
  // The role's timeout applies to each statement, so the first statement removes it.
  return `SET statement_timeout = 0;
    SET search_path = '';
    SELECT name, set_config(name, value, false) AS value
    FROM pg_settings JOIN (VALUES ${values.join(', ')}) AS wanted (name, value) USING (name)
    UNION ALL SELECT 'server_version_num', current_setting('server_version_num')`;
}
