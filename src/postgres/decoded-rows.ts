import { IntegrityError } from '../errors.ts';

/** A row of pg_logical_slot_peek_changes() */
export interface DecodedRow {
  readonly lsn: string;
  /** Without its epoch; of the transaction, not of a part of it */
  readonly xid: number;
  /** What the output plugin wrote */
  readonly data: string;
}

/** bytes; texts that are cut from a string keep all of it in memory, so that strings are made of no more than about this */
const blockSize = 1 << 20;
const newline = 10;

/**
 * Reads COPY text of the columns lsn, xid and data (PostgreSQL manual, COPY, Text Format), of which a row may go on in the next buffer.
 * Yields rows in order, those of about a megabyte at once.
 *
 * @param encoding how the bytes of `data` become text: with `latin1` every byte becomes one character, whatever it was to mean
 * @throws IntegrityError when it is no such text, or ends within a row; the message has nothing of the row
 */
export async function* readDecodedRows(
  text: AsyncIterable<Buffer>,
  encoding: 'utf8' | 'latin1' = 'utf8',
): AsyncGenerator<DecodedRow[]> {
  /** Pieces of a row that has not ended */
  let open: Buffer[] = [];
  for await (const chunk of text) {
    let at = 0;
    while (at < chunk.length) {
      const end = findCut(chunk, at);
      if (end <= at) break;
      const block = chunk.subarray(at, end);
      const whole = open.length === 0 ? block : Buffer.concat([...open, block]);
      open = [];
      yield splitRows(whole.toString(encoding));
      at = end;
    }
    // What is given may be used again by whoever gave it.
    if (at < chunk.length) open.push(Buffer.from(chunk.subarray(at)));
  }
  if (open.length > 0) throw damaged('ends within a row');
}

/** @returns the position behind a newline, about a block further; `at` when there is none */
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
    rows.push({ lsn, xid, data: unescapeField(text.slice(second + 1, end)) });
    at = end + 1;
  }
  return rows;
}

/** All that COPY escapes when it writes */
const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
};

/** The text that COPY wrote a field for. */
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
    'Run validate to see what is damaged; choose a time before it, or a newer backup.',
  );
}
