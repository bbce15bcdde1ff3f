import { judgeCommand } from './commands.ts';
import { findTexts, isOfVariable, judgeDynamic, judgeScript, readText, staysInPlace } from './dynamic.ts';
import { isSign, outerTokens, splitStatements, untilClosed, wordAt } from './statements.ts';
import { type Token, tokenize } from './tokens.ts';

/** A command that destroys data, or may destroy it */
export interface Finding {
  /** Counted from 1 */
  readonly line: number;
  /** What the command does, such as `DROP COLUMN` */
  readonly what: string;
  /** The beginning of the command, without the content of strings, which may be private rows */
  readonly words: string;
  /** A DO block runs with the migration, a function only when it is called. Null at the top level. */
  readonly inside: 'do' | 'function' | null;
}

/**
 * Finds commands of a script that destroy data: dropped tables, columns and schemas, TRUNCATE, DELETE and
 * UPDATE that spare no row, changed types. It inspects bodies of functions and DO blocks in SQL and PL/pgSQL,
 * and the texts that they pass to EXECUTE. Comments and other strings are ignored. docs/gate.md lists what is
 * found and what is not.
 */
export function findDestructive(sql: string): Finding[] {
  const tokens = tokenize(sql);
  const found = [...findInTokens(tokens, null, 0), ...findPsql(tokens)];
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

/** The commands that `judgeCommand` knows, and EXECUTE of PL/pgSQL */
const verbs = new Set([
  ...['drop', 'truncate', 'delete', 'update', 'alter', 'merge', 'copy', 'set', 'execute'],
]);

/**
 * Limits on reading a statement. Commands that are nested, or follow each other without a semicolon, are each
 * read up to the end of the last. PostgreSQL accepts few of them in one statement. Once the characters read
 * exceed `mostReadings` times the statement's length (counted as `shortStatement` at least), the rest is not
 * read and a finding says so: time stays proportional to the length for any input.
 */
const [mostReadings, shortStatement] = [12, 50_000];

function findCommands(statement: readonly Token[], inside: Finding['inside']): Found[] {
  const found: Found[] = [];
  const length = (tokens: readonly Token[]) => (tokens.at(-1)?.end ?? 0) - (tokens[0]?.start ?? 0);
  let left = mostReadings * Math.max(shortStatement, length(statement));
  let isWith: boolean | undefined;
  const hasWith = () =>
    (isWith ??= outerTokens(statement).some(({ kind, value }) => kind === 'word' && value === 'with'));
  const start = findStart(statement);
  for (const [index, at] of statement.entries()) {
    if (!verbs.has(at.value)) continue;
    if (index !== start && !beginsCommand(statement, index, inside !== null, hasWith)) continue;
    const command = untilClosed(statement, index);
    left -= length(command);
    if (left < 0) {
      found.push({ at, what: 'commands within commands: the rest of this statement cannot be read', inside });
      break;
    }
    const what = inside !== null && at.value === 'execute' ? judgeDynamic(command) : judgeCommand(command);
    if (what !== undefined) found.push({ at, what, inside, command });
  }
  return found;
}

/** Key words of PL/pgSQL that may precede a command in the same statement */
const beforeCommand = new Set(['begin', 'then', 'else', 'loop', 'query', 'in']);

function beginsCommand(
  statement: readonly Token[],
  index: number,
  inBody: boolean,
  hasWith: () => boolean,
): boolean {
  const word = wordAt(statement, index);
  if (word === '') return false;
  const before = statement[index - 1];
  // A data-modifying WITH has commands in its parentheses, and one behind the last of them.
  if (isSign(before, '('))
    return index === 1 || ['as', 'materialized', 'copy'].includes(wordAt(statement, index - 2));
  if (isSign(before, ')') && ['delete', 'update', 'merge'].includes(word)) return hasWith();
  if (inBody && wordAt(statement, index - 1) === 'for') return isOfCursor(statement, index, word);
  return inBody && (beforeCommand.has(wordAt(statement, index - 1)) || isSign(before, '>'));
}

/**
 * Tells whether FOR precedes a command of a cursor (`OPEN c NO SCROLL FOR UPDATE …`) and not a row lock
 * (`SELECT … FOR UPDATE`).
 */
function isOfCursor(statement: readonly Token[], index: number, word: string): boolean {
  if (word !== 'update') return true;
  const before = statement.slice(Math.max(0, index - 6), index).map((_, at, all) => wordAt(all, at));
  return ['open', 'cursor'].some((name) => before.includes(name)) && !before.includes('select');
}

/** Finds the command that runs: behind EXPLAIN ANALYZE, which executes it, or behind PREPARE … AS. */
function findStart(statement: readonly Token[]): number {
  if (wordAt(statement, 0) === 'prepare') {
    return statement.findIndex((_, index) => wordAt(statement, index) === 'as') + 1;
  }
  if (wordAt(statement, 0) !== 'explain') return 0;
  let start = 1;
  if (isSign(statement[start], '(')) start += untilClosed(statement, start + 1).length + 2;
  while (['analyze', 'analyse', 'verbose'].includes(wordAt(statement, start))) start++;
  const isRun = statement.slice(0, start).some((_, index) => /^analy[sz]e$/.test(wordAt(statement, index)));
  return isRun ? start : 0;
}

/** Commands of psql that run something that the script does not show */
const psqlCommands: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['\\i', '\\ir', '\\include', '\\include_relative'].map((name) => [
      name,
      'another file, which is not looked at',
    ]),
  ),
  '\\gexec': 'SQL that a query answers with',
  '\\!': 'a program',
};

function findPsql(tokens: readonly Token[]): Found[] {
  return tokens.flatMap((at) => {
    const what = at.kind === 'sign' ? psqlCommands[at.value] : undefined;
    return what === undefined ? [] : [{ at, what: `${at.value}: ${what}`, inside: null }];
  });
}

/**
 * The most levels of nested bodies: functions that functions create, and blocks that are passed to EXECUTE
 */
const deepest = 4;

function findInTokens(tokens: readonly Token[], inside: Finding['inside'], depth: number): Found[] {
  return splitStatements(tokens).flatMap((whole) => {
    const statement = inside === null ? whole : whole.slice(findMaker(whole));
    return findBodyKind(statement) === null
      ? findCommands(whole, inside)
      : findInBody(statement, inside, depth);
  });
}

/** Finds the index of a DO or CREATE FUNCTION inside a statement of a body; 0 when there is none. */
function findMaker(statement: readonly Token[]): number {
  const at = statement.findIndex(
    ({ value }, index) =>
      (value === 'do' || value === 'create') &&
      beforeCommand.has(wordAt(statement, index - 1)) &&
      findBodyKind(statement.slice(index, index + 4)) !== null,
  );
  return Math.max(0, at);
}

function findInBody(statement: readonly Token[], outside: Finding['inside'], depth: number): Found[] {
  const kind = findBodyKind(statement);
  if (kind === null || !['sql', 'plpgsql'].includes(findLanguage(statement))) return [];
  // A body inside a function runs only when the function is called.
  const inside = outside ?? kind;
  const atomic = statement.findIndex((_, index) => wordAt(statement, index) === 'atomic');
  if (kind === 'function' && atomic >= 0 && wordAt(statement, atomic - 1) === 'begin') {
    return findInTokens(statement.slice(atomic + 1), inside, depth + 1);
  }
  return statement
    .filter(
      ({ kind: token }, index) =>
        token === 'text' &&
        (kind === 'do' ? wordAt(statement, index - 1) !== 'language' : isBody(statement, index)),
    )
    .flatMap((body) => findInText(body, inside, depth));
}

function findInText(body: Token, inside: 'do' | 'function', depth: number): Found[] {
  if (depth >= deepest) return [{ at: body, what: 'bodies within bodies: this one is not read', inside }];
  const tokens = tokenize(readText(body)).map((token) => place(token, body));
  const found = [...findInTokens(tokens, inside, depth + 1), ...findHandedOn(tokens, inside, depth)];
  // Escapes shift the characters of the body, so a finding cannot show words and points at the whole body.
  return staysInPlace(body) ? found : found.map(({ what }) => ({ at: body, what, inside }));
}

/** Judges texts of a body that may reach EXECUTE in a variable, or are DO blocks or functions. */
function findHandedOn(body: readonly Token[], inside: 'do' | 'function', depth: number): Found[] {
  const executes = body.flatMap((_, index) =>
    wordAt(body, index) === 'execute' && wordAt(body, index + 1) !== 'function' ? index : [],
  );
  if (executes.length === 0) return [];
  const texts = findTexts(body);
  const hasVariable = executes.some((index) => isOfVariable(body.slice(index, index + 40)));
  const variable = hasVariable ? texts.flatMap((at) => toFound(at, judgeScript(readText(at)), inside)) : [];
  const blocks = texts.flatMap((at) => {
    const tokens = tokenize(readText(at)).map((token) => place(token, at));
    const bodies = splitStatements(tokens).filter((statement) => findBodyKind(statement) !== null);
    const found = bodies.flatMap((statement) => findInBody(statement, inside, depth + 1));
    return staysInPlace(at) ? found : found.map(({ what }) => ({ at, what, inside }));
  });
  const direct = new Set(executes.map((index) => body[index + 1]));
  return [...variable.filter(({ at }) => !direct.has(at)), ...blocks];
}

const toFound = (at: Token, what: string | undefined, inside: Finding['inside']): Found[] =>
  what === undefined ? [] : [{ at, what, inside }];

function findBodyKind(statement: readonly Token[]): Finding['inside'] {
  if (wordAt(statement, 0) === 'do') return 'do';
  if (wordAt(statement, 0) !== 'create') return null;
  const index = wordAt(statement, 1) === 'or' ? 3 : 1;
  return ['function', 'procedure'].includes(wordAt(statement, index)) ? 'function' : null;
}

function isBody(statement: readonly Token[], index: number): boolean {
  return wordAt(statement, index - 1) === 'as';
}

/**
 * Returns the language in lower case. Without LANGUAGE, DO is in PL/pgSQL; a BEGIN ATOMIC body is SQL, read
 * alike.
 */
function findLanguage(statement: readonly Token[]): string {
  const options = outerTokens(statement);
  const at = options.findIndex((_, index) => wordAt(options, index) === 'language');
  return at < 0 ? 'plpgsql' : (options[at + 1]?.value.toLowerCase() ?? '');
}

/** Moves the offsets of a token within a text to offsets within the script. */
function place(token: Token, { inner }: Token): Token {
  return { ...token, start: token.start + inner, end: token.end + inner, inner: token.inner + inner };
}

/** Shows the first tokens as written, with single spaces and without the content of strings. */
function showWords(sql: string, command: readonly Token[]): string {
  const shown = command.slice(0, 8).map((token, index, all) => {
    const spaced = (all[index + 1]?.start ?? token.end) > token.end ? ' ' : '';
    return (token.kind === 'text' ? "'…'" : sql.slice(token.start, token.end)) + spaced;
  });
  return `${shown.join('').slice(0, 100)}${command.length > 8 ? ' …' : ''}`;
}

/** Returns a function that finds the line of an offset, counted from 1, by binary search. */
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
