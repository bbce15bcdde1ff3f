import type { Supplement } from '../../format/supplement.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { RolePlan } from '../roles/roles.ts';
import { splitSetting } from '../roles/server-roles.ts';
import { findDifferent } from '../roles/stored-settings.ts';
import type { TargetFacts } from './facts.ts';
import type { Reason } from './refusals.ts';

/** What the target knows about a setting. */
export interface KnownSetting {
  /** As in pg_settings; null for a setting that is not listed there */
  readonly context: string | null;
  /**
   * Whether the server accepts the name although it is not listed, as an old name of a setting for example
   */
  readonly hidden: boolean;
  /** Whether the connected role was granted SET on it */
  readonly granted: boolean;
}

/** By names in lower case */
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

/** Reads from a function's definition the names of the settings that it runs with. */
export function findFunctionSettings(detail: string): string[] {
  const [, list] = /; set (.*?)(?:; library [^;]*)?; (?:body|definition) /s.exec(detail) ?? [];
  if (list === undefined) return [];
  // The value of a custom setting may be any text, including commas and names, so what follows the first one
  // is not read.
  const names = [...list.replaceAll(/"(?:[^"]|"")*"/g, '""').matchAll(/(?:^|, )([A-Za-z_][\w$.]*)=/g)].map(
    ([, name = '']) => name,
  );
  const own = names.findIndex((name) => name.includes('.'));
  return own === -1 ? names : names.slice(0, own + 1);
}

/**
 * Finds why the server will refuse a setting in a SET of a function, a role or a database; undefined where it
 * will not.
 *
 * @param called how a sentence names it
 * @param isJudged whether PostgreSQL alone decides about rights, and no platform that lets its roles do more
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
      remedy: 'If you need it, use what newer versions have instead.',
    };
  }
  if (context === 'internal' || context === 'postmaster' || context === 'sighup') {
    return {
      why: `on the target, ${called} applies to the whole server`,
      remedy: 'If you need it, set it in the configuration of the server.',
    };
  }
  const isFree = context === 'user' || hidden || superuser || granted;
  if (isFree || !isJudged || (context !== null && context !== 'superuser')) return undefined;
  return {
    why: `the connected role cannot set ${called}`,
    remedy: 'Restore as a superuser, or have one GRANT SET ON PARAMETER to the role (from PostgreSQL 15 on).',
  };
}

/** A setting that a restore gives to the database or to a role. */
export interface GivenSetting {
  /** Undefined for a setting of the database */
  readonly role: string | undefined;
  readonly name: string;
}

/**
 * Lists the settings of the database that the target does not have already, and those of roles that are
 * planned.
 */
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
