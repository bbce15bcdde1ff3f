/**
 * SQL as PostgreSQL splits it into words (manual, section 4.1), as far as it takes to know what is code and what is text. Comments and
 * white space are no tokens.
 */
export interface Token {
  /**
   * `word`: a name or key word that is not quoted. `name`: one that is. `text`: a string of any kind. `sign`: one character of anything
   * else, or a number.
   */
  readonly kind: 'word' | 'name' | 'text' | 'sign';
  /** Of a `word` in lower case; of a `name` and a `text` what stands between the quotes, with every escape as it was written. */
  readonly value: string;
  /** Where it begins in the SQL, and where it ends: the index behind its last character. */
  readonly start: number;
  readonly end: number;
  /** Where `value` begins in the SQL */
  readonly inner: number;
  /** Of a `text`, how it is written: `dollars` holds no escapes, `escape` is E'…', `unicode` is U&'…'. */
  readonly style?: 'dollars' | 'escape' | 'unicode';
  /** A string, name or comment without an end: all that follows is part of it. */
  readonly open?: true;
}

/** All that is not ASCII is part of a name. */
const patterns = {
  space: /[ \t\n\r\f\v]+/y,
  word: /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y,
  number: /\d[\w.]*|\$\d+/y,
  dollar: /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y,
  command: /\\(?:[A-Za-z_]+|!)?/y,
  /** What makes a string of another kind of the quote that follows */
  prefix: /(?:[eE]|[bBxXnN]|[uU]&)(?=')|[uU]&(?=")/y,
};

/**
 * Never fails: SQL that PostgreSQL would refuse gives tokens, too. Of a command of psql, which goes from a backslash to the end of the line,
 * there is one token, a sign such as `\gexec`; the rows behind a COPY FROM stdin are left out.
 */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let statement = 0;
  // Of a \copy, which needs no semicolon
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

/** The token at `at`, or where to go on when there is none. */
function readNext(sql: string, at: number): Token | number {
  return sql[at] === '\\' ? readCommand(sql, at) : readToken(sql, at);
}

/** Two commands are SQL: what stands for a semicolon, and the rest of a \copy. */
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

/** Comments nest, other than in C. */
function readComment(sql: string, start: number): Token | number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  for (let depth = 0, found = edge.exec(sql); found !== null; found = edge.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return { kind: 'sign', value: '/*', start, end: sql.length, inner: start, open: true };
}

/** A quote that stands twice is part of the string. In E'…' a backslash takes the next character along. */
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
