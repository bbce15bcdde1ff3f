import { isSign, outerTokens, splitList, wordAt } from './statements.ts';
import type { Token } from './tokens.ts';

/** What of a command destroys data, in the words of PostgreSQL; undefined when nothing does. */
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
 * A dropped view, index, function or policy can be made again from its definition, and a materialized view from what it reads. A sequence
 * holds what it has counted, an extension the tables it keeps for its user.
 */
const holders = ['table', 'schema', 'database', 'owned', 'sequence', 'extension'];

/** Columns can be of these, and go with them: without CASCADE the server refuses. */
const parts = ['type', 'domain', 'collation'];

function judgeDrop(command: readonly Token[]): string | undefined {
  const kind = wordAt(command, 1);
  if (holders.includes(kind)) return `DROP ${kind.toUpperCase()}`;
  if (kind === unknownWord) return 'DROP of what the text does not tell';
  const cascades = wordAt(command, command.length - 1) === 'cascade';
  return parts.includes(kind) && cascades ? `DROP ${kind.toUpperCase()} … CASCADE` : undefined;
}

/** A cursor comes by every row of its query, which stands elsewhere, or comes in a variable. */
function judgeRows(verb: string, command: readonly Token[]): string | undefined {
  if (sparesNothing(command)) return `${verb} without WHERE`;
  const outer = outerTokens(command);
  const where = findWord(outer, 'where');
  const isAtCursor = wordAt(outer, where + 1) === 'current' && wordAt(outer, where + 2) === 'of';
  return isAtCursor ? `${verb} … WHERE CURRENT OF` : undefined;
}

/** What stands for a part of a command that is not known */
export const unknownWord = 'unknown__part';

/** Words of conditions that name no column */
const constants = new Set(['true', 'false', 'null', 'not', 'and', 'or', 'is', 'in', 'between']);

/** Whether there is no WHERE, or one that lets every row through, as those write who have been asked for one. */
function sparesNothing(command: readonly Token[]): boolean {
  const outer = outerTokens(command);
  const where = findWord(outer, 'where');
  if (where < 0) return true;
  const condition = command.filter(({ start }) => start > (outer[where]?.start ?? 0));
  const end = findWord(condition, 'returning');
  return isConstant(end < 0 ? condition : condition.slice(0, end));
}

/** Whether it is the same for every row, in parentheses or not: it names no column, or compares one with itself. */
function isConstant(condition: readonly Token[]): boolean {
  const tokens = condition.filter((token) => !isSign(token, '(') && !isSign(token, ')'));
  const names = tokens.filter(
    ({ kind, value }) => kind === 'name' || (kind === 'word' && !constants.has(value)),
  );
  // A parameter is known to somebody else.
  if (names.length === 0) return tokens.length > 0 && !tokens.some(({ value }) => value.startsWith('$'));
  const middle = tokens.findIndex((token) => isSign(token, '='));
  const [left, right] = [tokens.slice(0, middle), tokens.slice(middle + 1)];
  const write = (side: readonly Token[]) => side.map(({ kind, value }) => `${kind} ${value}`).join();
  return middle > 0 && write(left) === write(right);
}

/** Where no condition is added, all rows go that the source has, or all that it has not. */
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

/** With it, strings end elsewhere than where they are seen to. */
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

/** An action of ALTER TABLE, in which the word COLUMN may be left out. */
function judgeColumn(action: readonly Token[]): string | undefined {
  const [verb, second] = [wordAt(action, 0), wordAt(action, 1)];
  if (verb === 'drop') return second === 'constraint' ? undefined : 'DROP COLUMN';
  if (verb !== 'alter' || second === 'constraint') return undefined;
  let at = second === 'column' ? 3 : 2;
  if (wordAt(action, at) === 'set' && wordAt(action, at + 1) === 'data') at += 2;
  if (wordAt(action, at) !== 'type') return undefined;
  // Any value can be written as text, and is then no less than it was.
  const isText = action.length === at + 2 && wordAt(action, at + 1) === 'text';
  return isText ? undefined : 'ALTER COLUMN … TYPE (may lose)';
}

/** An action of ALTER TYPE: every column of this type has such an attribute. */
function judgeAttribute(action: readonly Token[]): string | undefined {
  const isAttribute = wordAt(action, 1) === 'attribute';
  if (wordAt(action, 0) === 'drop' && isAttribute) return 'DROP ATTRIBUTE';
  if (wordAt(action, 0) === 'alter' && isAttribute) return 'ALTER ATTRIBUTE … TYPE (may lose)';
  return undefined;
}

function findWord(tokens: readonly Token[], word: string): number {
  return tokens.findIndex((_, index) => wordAt(tokens, index) === word);
}
