import type { Manifest } from '../format/manifest.ts';
import type { Supplement } from '../format/supplement.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';

/** Values of search_path with which functions of the source may find what they name without a schema. */
export interface SearchPaths {
  /** The most likely first */
  readonly candidates: readonly string[];
  /** The one that was needed for something; undefined while none was */
  needed: string | undefined;
}

/**
 * Lists the values of search_path that functions, checks and indexes of the source may rely on, the most
 * likely first: that of the database, those of its roles, and at the end one with all schemas, those of
 * extensions before others.
 */
export function listSearchPaths(
  { database, roles, definitions }: Pick<Supplement, 'database' | 'roles' | 'definitions'>,
  { extensions }: Pick<Manifest['facts'], 'extensions'>,
): SearchPaths {
  const settings = [
    ...database.settings,
    ...roles.flatMap(({ settingsHere }) => settingsHere),
    ...roles.flatMap((role) => role.settings),
  ];
  const set = settings.filter(({ name }) => name === 'search_path').map(({ value }) => value);
  const schemas = definitions.filter(({ kind }) => kind === 'schema').map(({ name }) => name);
  const all = new Set(['public', ...extensions.map(({ schema }) => schema), ...schemas]);
  all.delete('pg_catalog');
  const wide = ['"$user"', ...[...all].map(quoteIdentifier)].join(', ');
  const candidates = [...new Set([...set, wide])].filter((path) => path.trim() !== '');
  return { candidates, needed: undefined };
}
