import type { Supplement } from '../../format/supplement.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { RolePlan } from '../roles/roles.ts';
import { splitSetting } from '../roles/server-roles.ts';
import { findDifferent } from '../roles/stored-settings.ts';
import type { TargetFacts } from './facts.ts';
import type { Reason } from './refusals.ts';

/** What the target knows of a setting. */
export interface KnownSetting {
  /** As in pg_settings; null for what is not listed there */
  readonly context: string | null;
  /** Whether the server takes the name all the same, as an old one of something or as one that it does not list */
  readonly hidden: boolean;
  /** Whether the connected role has been granted to set it */
  readonly granted: boolean;
}

/** By names in small letters */
export type KnownSettings = ReadonlyMap<string, KnownSetting>;

export async function readSettings(session: Session, names: readonly string[]): Promise<KnownSettings> {
  if (names.length === 0) return new Map();
  const granted = session.serverVersion >= 150000 ? `has_parameter_privilege(w.name, 'SET')` : 'false';
  const rows = await session.query<KnownSetting & { name: string }>(
    `SELECT w.name, s.context, ${granted} AS granted,
       CASE WHEN s.name IS NULL AND w.name !~ '\\.' THEN current_setting(w.name, true) IS NOT NULL ELSE false END AS hidden
     FROM unnest($1::text[]) AS w (name) LEFT JOIN pg_settings s ON lower(s.name) = w.name`,
    [[...new Set(names.map((name) => name.toLowerCase()))]],
  );
  return new Map(rows.map((row) => [row.name, row]));
}

/** The names of the settings that a function is called under, from its definition. */
export function findFunctionSettings(detail: string): string[] {
  const [, list] = /; set (.*?)(?:; library [^;]*)?; (?:body|definition) /s.exec(detail) ?? [];
  if (list === undefined) return [];
  // The value of a setting that users name themselves may be any text, names behind commas included.
  const names = [...list.replaceAll(/"(?:[^"]|"")*"/g, '""').matchAll(/(?:^|, )([A-Za-z_][\w$.]*)=/g)].map(
    ([, name = '']) => name,
  );
  const own = names.findIndex((name) => name.includes('.'));
  return own === -1 ? names : names.slice(0, own + 1);
}

/**
 * Why the server will not take a setting in a SET of a function, a role or a database; undefined where it will.
 *
 * @param called how a sentence names it
 * @param isJudged whether rights are a matter of PostgreSQL alone, and not of a platform that lets its roles do more
 */
export function judgeSetting(
  name: string,
  known: KnownSettings,
  { superuser }: Pick<TargetFacts, 'superuser'>,
  isJudged: boolean,
  called = `the setting ${name}`,
): Reason | undefined {
  const { context = null, hidden = false, granted = false } = known.get(name.toLowerCase()) ?? {};
  if (context === null && !hidden && !name.includes('.')) {
    return {
      why: `the target does not know ${called}`,
      remedy: 'Where it matters, take what newer versions have in its place.',
    };
  }
  if (context === 'internal' || context === 'postmaster' || context === 'sighup') {
    return {
      why: `on the target ${called} is of the whole server`,
      remedy: 'Where it matters, set it in the configuration of the server.',
    };
  }
  const isFree = context === 'user' || hidden || superuser || granted;
  if (isFree || !isJudged || (context !== null && context !== 'superuser')) return undefined;
  return {
    why: `the connected role may not give a value to ${called}`,
    remedy: 'Restore as a superuser, or have one GRANT SET ON PARAMETER to the role (from PostgreSQL 15 on).',
  };
}

/** Settings that a restore gives to the database and to roles. */
export interface GivenSetting {
  /** Undefined: the database's */
  readonly role: string | undefined;
  readonly name: string;
}

/** Those that the target does not have already, or that the plan of the roles says to give. */
export function listGivenSettings(
  { database }: Supplement,
  { altered, equipped, roles }: Pick<RolePlan, 'altered' | 'equipped' | 'roles'>,
  facts: TargetFacts,
): GivenSetting[] {
  const planned = new Set([...altered, ...equipped].map(({ what }) => what));
  const there = facts.database.settings.map(splitSetting);
  return [
    ...findDifferent(database.settings, there).map(({ name }) => ({ role: undefined, name })),
    ...roles.flatMap(({ name: role, settings, settingsHere }) => [
      ...settings
        .filter(({ name }) => planned.has(`setting ${name} of role ${role}`))
        .map(({ name }) => ({ role, name })),
      ...settingsHere
        .filter(({ name }) => planned.has(`setting ${name} of role ${role} in this database`))
        .map(({ name }) => ({ role, name })),
    ]),
  ];
}
