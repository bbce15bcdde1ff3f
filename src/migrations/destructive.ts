import { judgeCommand } from './commands.ts';
import { isSign, outerTokens, splitStatements, untilClosed, wordAt } from './statements.ts';
import { type Token, tokenize } from './tokens.ts';

/** A command that destroys data, or may. */
export interface Finding {
  /** From 1 */
  readonly line: number;
  /** What it is, as in `DROP COLUMN` */
  readonly what: string;
  /** How the command begins, without any text between quotes: rows may be private. */
  readonly words: string;
  /** A DO block runs with the migration; a function when somebody calls it. */
  readonly inside: 'do' | 'function' | null;
}

/**
 * Finds what of a script destroys data: dropped tables, columns and schemas, TRUNCATE, DELETE and UPDATE that spare no row, changed
 * types. Bodies of functions and DO blocks in SQL and PL/pgSQL are looked at, and the texts that these hand to EXECUTE. What stands in
 * comments and strings is none of it. docs/gate.md lists what is found, and what is not.
 */
export function findDestructive(sql: string): Finding[] {
  const tokens = tokenize(sql);
  const found = splitStatements(tokens).flatMap((statement) =>
    findBodyKind(statement) === null ? findCommands(statement, null) : findInBody(statement),
  );
  const open = tokens.find((token) => token.open);
  if (open !== undefined) {
    found.push({
      at: open,
      what: 'a quote or comment without an end: the rest cannot be read',
      inside: null,
    });
  }
  const lineOf = countLines(sql);
  return found.map(({ at, what, inside, command = [] }) => ({
    line: lineOf(at.start),
    what,
    words: showWords(sql, command),
    inside,
  }));
}

interface Found {
  readonly at: Token;
  readonly what: string;
  readonly inside: Finding['inside'];
  readonly command?: readonly Token[];
}

/** What `judgeCommand` knows, and what PL/pgSQL hands texts to. */
const verbs = new Set(['drop', 'truncate', 'delete', 'update', 'alter', 'execute']);

/**
 * Commands that lie in each other, or follow each other without a semicolon, are each read up to the end of the last. PostgreSQL takes
 * few such in one statement; where the reading comes to more than so many times the length of the statement, the rest is left unread,
 * and told: time is in proportion to the length, whatever somebody writes.
 */
const [mostReadings, shortStatement] = [12, 50_000];

function findCommands(statement: readonly Token[], inside: Finding['inside']): Found[] {
  const found: Found[] = [];
  const length = (tokens: readonly Token[]) => (tokens.at(-1)?.end ?? 0) - (tokens[0]?.start ?? 0);
  let left = mostReadings * Math.max(shortStatement, length(statement));
  let isWith: boolean | undefined;
  const hasWith = () =>
    (isWith ??= outerTokens(statement).some(({ kind, value }) => kind === 'word' && value === 'with'));
  for (const [index, at] of statement.entries()) {
    if (!verbs.has(at.value) || !beginsCommand(statement, index, inside !== null, hasWith)) continue;
    const command = untilClosed(statement, index);
    left -= length(command);
    if (left < 0) {
      found.push({ at, what: 'commands within commands: the rest of this statement cannot be read', inside });
      break;
    }
    const what = inside !== null && at.value === 'execute' ? judgeText(command) : judgeCommand(command);
    if (what !== undefined) found.push({ at, what, inside, command });
  }
  return found;
}

/** What PL/pgSQL may put before a command in the same statement. */
const beforeCommand = new Set(['begin', 'then', 'else', 'loop', 'query', 'in']);

function beginsCommand(
  statement: readonly Token[],
  index: number,
  inBody: boolean,
  hasWith: () => boolean,
): boolean {
  const word = wordAt(statement, index);
  if (word === '') return false;
  if (index === 0) return true;
  const before = statement[index - 1];
  // A data-modifying WITH: in its parentheses, and behind the last of them.
  if (isSign(before, '(')) return ['as', 'materialized'].includes(wordAt(statement, index - 2));
  if (isSign(before, ')') && ['delete', 'update'].includes(word)) return hasWith();
  if (inBody && wordAt(statement, index - 1) === 'for') return isOfCursor(statement, index, word);
  return inBody && (beforeCommand.has(wordAt(statement, index - 1)) || isSign(before, '>'));
}

/** Behind FOR stands the query of a cursor, its text, or a lock: `OPEN c NO SCROLL FOR UPDATE …`, `SELECT … FOR UPDATE`. */
function isOfCursor(statement: readonly Token[], index: number, word: string): boolean {
  if (word !== 'update') return true;
  const before = statement.slice(Math.max(0, index - 6), index).map((_, at, all) => wordAt(all, at));
  return ['open', 'cursor'].some((name) => before.includes(name)) && !before.includes('select');
}

/** Judges what is handed to EXECUTE, of which the parts between the texts are not known. */
function judgeText(execute: readonly Token[]): string | undefined {
  const text = execute
    .filter(({ kind }) => kind === 'text')
    .map(readText)
    .join(' x ')
    .replace(/%(\d+\$)?-?\d*[IsL]/g, ' x ');
  for (const statement of splitStatements(tokenize(text))) {
    const what = judgeCommand(statement);
    if (what !== undefined) return what;
  }
  return undefined;
}

/** Lines stay where they are: a quote that stands twice becomes one and a space. */
function readText({ value, dollars }: Token): string {
  return dollars ? value : value.replaceAll("''", "' ");
}

/** One level deep: functions that functions make are not looked at. */
function findInBody(statement: readonly Token[]): Found[] {
  const inside = findBodyKind(statement);
  if (inside === null || !['sql', 'plpgsql'].includes(findLanguage(statement))) return [];
  const atomic = statement.findIndex((_, index) => wordAt(statement, index) === 'atomic');
  if (inside === 'function' && atomic >= 0 && wordAt(statement, atomic - 1) === 'begin') {
    return findInTokens(statement.slice(atomic + 1), inside);
  }
  return statement
    .filter(
      ({ kind }, index) =>
        kind === 'text' &&
        (inside === 'do' ? wordAt(statement, index - 1) !== 'language' : isBody(statement, index)),
    )
    .flatMap((body) =>
      findInTokens(
        tokenize(readText(body)).map((token) => shift(token, body.inner)),
        inside,
      ),
    );
}

function findInTokens(tokens: readonly Token[], inside: 'do' | 'function'): Found[] {
  return splitStatements(tokens).flatMap((statement) => findCommands(statement, inside));
}

function findBodyKind(statement: readonly Token[]): Finding['inside'] {
  if (wordAt(statement, 0) === 'do') return 'do';
  if (wordAt(statement, 0) !== 'create') return null;
  const index = wordAt(statement, 1) === 'or' ? 3 : 1;
  return ['function', 'procedure'].includes(wordAt(statement, index)) ? 'function' : null;
}

function isBody(statement: readonly Token[], index: number): boolean {
  return wordAt(statement, index - 1) === 'as';
}

/** PL/pgSQL is what DO means without a language; a function with BEGIN ATOMIC is of SQL. */
function findLanguage(statement: readonly Token[]): string {
  const options = outerTokens(statement);
  const at = options.findIndex((_, index) => wordAt(options, index) === 'language');
  return at < 0 ? 'plpgsql' : (options[at + 1]?.value.toLowerCase() ?? '');
}

function shift(token: Token, by: number): Token {
  return { ...token, start: token.start + by, end: token.end + by, inner: token.inner + by };
}

/** Few tokens, as they are written, with one space where any stands. */
function showWords(sql: string, command: readonly Token[]): string {
  const shown = command.slice(0, 8).map((token, index, all) => {
    const spaced = (all[index + 1]?.start ?? token.end) > token.end ? ' ' : '';
    return (token.kind === 'text' ? "'…'" : sql.slice(token.start, token.end)) + spaced;
  });
  return `${shown.join('').slice(0, 100)}${command.length > 8 ? ' …' : ''}`;
}

/** Finds the lines of offsets, each in the time of a search. */
function countLines(sql: string): (offset: number) => number {
  const ends = Array.from(sql.matchAll(/\n/g), ({ index }) => index);
  return (offset) => {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}
