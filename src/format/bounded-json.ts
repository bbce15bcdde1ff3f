/**
 * JSON of one who may write the storage. A few bytes of text can be an object of a hundred in memory, and one who wants to end this process
 * writes nothing else; what we write has names, hashes and numbers in it.
 */

/** bytes of text; of so little, whatever it is does no harm */
const harmless = 1024 * 1024;

/** bytes of text for each object or list, and for each value, on average: an empty range, and a column of one letter, have more. */
const [perContainer, perValue] = [20, 4];

/** Lists and objects in one another; ours have eight. */
const mostDepth = 32;

/**
 * @param end what is missing at the end of the text
 * @throws Error when it is no JSON, or takes more memory than its size promises
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

/** @returns where a string ends that begins at `start` */
function findEnd(text: Buffer, start: number): number {
  for (let at = text.indexOf(quote, start + 1); at >= 0; at = text.indexOf(quote, at + 1)) {
    let escapes = 0;
    while (text[at - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}
