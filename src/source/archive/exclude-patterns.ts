import { quoteIdentifier } from '../../postgres/identifier.ts';

/**
 * Names in one pattern: a server compiles it in milliseconds, and it stays well below the longest argument of
 * a process (128 KiB).
 */
const namesPerPattern = 1000;

/**
 * Names tables for pg_dump in as few patterns as possible. pg_dump runs a query over the whole catalog for
 * every pattern, so one pattern per table takes minutes for thousands, and a plain list of alternatives
 * matches slowly. So names are joined by common prefixes: `"s".("order"("_items"|"s")|"users")`. In a
 * pattern, quoted text is literal, while `|` and parentheses outside of quotes belong to the regular
 * expression (PostgreSQL manual, psql, "Patterns").
 */
export function excludePatterns(tables: readonly { schema: string; name: string }[]): string[] {
  return [...Map.groupBy(tables, (table) => table.schema)].flatMap(([schema, members]) => {
    const names = members.map((table) => table.name).sort();
    const patterns: string[] = [];
    for (let start = 0; start < names.length; start += namesPerPattern) {
      const chunk = names.slice(start, start + namesPerPattern).map((name) => [...name]);
      patterns.push(`${quoteIdentifier(schema)}.${joinByPrefix(chunk)}`);
    }
    return patterns;
  });
}

/** @param names as lists of characters, without duplicates */
function joinByPrefix(names: readonly (readonly string[])[]): string {
  const [first = []] = names;
  let common = 0;
  while (common < first.length && names.every((name) => name[common] === first[common])) common++;
  const beginning = common === 0 ? '' : quoteIdentifier(first.slice(0, common).join(''));
  if (names.length === 1) return beginning;
  const rests = Map.groupBy(
    names.map((name) => name.slice(common)),
    (rest) => rest[0] ?? '',
  );
  // A name that is a prefix of all others leaves an empty alternative.
  const alternatives = [...rests.values()].map((group) => joinByPrefix(group));
  return `${beginning}(${alternatives.join('|')})`;
}
