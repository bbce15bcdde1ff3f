import type { Manifest } from '../format/manifest.ts';
import type { Supplement } from '../format/supplement.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';

/** Where functions of the source may look for what they name without a schema. */
export interface SearchPaths {
  /** Values of search_path, the most likely first */
  readonly candidates: readonly string[];
  /** The one that something could not be done without; undefined as long as nothing was */
  needed: string | undefined;
}

/**
 * The values of search_path that functions, checks and indexes of the source may count on, the most likely first: that of the database,
 * those of its roles, and in the end one that has all schemas, those of extensions before others.
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
