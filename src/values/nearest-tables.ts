import { findNearest } from './nearest.ts';
import { writePattern } from './table-patterns.ts';

/** The most tables that are named for one pattern */
const most = 3;

/**
 * Asks whether tables were meant by patterns that fit none: those of the same name in another schema, or
 * else the one whose name is nearest. Ends with a space; empty when there is nothing to ask.
 */
export function askForTables(
  unmatched: readonly string[],
  tables: readonly { readonly schema: string; readonly name: string }[],
): string {
  const names = new Map(tables.map((table) => [writePattern(table), table.name]));
  const meant = unmatched.flatMap((pattern) => {
    const bare = pattern.slice(pattern.lastIndexOf('.') + 1);
    const elsewhere = [...names].flatMap(([written, name]) => (name === bare ? [written] : []));
    const nearest = findNearest(pattern, [...names.keys()]);
    return elsewhere.length > 0 ? elsewhere.slice(0, most) : nearest === undefined ? [] : [nearest];
  });
  return meant.length === 0 ? '' : `Did you mean ${[...new Set(meant)].join(' or ')}? `;
}
