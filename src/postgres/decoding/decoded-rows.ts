import { IntegrityError } from '../../runtime/errors.ts';

/** A row of pg_logical_slot_peek_changes(). */
export interface DecodedRow {
  readonly lsn: string;
  /** Without its epoch; of the top-level transaction, also inside a subtransaction. */
  readonly xid: number;
  /** The text of the output plugin. In a long row a mark replaces each long value: see `markOf`. */
  readonly data: string;
  /**
   * The values that `data` has marks for, without their quotes and with doubled quotes undone; empty for
   * nearly all rows.
   */
  readonly long: readonly Buffer[];
}

/**
 * bytes; text sliced from a string keeps the whole string in memory, so strings are made of about this size
 * at most
 */
const blockSize = 1 << 20;
/** bytes; a string holds at most half a GiB of characters, and a row of PostgreSQL may have one GiB */
const longRow = 64 * 1024 * 1024;
/** bytes; longer values of a long row stay bytes */
const longValue = 1024 * 1024;
const [newline, tab, backslash, doubleQuote, quote] = [10, 9, 0x5c, 0x22, 0x27] as const;

/**
 * The mark between quotes that replaces the long value with this index: text of PostgreSQL never holds a NUL.
 */
export function markOf(index: number): string {
  return `\0${index}`;
}

/**
 * Reads COPY text of the columns lsn, xid and data (PostgreSQL manual, COPY, Text Format). A row may continue
 * in the next buffer. Yields rows in order, about one megabyte at a time.
 *
 * @param encoding how the bytes of `data` become text: `latin1` makes one character of every byte, whatever
 *   it means
 * @throws IntegrityError when the text has another form or ends within a row; the message holds nothing of
 *   the row
 */
export async function* readDecodedRows(
  text: AsyncIterable<Buffer>,
  encoding: 'utf8' | 'latin1' = 'utf8',
): AsyncGenerator<DecodedRow[]> {
  /** Pieces of a row that has not ended. */
  let open: Buffer[] = [];
  for await (const chunk of text) {
    let at = 0;
    while (at < chunk.length) {
      const end = findCut(chunk, at);
      if (end <= at) break;
      const block = chunk.subarray(at, end);
      at = end;
      const size = open.reduce((sum, { length }) => sum + length, block.length);
      if (size > longRow) {
        const rowEnd = block.indexOf(newline) + 1;
        const row = Buffer.concat([...open.splice(0), block.subarray(0, rowEnd)]);
        yield [readLongRow(row, encoding)];
        if (rowEnd < block.length) yield splitRows(block.toString(encoding, rowEnd));
        continue;
      }
      const whole = open.length === 0 ? block : Buffer.concat([...open, block]);
      open = [];
      yield splitRows(whole.toString(encoding));
    }
    // The producer may reuse the chunk.
    if (at < chunk.length) open.push(Buffer.from(chunk.subarray(at)));
  }
  if (open.length > 0) throw damaged('ends within a row');
}

/** @returns the position behind a newline, about one block further; `at` when there is none */
function findCut(chunk: Buffer, at: number): number {
  if (chunk.length - at > blockSize) {
    const end = chunk.lastIndexOf(newline, at + blockSize) + 1;
    if (end > at) return end;
    return Math.max(at, chunk.indexOf(newline, at + blockSize) + 1);
  }
  return Math.max(at, chunk.lastIndexOf(newline) + 1);
}

function splitRows(text: string): DecodedRow[] {
  const rows: DecodedRow[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const first = text.indexOf('\t', at);
    const second = text.indexOf('\t', first + 1);
    if (first < 0 || second < 0 || second > end) throw damaged('has a row without three columns');
    const lsn = text.slice(at, first);
    const xid = Number(text.slice(first + 1, second));
    if (!/^[0-9A-F]+\/[0-9A-F]+$/.test(lsn) || !Number.isInteger(xid)) {
      throw damaged('has a row that does not begin with a position and a transaction');
    }
    rows.push({ lsn, xid, data: unescapeField(text.slice(second + 1, end)), long: none });
    at = end + 1;
  }
  return rows;
}

const none: readonly Buffer[] = [];

/** @param row with its newline; its bytes are modified, and the returned values refer to them */
function readLongRow(row: Buffer, encoding: 'utf8' | 'latin1'): DecodedRow {
  const second = row.indexOf(tab, row.indexOf(tab) + 1);
  if (second < 0) throw damaged('has a row without three columns');
  const data = unescapeBytes(row.subarray(second + 1, row.length - 1));
  const parts: string[] = [];
  const long: Buffer[] = [];
  let from = 0;
  for (let at = findQuote(data, 0); at < data.length; ) {
    const end = findClosing(data, at);
    if (data[at] === quote && end - at > longValue) {
      parts.push(data.toString(encoding, from, at + 1), markOf(long.length));
      long.push(halveQuotes(data.subarray(at + 1, end)));
      from = end;
    }
    at = findQuote(data, end + 1);
  }
  parts.push(data.toString(encoding, from));
  const [head] = splitRows(`${row.toString('latin1', 0, second + 1)}\n`);
  if (head === undefined) throw damaged('has a row without three columns');
  return { ...head, data: parts.join(''), long };
}

/** @returns the position of the next quote of either kind; the length when there is none */
function findQuote(data: Buffer, from: number): number {
  const [one, other] = [data.indexOf(quote, from), data.indexOf(doubleQuote, from)];
  return Math.min(one < 0 ? data.length : one, other < 0 ? data.length : other);
}

/** @returns the position of the quote that closes the one at `at`; a doubled quote closes nothing */
function findClosing(data: Buffer, at: number): number {
  const kind = data[at] as number;
  for (let from = at + 1; ; from += 2) {
    from = data.indexOf(kind, from);
    if (from < 0) throw damaged('has a row with a quote that nothing closes');
    if (data[from + 1] !== kind) return from;
  }
}

/** Turns every two quotes into one, in place. */
function halveQuotes(value: Buffer): Buffer {
  return replaceInPlace(value, quote, () => quote);
}

/** Undoes COPY's escapes, in place. */
function unescapeBytes(field: Buffer): Buffer {
  return replaceInPlace(field, backslash, (byte) => {
    const meant = escapes[String.fromCharCode(byte ?? 0)];
    if (meant === undefined) throw damaged('has an escape that COPY does not write');
    return meant.charCodeAt(0);
  });
}

/** Replaces each `first` and the byte behind it by one byte, in place. */
function replaceInPlace(bytes: Buffer, first: number, meant: (second: number | undefined) => number): Buffer {
  let [from, length] = [0, 0];
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, from)) {
    length += bytes.copy(bytes, length, from, at);
    bytes[length++] = meant(bytes[at + 1]);
    from = at + 2;
  }
  return bytes.subarray(0, length + bytes.copy(bytes, length, from));
}

/** All characters that COPY escapes when it writes. */
const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};

/**
 * Undoes COPY's escapes in one field.
 *
 * @throws IntegrityError for an escape that COPY does not write
 */
export function unescapeField(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replace(/\\([\s\S]?)/g, (_, character: string) => {
    const meant = escapes[character];
    if (meant === undefined) throw damaged('has an escape that COPY does not write');
    return meant;
  });
}

function damaged(how: string): IntegrityError {
  return new IntegrityError(
    `the text of captured changes ${how}`,
    'Run `validate` to find the damage. Choose a time before it, or a newer backup.',
  );
}
