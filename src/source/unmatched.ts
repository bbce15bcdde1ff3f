import type { TableInfo } from '../postgres/catalog/tables.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { askForTables } from '../values/nearest-tables.ts';
import { findUnmatched } from '../values/table-patterns.ts';

/**
 * Refuses patterns that match no table: a misspelled one would silently leave rows out of the backup, or in
 * it.
 *
 * @throws ConfigurationError
 */
export function refuseUnmatched(
  input: 'include' | 'exclude',
  patterns: readonly string[],
  tables: readonly TableInfo[],
): void {
  const unmatched = findUnmatched(patterns, tables);
  if (unmatched.length === 0) return;
  throw new ConfigurationError(
    say`${nameInput(input)}: no table of this database matches ${unmatched.join(', ')}`,
    `${askForTables(unmatched, tables)}Correct the name, or leave it out. Write schema.table or schema.*. Names are case-sensitive; put a part in double quotes if it needs them.`,
  );
}
