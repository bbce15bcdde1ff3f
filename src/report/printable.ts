/*
 * Texts hold names and messages of databases, and of files that others may write. On a terminal they must not move the cursor or change the
 * order of what is read, and in the log of a runner they must not become commands.
 */

/** Control characters, line and paragraph separators, and what turns the direction of writing (Unicode TR 9) */
const unprintable = /[\p{Cc}\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

const escapeCharacter = (character: string): string => `\\u{${character.codePointAt(0)?.toString(16)}}`;

/** For one line: a line break is shown as such. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => (character === '\n' ? '\\n' : escapeCharacter(character)));
}

/** For several: line breaks stay. */
export function printableLines(text: string): string {
  return text.replace(unprintable, (character) =>
    character === '\n' ? character : escapeCharacter(character),
  );
}

/** Invisible, and enough that a runner reads no command */
const breaker = '\u200B';

/**
 * The same for the log of a GitHub runner. It takes `::name::` at the start of a line for a command, whatever space stands before it, and
 * `##[name]` anywhere in one (ActionCommand.TryParseV2 and TryParse of actions/runner).
 */
export function printableForRunner(text: string): string {
  return printableLines(text)
    .replace(/^(\s*)::/gm, `$1${breaker}::`)
    .replaceAll('##[', `##${breaker}[`);
}
