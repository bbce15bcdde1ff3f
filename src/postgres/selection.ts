/** Tells whether a table is meant by `include` and `exclude`. */
export type Selection = (table: { schema: string; name: string }) => boolean;

/**
 * Patterns are `schema.table`, with `*` for any characters in either part; `*` alone is everything, and a name without a dot is a
 * table of `public`. Names are taken as they are, upper case included; double quotes around a part make its dots and stars
 * ordinary. No include means everything; exclude wins.
 */
export function createSelection(include: readonly string[], exclude: readonly string[]): Selection {
  const included = include.map(compilePattern);
  const excluded = exclude.map(compilePattern);
  return (table) => {
    // A character that no identifier can hold keeps the two parts apart.
    const name = `${table.schema}\0${table.name}`;
    return (
      (included.length === 0 || included.some((pattern) => pattern.test(name))) &&
      !excluded.some((pattern) => pattern.test(name))
    );
  };
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
