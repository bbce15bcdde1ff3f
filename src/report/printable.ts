/*
 * Texts hold names and messages of databases, and of files that others may write. On a terminal they must not move the cursor or change the
 * order of what is read, in the log of a runner they must not become commands, and nowhere may two names look alike because one holds
 * something that is not seen.
 */

/** Control characters, line and paragraph separators, what turns the direction of writing (Unicode TR 9), and all that shows nothing */
const unprintable = String.raw`[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]`;

/** Joiners between letters of scripts that join them, and what emoji are made of: there they are part of what is seen. */
const joined =
  String.raw`(?<=[\u0600-\u0DFF])[\u200C\u200D](?=[\u0600-\u0DFF])` +
  String.raw`|(?<=\p{Extended_Pictographic}\uFE0F?|\p{Emoji_Modifier})\u200D(?=\p{Extended_Pictographic})` +
  String.raw`|(?<=\p{Extended_Pictographic})\uFE0F`;

const pattern = new RegExp(`(?:${joined})|(${unprintable})`, 'gu');

/** @param show writes a character that does not show as itself */
function replaceUnprintable(text: string, show: (character: string, code: number) => string): string {
  return text.replace(pattern, (kept: string, character: string | undefined) =>
    character === undefined ? kept : show(character, character.codePointAt(0) ?? 0),
  );
}

const escapeCode = (code: number): string => `\\u{${code.toString(16)}}`;

/** For one line: a line break is shown as such. */
export function printable(text: string): string {
  return replaceUnprintable(text, (character, code) => (character === '\n' ? '\\n' : escapeCode(code)));
}

/** For several: line breaks stay. */
export function printableLines(text: string): string {
  return replaceUnprintable(text, (character, code) => (character === '\n' ? character : escapeCode(code)));
}

/** Tabs and ends of lines are part of how code is written. */
export function printableCode(text: string): string {
  return text
    .split(/(\t|\r?\n)/)
    .map((part, index) => (index % 2 === 0 ? printableLines(part) : part))
    .join('');
}

/** Invisible, and enough that a runner reads no command */
const breaker = '\u200B';

/**
 * The same for the log of a GitHub runner. It takes `::name::` at the start of a line for a command, whatever space stands before it, and
 * `##[name]` anywhere in one (ActionCommand.TryParseV2 and TryParse of actions/runner); other runners read `##vso[name]`.
 */
export function printableForRunner(text: string): string {
  return printableLines(text)
    .replace(/^(\s*)::/gm, `$1${breaker}::`)
    .replace(/##(?=\w*\[)/g, `##${breaker}`);
}

/** The same for JSON, which stays the same JSON: it knows escapes of its own. */
export function printableJson(value: unknown): string {
  return replaceUnprintable(JSON.stringify(value), escapeUnits).replace(/##(?=\w*\[)/g, '#\\u0023');
}

function escapeUnits(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
}
