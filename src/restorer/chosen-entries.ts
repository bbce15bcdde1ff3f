import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { RestoreSelection } from '../parity/scope.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { askForTables } from '../values/nearest-tables.ts';
import { createSelection } from '../values/table-patterns.ts';
import { createChoice, findUnmatchedIn, selectAll, selectPart } from './archive/selection.ts';
import { isWhole, type RestoreRequest } from './request.ts';

export function chooseEntries(
  request: RestoreRequest,
  manifest: Manifest,
  contents: readonly ArchiveEntry[],
): RestoreSelection {
  if (isWhole(request)) return selectAll(contents, manifest.tables);
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  return selectPart(contents, names, createChoice(request));
}

/**
 * Refuses patterns that match nothing: with a mistyped one the restore would bring or replace something that
 * was not meant.
 *
 * @throws ConfigurationError naming the patterns
 */
export function refuseUnmatched(
  { include, exclude, manifest }: RestoreRequest,
  contents: readonly ArchiveEntry[],
): void {
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  for (const [input, patterns] of [['include', include] as const, ['exclude', exclude] as const]) {
    const unmatched = findUnmatchedIn(contents, names, patterns);
    if (unmatched.length === 0) continue;
    throw new ConfigurationError(
      say`${nameInput(input)}: nothing in backup ${manifest.id} matches ${unmatched.join(', ')}`,
      `${askForTables(unmatched, manifest.tables)}Correct the name, or leave it out. Write schema.table or schema.*; names are case-sensitive. \`show\` lists the tables.`,
    );
  }
}

/**
 * Refuses a selection without entries. A view alone, for example, is left out where its tables are missing.
 *
 * @throws ConfigurationError
 */
export function refuseNothing(
  request: RestoreRequest,
  { entries }: RestoreSelection,
  manifest: Manifest,
): void {
  if (isWhole(request) || entries.some((entry) => entry.kind !== 'EXTENSION')) return;
  const without = request.exclude.length > 0 ? ` without ${request.exclude.join(', ')}` : '';
  throw new ConfigurationError(
    say`${nameInput('include')}: nothing in backup ${manifest.id} matches ${request.include.join(', ')}${without}`,
    `${askForTables(request.include, manifest.tables)}Write names as schema.table or schema.*. \`show\` lists the tables.`,
  );
}

/**
 * Chooses the tables of message queues. A part of a backup has the queues that its patterns name; the list of
 * queues (`meta`) is then the extension's own.
 */
export function chooseQueues(request: RestoreRequest, tables: readonly TableEntry[]): readonly TableEntry[] {
  if (isWhole(request)) return tables;
  const isChosen = createSelection(request.include, request.exclude);
  return tables.filter((table) => table.name !== 'meta' && isChosen(table));
}

/**
 * Whether an entry holds pg_cron's jobs. They are scheduled through its functions instead, so that they do
 * not run before they should.
 */
export function isJobTable({ kind, schema, name }: ArchiveEntry): boolean {
  return kind === 'TABLE DATA' && schema === 'cron' && name === 'job';
}
