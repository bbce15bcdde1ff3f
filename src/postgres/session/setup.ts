import type { ConnectionOption } from './options.ts';

/**
 * What every session has, whatever the server, the database, the role or a pooler sets: no timeout that ends a long statement, and names that
 * mean what they say. It is set after connecting, because poolers refuse start-up parameters (PgBouncer) or drop them (Supavisor).
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
  // What must not write says so itself.
  default_transaction_read_only: 'off',
};

/** The same at the start of a session, for its very first statement, where that is taken. */
export const startOptions =
  '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c lock_timeout=0';

export const restricting = 'restrict_nonsystem_relation_kind';

/**
 * What a statement of ours means, and what it calls, is not for anybody else to say: they win over what a user gives as `options`. With
 * constraint exclusion the planner calls the functions of checks, as whoever asks.
 */
const guards: Readonly<Record<string, string>> = {
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  constraint_exclusion: 'off',
  // As pg_dump: a relation of a user may be renamed and another one take its name between the look at the catalog and the reading.
  [restricting]: 'view, foreign-table',
};

/** Without it a statement of a run that was stopped goes on to its end. Servers on some systems cannot look, and refuse any value but 0. */
const endsWithUs = 'client_connection_check_interval';

/** Whether a setting is not for the user to say. */
export const isOurs = (name: string): boolean =>
  name.toLowerCase() === 'search_path' || Object.hasOwn(guards, name.toLowerCase());

/**
 * One message that makes a session ours, and tells what it has then. Settings that the server does not know, because it is older, are left out
 * by it.
 *
 * @param options what the user gives, over ours
 * @param looks whether to ask for `client_connection_check_interval`
 */
export function writeSetUp(options: readonly ConnectionOption[], looks: boolean): string {
  const wanted = { ...settings, ...(looks ? { [endsWithUs]: '1s' } : {}), ...guards };
  const values = Object.entries(wanted)
    .filter(([name]) => name in guards || !options.some((option) => option.name.toLowerCase() === name))
    .map(([name, value]) => `('${name}', '${value}')`);
  // The timeout of the role holds for each statement, so the first one takes it away.
  return `SET statement_timeout = 0;
    SET search_path = '';
    SELECT name, set_config(name, value, false) AS value
    FROM pg_settings JOIN (VALUES ${values.join(', ')}) AS wanted (name, value) USING (name)
    UNION ALL SELECT 'server_version_num', current_setting('server_version_num')`;
}
