/**
 * A token of SQL, by PostgreSQL's lexical structure (manual, section 4.1), as far as needed to tell code from
 * text. Comments and white space are no tokens.
 */
export interface Token {
  /**
   * `word`: an unquoted name or key word. `name`: a quoted name. `text`: a string of any kind. `sign`: any
   * other single character, a number, or a command of psql.
   */
  readonly kind: 'word' | 'name' | 'text' | 'sign';
  /** A `word` in lower case; the characters between the quotes of a `name` or `text`, escapes unchanged */
  readonly value: string;
  /** Index of the first character in the SQL; `end` is the index behind the last one. */
  readonly start: number;
  readonly end: number;
  /** Index at which `value` begins in the SQL */
  readonly inner: number;
  /** How a `text` is quoted: `dollars` (no escapes), `escape` (E'…') or `unicode` (U&'…'); else plain */
  readonly style?: 'dollars' | 'escape' | 'unicode';
  /** Set for a string, name or comment without an end, which takes in the rest of the SQL */
  readonly open?: true;
}

/** Every character outside of ASCII can be part of a name. */
const patterns = {
  space: /[ \t\n\r\f\v]+/y,
  word: /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y,
  number: /\d[\w.]*|\$\d+/y,
  dollar: /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y,
  command: /\\(?:[A-Za-z_]+|!)?/y,
  /** A prefix of a quote that changes the kind of string */
  prefix: /(?:[eE]|[bBxXnN]|[uU]&)(?=')|[uU]&(?=")/y,
};

/**
 * Splits SQL into tokens; it never throws, even for SQL that PostgreSQL would refuse. A command of psql, from
 * the backslash to the end of the line, is one token, a sign such as `\gexec`. The rows behind a COPY FROM
 * stdin are left out.
 */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let statement = 0;
  // The end of a \copy, which needs no semicolon
  let lineEnd = Number.POSITIVE_INFINITY;
  for (let at = sql.startsWith('\uFEFF') ? 1 : 0; at < sql.length; ) {
    const next = at >= lineEnd ? plain('sign', ';', lineEnd, lineEnd + 1) : readNext(sql, at);
    if (typeof next === 'number') {
      at = next;
      continue;
    }
    tokens.push(next);
    at = Math.max(at, next.end);
    if (next.value === '\\copy') lineEnd = endOfLine(sql, at);
    if (next.kind !== 'sign' || next.value !== ';') continue;
    if (takesRows(tokens.slice(statement))) at = skipRows(sql, at);
    statement = tokens.length;
    lineEnd = Number.POSITIVE_INFINITY;
  }
  return tokens;
}

/** Returns the token at an index, or the index to continue at when there is no token. */
function readNext(sql: string, at: number): Token | number {
  return sql[at] === '\\' ? readCommand(sql, at) : readToken(sql, at);
}

/**
 * Reads a command of psql, up to the end of the line. `\;` is a semicolon, and the rest of a \copy is read as
 * SQL.
 */
function readCommand(sql: string, at: number): Token | number {
  if (sql[at + 1] === ';') return at + 1;
  const name = match(patterns.command, sql, at) ?? '\\';
  return plain('sign', name, at, name === '\\copy' ? at + name.length : endOfLine(sql, at));
}

function takesRows(statement: readonly Token[]): boolean {
  const words = statement.map(({ kind, value }) => (kind === 'word' ? value : ''));
  const copies = words[0] === 'copy' || statement.some(({ value }) => value === '\\copy');
  return copies && /\bfrom p?stdin\b/.test(words.join(' '));
}

function skipRows(sql: string, at: number): number {
  const end = /^\\\.\r?$/gm;
  end.lastIndex = at;
  return end.exec(sql) === null ? sql.length : end.lastIndex;
}

function readToken(sql: string, at: number): Token | number {
  const space = match(patterns.space, sql, at);
  if (space !== undefined) return at + space.length;
  if (sql.startsWith('--', at)) return endOfLine(sql, at);
  if (sql.startsWith('/*', at)) return readComment(sql, at);
  const prefix = match(patterns.prefix, sql, at) ?? '';
  const quote = sql[at + prefix.length];
  if (quote === "'" || quote === '"') return readQuoted(sql, at, prefix);
  const tag = match(patterns.dollar, sql, at);
  if (tag !== undefined) return readDollars(sql, at, tag);
  const word = match(patterns.word, sql, at);
  if (word !== undefined) return plain('word', word.toLowerCase(), at, at + word.length);
  const sign = match(patterns.number, sql, at) ?? sql.charAt(at);
  return plain('sign', sign, at, at + sign.length);
}

function plain(kind: 'word' | 'sign', value: string, start: number, end: number): Token {
  return { kind, value, start, end, inner: start };
}

/** Reads a block comment; comments nest, unlike in C. */
function readComment(sql: string, start: number): Token | number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  for (let depth = 0, found = edge.exec(sql); found !== null; found = edge.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return { kind: 'sign', value: '/*', start, end: sql.length, inner: start, open: true };
}

/** Reads a string or a quoted name, with doubled quotes, and in E'…' with backslash escapes. */
function readQuoted(sql: string, start: number, prefix: string): Token {
  const inner = start + prefix.length + 1;
  const quote = sql.charAt(inner - 1);
  const escapes = prefix.toLowerCase() === 'e';
  const edge = escapes ? /\\[\s\S]?|''|'/g : quote === "'" ? /''|'/g : /""|"/g;
  edge.lastIndex = inner;
  const kind = quote === '"' ? 'name' : 'text';
  const style = escapes ? 'escape' : /^u/i.test(prefix) && kind === 'text' ? 'unicode' : undefined;
  const styled = style === undefined ? {} : ({ style } as const);
  for (let found = edge.exec(sql); found !== null; found = edge.exec(sql)) {
    if (found[0] !== quote) continue;
    return { kind, value: sql.slice(inner, found.index), start, end: edge.lastIndex, inner, ...styled };
  }
  return { kind, value: sql.slice(inner), start, end: sql.length, inner, open: true };
}

function readDollars(sql: string, start: number, tag: string): Token {
  const inner = start + tag.length;
  const close = sql.indexOf(tag, inner);
  const token = { kind: 'text', start, inner, style: 'dollars' } as const;
  if (close < 0) return { ...token, value: sql.slice(inner), end: sql.length, open: true };
  return { ...token, value: sql.slice(inner, close), end: close + tag.length };
}

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

function endOfLine(sql: string, at: number): number {
  const end = /[\n\r]/g;
  end.lastIndex = at;
  return end.exec(sql)?.index ?? sql.length;
}
