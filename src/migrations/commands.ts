import { isSign, outerTokens, splitList, wordAt } from './statements.ts';
import type { Token } from './tokens.ts';

/** Names the part of a command that destroys data, in PostgreSQL's terms; undefined when no part does. */
export function judgeCommand(command: readonly Token[]): string | undefined {
  switch (wordAt(command, 0)) {
    case 'drop':
      return judgeDrop(command);
    case 'truncate':
      return 'TRUNCATE';
    case 'delete':
      return wordAt(command, 1) === 'from' ? judgeRows('DELETE', command) : undefined;
    case 'update':
      return findWord(outerTokens(command), 'set') > 0 ? judgeRows('UPDATE', command) : undefined;
    case 'alter':
      return judgeAlter(command);
    case 'merge':
      return judgeMerge(outerTokens(command));
    case 'copy':
      return judgeCopy(outerTokens(command));
    case 'set':
      return judgeSetting(command);
    default:
      return undefined;
  }
}

/**
 * Kinds of objects that hold data. A dropped view, index, function or policy can be created again from its
 * definition, and a materialized view be refreshed from its tables. A sequence holds its counter, and an
 * extension may hold tables with the user's rows.
 */
const holders = ['table', 'schema', 'database', 'owned', 'sequence', 'extension'];

/** Kinds of types that columns can have. CASCADE drops such columns, too; without it the server refuses. */
const parts = ['type', 'domain', 'collation'];

function judgeDrop(command: readonly Token[]): string | undefined {
  const kind = wordAt(command, 1);
  if (holders.includes(kind)) return `DROP ${kind.toUpperCase()}`;
  if (kind === unknownWord) return 'DROP of what the text does not tell';
  const cascades = wordAt(command, command.length - 1) === 'cascade';
  return parts.includes(kind) && cascades ? `DROP ${kind.toUpperCase()} … CASCADE` : undefined;
}

/** Judges DELETE and UPDATE. WHERE CURRENT OF counts, too: a cursor may visit every row. */
function judgeRows(verb: string, command: readonly Token[]): string | undefined {
  if (sparesNothing(command)) return `${verb} without WHERE`;
  const outer = outerTokens(command);
  const where = findWord(outer, 'where');
  const isAtCursor = wordAt(outer, where + 1) === 'current' && wordAt(outer, where + 2) === 'of';
  return isAtCursor ? `${verb} … WHERE CURRENT OF` : undefined;
}

/** Stands for a part of a command that is not known */
export const unknownWord = 'unknown__part';

/** Key words of conditions, which name no column */
const constants = new Set(['true', 'false', 'null', 'not', 'and', 'or', 'is', 'in', 'between']);

/**
 * Tells whether there is no WHERE, or one that every row passes, written only because a WHERE was demanded.
 */
function sparesNothing(command: readonly Token[]): boolean {
  const outer = outerTokens(command);
  const where = findWord(outer, 'where');
  if (where < 0) return true;
  const condition = command.filter(({ start }) => start > (outer[where]?.start ?? 0));
  const end = findWord(condition, 'returning');
  return isConstant(end < 0 ? condition : condition.slice(0, end));
}

/** Tells whether a condition is the same for every row: it names no column, or compares one with itself. */
function isConstant(condition: readonly Token[]): boolean {
  const tokens = condition.filter((token) => !isSign(token, '(') && !isSign(token, ')'));
  const names = tokens.filter(
    ({ kind, value }) => kind === 'name' || (kind === 'word' && !constants.has(value)),
  );
  // The value of a parameter is not known here, so the condition does not count as constant.
  if (names.length === 0) return tokens.length > 0 && !tokens.some(({ value }) => value.startsWith('$'));
  const middle = tokens.findIndex((token) => isSign(token, '='));
  const [left, right] = [tokens.slice(0, middle), tokens.slice(middle + 1)];
  const write = (side: readonly Token[]) => side.map(({ kind, value }) => `${kind} ${value}`).join();
  return middle > 0 && write(left) === write(right);
}

/** Judges MERGE: a DELETE without a condition deletes all rows that the source has, or all that it lacks. */
function judgeMerge(outer: readonly Token[]): string | undefined {
  for (const [index] of outer.entries()) {
    if (wordAt(outer, index) !== 'delete' || wordAt(outer, index - 1) !== 'then') continue;
    const before = outer.slice(Math.max(0, index - 7), index - 1).map((_, at, all) => wordAt(all, at));
    if (/\bwhen (not )?matched( by (source|target))?$/.test(before.join(' '))) return 'MERGE … DELETE';
  }
  return undefined;
}

function judgeCopy(outer: readonly Token[]): string | undefined {
  const at = findWord(outer, 'program');
  const isClause = outer[at + 1]?.kind === 'text' && ['from', 'to'].includes(wordAt(outer, at - 1));
  return isClause ? 'COPY … PROGRAM (runs what is not SQL)' : undefined;
}

/** Judges SET: without standard_conforming_strings, strings end elsewhere than the tokenizer sees. */
function judgeSetting(command: readonly Token[]): string | undefined {
  const name = findWord(command, 'standard_conforming_strings');
  if (name < 0 || command.length > name + 3) return undefined;
  const value = command.at(-1)?.value.toLowerCase() ?? '';
  return ['off', 'false', 'no', '0'].includes(value) ? 'strings that are written otherwise' : undefined;
}

function judgeAlter(command: readonly Token[]): string | undefined {
  const kind = wordAt(command, 1);
  if (kind !== 'table' && kind !== 'type') return undefined;
  let at = 2;
  if (wordAt(command, at) === 'if') at += 2;
  if (wordAt(command, at) === 'only') at += 1;
  while (isSign(command[at + 1], '.')) at += 2;
  at += 1;
  if (isSign(command[at], '*')) at += 1;
  const judge = kind === 'table' ? judgeColumn : judgeAttribute;
  const found = splitList(command.slice(at)).flatMap((action) => judge(action) ?? []);
  return found.length === 0 ? undefined : [...new Set(found)].join(', ');
}

/** Judges an action of ALTER TABLE, in which the word COLUMN is optional. */
function judgeColumn(action: readonly Token[]): string | undefined {
  const [verb, second] = [wordAt(action, 0), wordAt(action, 1)];
  if (verb === 'drop') return second === 'constraint' ? undefined : 'DROP COLUMN';
  if (verb !== 'alter' || second === 'constraint') return undefined;
  let at = second === 'column' ? 3 : 2;
  if (wordAt(action, at) === 'set' && wordAt(action, at + 1) === 'data') at += 2;
  if (wordAt(action, at) !== 'type') return undefined;
  // Every value converts to text without loss.
  const isText = action.length === at + 2 && wordAt(action, at + 1) === 'text';
  return isText ? undefined : 'ALTER COLUMN … TYPE (may lose)';
}

/** Judges an action of ALTER TYPE: every column of the type holds a value of the attribute. */
function judgeAttribute(action: readonly Token[]): string | undefined {
  const isAttribute = wordAt(action, 1) === 'attribute';
  if (wordAt(action, 0) === 'drop' && isAttribute) return 'DROP ATTRIBUTE';
  if (wordAt(action, 0) === 'alter' && isAttribute) return 'ALTER ATTRIBUTE … TYPE (may lose)';
  return undefined;
}

function findWord(tokens: readonly Token[], word: string): number {
  return tokens.findIndex((_, index) => wordAt(tokens, index) === word);
}
