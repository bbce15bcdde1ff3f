/** Tells whether `include` and `exclude` select a table. */
export type Selection = (table: Selectable) => boolean;

interface Selectable {
  readonly schema: string;
  readonly name: string;
  /** The partitioned tables that it is a partition of */
  readonly ancestors?: readonly { readonly schema: string; readonly name: string }[];
}

/**
 * Compiles two lists of patterns into a selection. No include pattern selects everything; exclude wins.
 *
 * A pattern is `schema.table`, with `*` for any characters in either part; `*` alone selects everything, and
 * a name without a dot is a table of `public`. Names are case-sensitive. Double quotes around a part make its
 * dots, stars and commas ordinary characters, as in SQL. With more than one dot outside of quotes, the
 * pattern selects every table whose schema and name, joined by a dot, are that text: a name such as
 * `public.audit.log` can be copied as it was printed.
 *
 * @throws Error when a pattern is malformed; inputs have been checked before
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

/** Returns the patterns that select none of the tables. */
export function findUnmatched(patterns: readonly string[], tables: readonly Selectable[]): string[] {
  return patterns.filter((pattern) => {
    const compiled = compilePattern(pattern);
    return !tables.some((table) => namesOf(table).some((name) => compiled.test(name)));
  });
}

/** Writes the pattern that selects one table by its name, with quotes where the bare name would mean more. */
export function writePattern({ schema, name }: { schema: string; name: string }): string {
  return [schema, name].map(quoteIfNeeded).join('.');
}

function quoteIfNeeded(part: string): string {
  return /^[^".,*\s]+( +[^".,*\s]+)*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`;
}

/** Splits a list at commas and line breaks outside of double quotes. */
export function splitPatterns(text: string): string[] {
  return [...text.matchAll(/(?:"(?:[^"]|"")*"|[^,\r\n"]|")+/g)]
    .map(([pattern]) => pattern.trim())
    .filter((pattern) => pattern !== '');
}

/**
 * Names of a table and its ancestors; U+0000 separates schema and name, because no identifier can hold it.
 */
function namesOf(table: Selectable): string[] {
  return [table, ...(table.ancestors ?? [])].map(({ schema, name }) => `${schema}\0${name}`);
}

interface Part {
  /** As a regular expression */
  readonly source: string;
  readonly isQuoted: boolean;
}

/** @throws Error when the pattern is malformed; inputs have been checked before */
export function compilePattern(pattern: string): RegExp {
  if (pattern === '*') return /^/;
  const parts = readParts(pattern);
  if (parts.length === 1) parts.unshift({ source: 'public', isQuoted: false });
  const meanings = parts.flatMap((_, at) => {
    const sides = [parts.slice(0, at), parts.slice(at)];
    // A quoted part is a whole name and is never joined to another part.
    const isName = (side: Part[]) => side.length === 1 || (side.length > 1 && !side.some((p) => p.isQuoted));
    // `\0` before a digit would be an octal escape.
    return sides.every(isName) ? [sides.map(joinParts).join('\\x00')] : [];
  });
  if (meanings.length === 0) throw new Error(`not a pattern: ${pattern}`);
  return new RegExp(`^(?:${meanings.join('|')})$`, 's');
}

const partPattern = /^(?:"((?:[^"]|"")+)"|([^."]+))(?:\.|$)/;

function readParts(pattern: string): Part[] {
  const parts: Part[] = [];
  let rest = pattern;
  do {
    const match = partPattern.exec(rest);
    if (!match) throw new Error(`not a pattern: ${pattern}`);
    const [whole, quoted, plain = ''] = match;
    parts.push(
      quoted === undefined
        ? { source: plain.split('*').map(escapePattern).join('[^\\0]*'), isQuoted: false }
        : { source: escapePattern(quoted.replaceAll('""', '"')), isQuoted: true },
    );
    rest = rest.slice(whole.length);
    if (rest === '' && whole.endsWith('.')) throw new Error(`not a pattern: ${pattern}`);
  } while (rest !== '');
  return parts;
}

function joinParts(parts: readonly Part[]): string {
  return parts.map(({ source }) => source).join('\\.');
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
