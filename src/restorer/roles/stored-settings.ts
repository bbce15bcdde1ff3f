import type { Setting } from '../../format/supplement.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';

/**
 * Settings that are lists of names, each quoted by itself (GUC_LIST_QUOTE). No catalog tells which they are,
 * and no extension may define one (DefineCustomStringVariable). dumputils.c of PostgreSQL keeps the same
 * list.
 */
const quotedLists: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/** Lists in which the server folds unquoted names to lower case; the others hold names of files. */
const foldedLists: ReadonlySet<string> = new Set(['search_path', 'temp_tablespaces']);

/**
 * Writes a setting of pg_db_role_setting as the end of an ALTER ROLE or ALTER DATABASE that stores the same
 * again. A list given as one text would become a list of one name.
 */
export function writeSet({ name, value }: Setting): string {
  const variable = name.split('.').map(quoteIdentifier).join('.');
  return `SET ${variable} TO ${listOf(name, value)
    .map((text) => quoteLiteral(text).trim())
    .join(', ')}`;
}

/**
 * The same for people. The values of custom settings are not shown, because users keep keys for their
 * functions there.
 */
export function showSet(setting: Setting): string {
  return setting.name.includes('.') ? writeSet({ ...setting, value: '…' }) : writeSet(setting);
}

function listOf(name: string, value: string): string[] {
  const lower = name.toLowerCase();
  if (!quotedLists.has(lower)) return [value];
  const names = [...value.matchAll(/"((?:[^"]|"")*)"|([^,"]*[^\s,"])/g)].map(([, quoted, plain = '']) => {
    if (quoted !== undefined) return quoted.replaceAll('""', '"');
    return foldedLists.has(lower) ? plain.trim().toLowerCase() : plain.trim();
  });
  return names.length === 0 ? [''] : names;
}

/**
 * Finds the settings of `wanted` that `there` lacks or has differently. What `there` has besides is left
 * alone.
 */
export function findDifferent(wanted: readonly Setting[], there: readonly Setting[]): Setting[] {
  const values = new Map(there.map(({ name, value }) => [name.toLowerCase(), value]));
  return wanted.filter(({ name, value }) => values.get(name.toLowerCase()) !== value);
}
