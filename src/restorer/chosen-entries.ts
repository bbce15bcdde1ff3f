import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { RestoreSelection } from '../parity/scope.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import { ConfigurationError } from '../runtime/errors.ts';
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

/** A pattern with a slip in it would bring something, or replace something, that was not meant. */
export function refuseUnmatched(
  { include, exclude, manifest }: RestoreRequest,
  contents: readonly ArchiveEntry[],
): void {
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  for (const [input, patterns] of [['include', include] as const, ['exclude', exclude] as const]) {
    const unmatched = findUnmatchedIn(contents, names, patterns);
    if (unmatched.length === 0) continue;
    throw new ConfigurationError(
      `${input}: nothing in backup ${manifest.id} fits ${unmatched.join(', ')}`,
      'Correct the name, or leave it out. Names are schema.table or schema.*, in the letters of the database; the operation show lists the tables.',
    );
  }
}

/** A view alone is something only where its tables are. */
export function refuseNothing(
  request: RestoreRequest,
  { entries }: RestoreSelection,
  manifest: Manifest,
): void {
  if (isWhole(request) || entries.some((entry) => entry.kind !== 'EXTENSION')) return;
  const without = request.exclude.length > 0 ? ` without ${request.exclude.join(', ')}` : '';
  throw new ConfigurationError(
    `include: nothing in backup ${manifest.id} fits ${request.include.join(', ')}${without}`,
    'Give names as schema.table or schema.*; the manifest lists the tables.',
  );
}

/** A part of a backup has the queues that it names, and the list of queues as the extension makes it. */
export function chooseQueues(request: RestoreRequest, tables: readonly TableEntry[]): readonly TableEntry[] {
  if (isWhole(request)) return tables;
  const isChosen = createSelection(request.include, request.exclude);
  return tables.filter((table) => table.name !== 'meta' && isChosen(table));
}

/** The jobs of pg_cron come through its functions, so that they do not run before somebody wants them to. */
export function isJobTable({ kind, schema, name }: ArchiveEntry): boolean {
  return kind === 'TABLE DATA' && schema === 'cron' && name === 'job';
}
