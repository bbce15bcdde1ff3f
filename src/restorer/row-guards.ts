import type { Supplement } from '../format/supplement.ts';
import type { RestoreSelection } from '../parity/scope.ts';
import { type ArchiveEntry, describeEntry, findGuarded } from '../postgres/client/table-of-contents.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { quoteForShell } from '../values/shell-word.ts';
import { writePattern } from '../values/table-patterns.ts';

/**
 * Makes a test for the guards of rows: row level security and restrictive policies, without which more rows
 * would be seen than in the source.
 */
export function tellGuards({ definitions }: Supplement): (entry: ArchiveEntry) => boolean {
  const restrictive = new Set(
    definitions
      .filter(({ kind, detail }) => kind === 'policy' && detail.startsWith('restrictive'))
      .map(({ schema, relation, name }) => `${schema}.${relation} ${name}`),
  );
  return ({ kind, schema, name }) =>
    kind === 'ROW SECURITY' || (kind === 'POLICY' && restrictive.has(`${schema}.${name}`));
}

export function findGuards(
  entries: readonly ArchiveEntry[],
  isGuard: (entry: ArchiveEntry) => boolean,
): Set<ArchiveEntry> {
  const created = new Set(entries.filter(({ kind }) => kind === 'TABLE').map(({ id }) => id));
  return new Set(entries.filter((entry) => isGuard(entry) && entry.needs.some((id) => created.has(id))));
}

/**
 * @throws ConfigurationError when a restrictive policy cannot be created, and the table that it guards can
 */
export function refuseOpenings(
  { entries, leftOut }: RestoreSelection,
  isGuard: (entry: ArchiveEntry) => boolean,
  missing: ReadonlySet<string>,
): void {
  const created = new Set(entries.filter(({ kind }) => kind === 'TABLE').map(({ id }) => id));
  const [open] = leftOut.filter(({ entry }) => isGuard(entry) && entry.needs.some((id) => created.has(id)));
  if (open === undefined || missing.size === 0) return;
  const { entry, needs } = open;
  throw new ConfigurationError(
    say`${nameInput('target-url')}: ${describeEntry(entry)} needs ${describeEntry(needs)}, and the server has no ${[...missing].join(', ')}; without the policy, more rows would be visible than in the source`,
    `Install the extension on the server, or leave the table out: ${writeExclusion(entry, entries)}.`,
  );
}

/** Writes the option that excludes the table of a policy or of row level security. */
export function writeExclusion(guard: ArchiveEntry, entries: readonly ArchiveEntry[]): string {
  const table = findGuarded(guard, entries) ?? guard;
  const pattern = writePattern({ schema: table.schema ?? '', name: table.name });
  return `--exclude ${quoteForShell(pattern)}`;
}
