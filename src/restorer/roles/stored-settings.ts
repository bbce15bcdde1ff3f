import type { Setting } from '../../format/supplement.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';

/**
 * The settings that are lists of names, each quoted by itself (GUC_LIST_QUOTE). No catalog tells them, and no extension may have one
 * (DefineCustomStringVariable); dumputils.c of PostgreSQL keeps the same list.
 */
const quotedLists: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/** Of these the server reads unquoted names in lower case; the others are names of files. */
const foldedLists: ReadonlySet<string> = new Set(['search_path', 'temp_tablespaces']);

/**
 * Writes a setting as it stands in pg_db_role_setting as the end of an ALTER ROLE or ALTER DATABASE, so that the same is stored again. A
 * list given as one text would become a list of one name.
 */
export function writeSet({ name, value }: Setting): string {
  const variable = name.split('.').map(quoteIdentifier).join('.');
  return `SET ${variable} TO ${listOf(name, value)
    .map((text) => quoteLiteral(text).trim())
    .join(', ')}`;
}

/** The same for people. What users name themselves is where they keep keys for their functions, and is not shown. */
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

/** Those of `wanted` that are not so in `there`. What is there besides is no business of a backup. */
export function findDifferent(wanted: readonly Setting[], there: readonly Setting[]): Setting[] {
  const values = new Map(there.map(({ name, value }) => [name.toLowerCase(), value]));
  return wanted.filter(({ name, value }) => values.get(name.toLowerCase()) !== value);
}
