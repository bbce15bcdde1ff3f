import type { Token } from './tokens.ts';

/* Statements, lists and parentheses in a sequence of tokens. */

/** Returns the unquoted word at an index, in lower case; empty for any other token, as a quoted name. */
export function wordAt(tokens: readonly Token[], index: number): string {
  const token = tokens[index];
  return token?.kind === 'word' ? token.value : '';
}

export function isSign(token: Token | undefined, value: string): boolean {
  return token?.kind === 'sign' && token.value === value;
}

/**
 * Splits a script into statements. A statement ends at a semicolon or a command of psql. As in psql, a
 * semicolon in parentheses or in a function body that begins with BEGIN ATOMIC ends no statement. When a
 * parenthesis is never closed, every semicolon counts.
 */
export function splitStatements(tokens: readonly Token[]): Token[][] {
  const { parts, depth } = split(tokens, ';', true);
  return (depth > 0 ? split(tokens, ';', false).parts : parts).filter((part) => part.length > 0);
}

/** Splits a list at commas that are not in parentheses. */
export function splitList(tokens: readonly Token[]): Token[][] {
  return split(tokens, ',', true).parts;
}

function split(tokens: readonly Token[], sign: string, nests: boolean): { parts: Token[][]; depth: number } {
  let part: Token[] = [];
  const parts = [part];
  let depth = 0;
  let atomic = 0;
  for (const [index, token] of tokens.entries()) {
    if (nests && isSign(token, '(')) depth++;
    if (nests && isSign(token, ')')) depth = Math.max(0, depth - 1);
    atomic = followAtomic(tokens, index, atomic);
    const isCommand = token.kind === 'sign' && token.value.startsWith('\\');
    if ((depth === 0 && atomic === 0 && isSign(token, sign)) || (sign === ';' && isCommand)) {
      part = [];
      parts.push(part);
      if (isCommand) [depth, atomic] = [0, 0];
    } else {
      part.push(token);
    }
  }
  return { parts, depth };
}

/** Counts the ENDs that a BEGIN ATOMIC body still needs; its only inner blocks are CASE expressions. */
function followAtomic(tokens: readonly Token[], index: number, open: number): number {
  const word = wordAt(tokens, index);
  if (open === 0) return word === 'atomic' && wordAt(tokens, index - 1) === 'begin' ? 1 : 0;
  if (word === 'case') return open + 1;
  return word === 'end' ? open - 1 : open;
}

/** Returns the tokens from an index to the end of the enclosing parentheses, or to the last token. */
export function untilClosed(tokens: readonly Token[], from: number): Token[] {
  let end = from;
  for (let depth = 0; end < tokens.length; end++) {
    if (isSign(tokens[end], '(')) depth++;
    if (isSign(tokens[end], ')') && --depth < 0) break;
  }
  return tokens.slice(from, end);
}

/** Returns the tokens that are not in parentheses. */
export function outerTokens(tokens: readonly Token[]): Token[] {
  let depth = 0;
  return tokens.filter((token) => {
    if (isSign(token, ')')) depth--;
    const outer = depth === 0;
    if (isSign(token, '(')) depth++;
    return outer && !isSign(token, '(') && !isSign(token, ')');
  });
}
