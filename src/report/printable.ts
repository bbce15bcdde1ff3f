/*
 * Texts hold names and messages from databases and from files that others may write. On a terminal they must
 * not move the cursor or change the reading order, in a runner's log they must not become commands, and
 * nowhere may two names look alike because one of them holds an invisible character.
 */

/**
 * Control characters, line and paragraph separators, directional formatting characters (Unicode TR 9), and
 * all invisible characters
 */
const unprintable = String.raw`[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]`;

/**
 * Joiners between letters of scripts that use them, and the joiners and selectors inside emoji: these change
 * what is seen, and stay.
 */
const joined =
  String.raw`(?<=[\u0600-\u0DFF])[\u200C\u200D](?=[\u0600-\u0DFF])` +
  String.raw`|(?<=\p{Extended_Pictographic}\uFE0F?|\p{Emoji_Modifier})\u200D(?=\p{Extended_Pictographic})` +
  String.raw`|(?<=\p{Extended_Pictographic})\uFE0F`;

const pattern = new RegExp(`(?:${joined})|(${unprintable})`, 'gu');

/** @param show writes an unprintable character visibly */
function replaceUnprintable(text: string, show: (character: string, code: number) => string): string {
  return text.replace(pattern, (kept: string, character: string | undefined) =>
    character === undefined ? kept : show(character, character.codePointAt(0) ?? 0),
  );
}

const escapeCode = (code: number): string => `\\u{${code.toString(16)}}`;

/** Makes a text printable on one line: a line break becomes `\n`. */
export function printable(text: string): string {
  return replaceUnprintable(text, (character, code) => (character === '\n' ? '\\n' : escapeCode(code)));
}

/** Makes a text of several lines printable: line breaks stay. */
export function printableLines(text: string): string {
  return replaceUnprintable(text, (character, code) => (character === '\n' ? character : escapeCode(code)));
}

/** Makes code printable: tabs, and both LF and CRLF, stay as they are. */
export function printableCode(text: string): string {
  return text
    .split(/(\t|\r?\n)/)
    .map((part, index) => (index % 2 === 0 ? printableLines(part) : part))
    .join('');
}

/** A zero-width space: invisible, and enough to keep a runner from reading a command */
const breaker = '\u200B';

/**
 * Like `printableLines`, for the log of a GitHub runner. The runner takes `::name::` at the start of a line,
 * after any space, for a command, and `##[name]` anywhere in a line (ActionCommand.TryParseV2 and TryParse of
 * actions/runner); other runners read `##vso[name]`.
 */
export function printableForRunner(text: string): string {
  return printableLines(text)
    .replace(/^(\s*)::/gm, `$1${breaker}::`)
    .replace(/##(?=\w*\[)/g, `##${breaker}`);
}

/**
 * Writes a value as JSON that is safe to print, with JSON's own escapes, so that it parses to the same value.
 */
export function printableJson(value: unknown): string {
  return replaceUnprintable(JSON.stringify(value), escapeUnits).replace(/##(?=\w*\[)/g, '#\\u0023');
}

function escapeUnits(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
}
