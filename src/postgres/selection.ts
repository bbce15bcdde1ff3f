/** Tells whether a table is meant by `include` and `exclude`. */
export type Selection = (table: Selectable) => boolean;

interface Selectable {
  readonly schema: string;
  readonly name: string;
  /** The partitioned tables it is a part of. */
  readonly ancestors?: readonly { readonly schema: string; readonly name: string }[];
}

/**
 * Patterns are `schema.table`, with `*` for any characters in either part; `*` alone is everything, and a name without a dot is a
 * table of `public`. Names are taken as they are, upper case included; double quotes around a part make its dots and stars
 * ordinary. No include means everything; exclude wins.
 */
export function createSelection(include: readonly string[], exclude: readonly string[]): Selection {
  const included = include.map(compilePattern);
  const excluded = exclude.map(compilePattern);
  return (table) => {
    const names = namesOf(table);
    const fits = (pattern: RegExp) => names.some((name) => pattern.test(name));
    return (included.length === 0 || included.some(fits)) && !excluded.some(fits);
  };
}

/** Those of the patterns that mean none of the tables. */
export function findUnmatched(patterns: readonly string[], tables: readonly Selectable[]): string[] {
  return patterns.filter((pattern) => {
    const compiled = compilePattern(pattern);
    return !tables.some((table) => namesOf(table).some((name) => compiled.test(name)));
  });
}

/** A character that no identifier can hold keeps the two parts apart. */
function namesOf(table: Selectable): string[] {
  return [table, ...(table.ancestors ?? [])].map(({ schema, name }) => `${schema}\0${name}`);
}

const partPattern = /^(?:"((?:[^"]|"")*)"|([^."]+))(?:\.|$)/;

/** @throws Error when it is not a pattern; inputs have been checked by then */
export function compilePattern(pattern: string): RegExp {
  if (pattern === '*') return /^/;
  const parts: string[] = [];
  let rest = pattern;
  while (rest !== '') {
    const match = partPattern.exec(rest);
    if (!match) throw new Error(`not a pattern: ${pattern}`);
    const [whole, quoted, plain = ''] = match;
    parts.push(
      quoted === undefined
        ? plain.split('*').map(escapePattern).join('[^\\0]*')
        : escapePattern(quoted.replaceAll('""', '"')),
    );
    rest = rest.slice(whole.length);
    if (rest === '' && whole.endsWith('.')) throw new Error(`not a pattern: ${pattern}`);
  }
  if (parts.length === 1) parts.unshift('public');
  if (parts.length !== 2) throw new Error(`not a pattern: ${pattern}`);
  // `\0` before a digit would be an octal escape.
  return new RegExp(`^${parts.join('\\x00')}$`, 's');
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
