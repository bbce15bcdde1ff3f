import { judgeCommand, unknownWord } from './commands.ts';
import { isSign, splitList, splitStatements, wordAt } from './statements.ts';
import { type Token, tokenize } from './tokens.ts';

/*
 * SQL that PL/pgSQL assembles and passes to EXECUTE. Only its literal parts are known; they are read in every
 * way in which they may be assembled.
 */

/** Returns the value of a string. Its characters keep their offsets, except behind escapes. */
export function readText({ value, style }: Token): string {
  switch (style) {
    case 'dollars':
      return value;
    case 'escape':
      return value.replaceAll("''", "' ").replace(escapes, readEscape);
    case 'unicode':
      return value
        .replaceAll("''", "' ")
        .replace(/\\(?:\+([0-9a-f]{6})|([0-9a-f]{4}))/gi, (_, long, short) => readCode(long ?? short, 16));
    default:
      return value.replaceAll("''", "' ");
  }
}

/** Tells whether the characters of `readText` have the offsets that they have in the script. */
export const staysInPlace = ({ value, style }: Token): boolean =>
  style === undefined || style === 'dollars' || !value.includes('\\');

const escapes = /\\(?:([0-7]{1,3})|x([0-9a-f]{1,2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([\s\S]))/gi;
const controls: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

function readEscape(
  _: string,
  octal?: string,
  hex?: string,
  short?: string,
  long?: string,
  sign = '',
): string {
  if (octal !== undefined) return readCode(octal, 8);
  const code = hex ?? short ?? long;
  return code === undefined ? (controls[sign] ?? sign) : readCode(code, 16);
}

function readCode(digits: string, radix: number): string {
  const code = Number.parseInt(digits, radix);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\uFFFD';
}

/** Judges the text that is passed to EXECUTE, by its literal parts; undefined when they destroy nothing. */
export function judgeDynamic(execute: readonly Token[]): string | undefined {
  const texts = execute.filter(({ kind }) => kind === 'text').map(readText);
  if (texts.length === 0) return undefined;
  const readings = [joinParts(execute), fillTemplate(execute), texts.join(' '), texts.join('')];
  for (const reading of new Set(readings)) {
    const what = judgeScript(reading);
    if (what !== undefined) return what;
  }
  return undefined;
}

/** Names what the first destructive command of a script does; undefined when there is none. */
export function judgeScript(text: string): string | undefined {
  for (const statement of splitStatements(
    tokenize(text.replace(/%(\d+\$)?-?\d*[IsL]/g, ` ${unknownWord} `)),
  )) {
    const what = judgeCommand(statement);
    if (what !== undefined) return what;
  }
  return undefined;
}

/** Joins the literal parts as `||` does: with the unknown word for values between them. */
function joinParts(execute: readonly Token[]): string {
  let joined = '';
  let isKnown = true;
  for (const token of execute.slice(1)) {
    if (token.kind === 'text') {
      joined += (isKnown ? '' : ` ${unknownWord} `) + readText(token);
      isKnown = true;
    } else if (token.kind !== 'sign') {
      isKnown = false;
    }
  }
  return joined;
}

/** Fills a template as format() does, with its literal arguments; the others become the unknown word. */
function fillTemplate(execute: readonly Token[]): string {
  const at = execute.findIndex(({ kind }) => kind === 'text');
  const [template] = execute.slice(at, at + 1).map(readText);
  const values = splitList(execute.slice(at + 1))
    .slice(1)
    .map(([value]) => (value?.kind === 'text' ? readText(value) : undefined));
  let next = 0;
  return (template ?? '').replace(/%(?:(\d+)\$)?-?\d*[Is]/g, (_, position?: string) => {
    const index = position === undefined ? next++ : Number(position) - 1;
    return values[index] ?? ` ${unknownWord} `;
  });
}

/**
 * Tells whether EXECUTE gets an expression that begins with a variable, whose text was assembled elsewhere.
 */
export function isOfVariable(execute: readonly Token[]): boolean {
  for (let index = 1; index < execute.length; index++) {
    const token = execute[index];
    if (token?.kind === 'text') return false;
    const isCall = wordAt(execute, index) !== '' && isSign(execute[index + 1], '(');
    if (!isCall && token?.kind !== 'sign') return true;
  }
  return false;
}

/** Returns the texts of a body that may be commands: all but messages of RAISE and names of languages. */
export function findTexts(body: readonly Token[]): Token[] {
  return body.filter((token, index) => {
    if (token.kind !== 'text') return false;
    const before = body.slice(Math.max(0, index - 2), index).map((_, at, all) => wordAt(all, at));
    return !before.includes('raise') && !before.includes('language');
  });
}
