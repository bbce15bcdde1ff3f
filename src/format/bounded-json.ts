/*
 * JSON from a storage that an attacker may be able to write. A few bytes of text can become an object of a
 * hundred bytes in memory, and an attacker who wants to end this process writes only such text. Files that
 * this tool writes contain names, hashes and numbers.
 */

/** Bytes of text; parsing so little does no harm, whatever it contains. */
const harmless = 1024 * 1024;

/**
 * The least bytes of text on average, for each object or list, and for each value: even an empty range, and a
 * column named by one letter, have more.
 */
const [perContainer, perValue] = [20, 4];

/** The deepest nesting of lists and objects; files of this tool have eight levels. */
const mostDepth = 32;

/**
 * Parses JSON whose size in memory is bounded by its length.
 *
 * @param end the missing end of the text
 * @throws Error when it is not JSON, or would take more memory than its length allows
 */
export function parseBounded(text: Buffer, end = ''): unknown {
  if (text.length > harmless) assertBounded(text);
  return JSON.parse(`${text.toString('utf8')}${end}`);
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBrace, openBracket, closeBrace, closeBracket] = [0x7b, 0x5b, 0x7d, 0x5d];

function assertBounded(text: Buffer): void {
  let [depth, containers, values] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (byte === quote) at = findEnd(text, at);
    else if (byte === comma) values++;
    else if (byte === openBrace || byte === openBracket) {
      containers++;
      if (++depth > mostDepth) throw new Error('it is nested deeper than any backup writes');
    } else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  if (containers > text.length / perContainer || values > text.length / perValue)
    throw new Error('it has more in it than any backup writes into so many bytes');
}

/** Returns the index at which the string that begins at `start` ends. */
function findEnd(text: Buffer, start: number): number {
  for (let at = text.indexOf(quote, start + 1); at >= 0; at = text.indexOf(quote, at + 1)) {
    let escapes = 0;
    while (text[at - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}
