/**
 * A digest of rows that does not depend on their order: the sum over all rows of a 64-bit hash, which is
 * MurmurHash3_x86_32 of the row's COPY text under two seeds. It tells whether two tables hold the same rows.
 * It is not cryptographic: SHA-256 proves stored content, and this digest compares a database's answer with
 * the text sent to it.
 */
export class RowDigest {
  /**
   * Exact totals. Sums of 32-bit hashes stay exact as numbers for 2²¹ rows; `#fold` adds them here in time.
   */
  #high = 0n;
  #low = 0n;
  #rows = 0;
  /** State of a row that began in an earlier buffer: the row itself may be too long to keep in memory. */
  #open: OpenRow | undefined;

  /** Adds COPY text: rows that end in a newline. The last row may continue in the next call. */
  update(text: Buffer): void {
    let at = 0;
    if (this.#open !== undefined) {
      const end = text.indexOf(newline);
      absorb(this.#open, text, 0, end < 0 ? text.length : end);
      if (end < 0) return;
      this.#close(this.#open);
      at = end + 1;
    }
    const end = Math.max(at, text.lastIndexOf(newline) + 1);
    this.#addRows(text, at, end);
    if (end === text.length) return;
    this.#open = { one: seedHigh, two: seedLow, length: 0, rest: [] };
    absorb(this.#open, text, end, text.length);
  }

  #close({ one, two, length, rest }: OpenRow): void {
    const tail = mixTail(rest.reduceRight((word, byte) => (word << 8) | byte, 0));
    this.#fold(finish(one ^ tail, length), finish(two ^ tail, length), 1);
    this.#open = undefined;
  }

  #addRows(text: Buffer, from: number, to: number): void {
    const view = new DataView(text.buffer, text.byteOffset, text.length);
    let high = 0;
    let low = 0;
    let pending = 0;
    for (let at = from; at < to; ) {
      const end = text.indexOf(newline, at);
      const length = end - at;
      let one = seedHigh;
      let two = seedLow;
      const words = end - (length & 3);
      for (; at < words; at += 4) {
        let word = Math.imul(view.getInt32(at, true), 0xcc9e2d51);
        word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
        one ^= word;
        one = (Math.imul((one << 13) | (one >>> 19), 5) + 0xe6546b64) | 0;
        two ^= word;
        two = (Math.imul((two << 13) | (two >>> 19), 5) + 0xe6546b64) | 0;
      }
      let tail = 0;
      for (let index = end - 1; index >= at; index--) tail = (tail << 8) | (text[index] as number);
      tail = mixTail(tail);
      high += finish(one ^ tail, length);
      low += finish(two ^ tail, length);
      at = end + 1;
      if (++pending === foldAfter) {
        this.#fold(high, low, pending);
        high = low = pending = 0;
      }
    }
    this.#fold(high, low, pending);
  }

  #fold(high: number, low: number, rows: number): void {
    this.#high += BigInt(high);
    this.#low += BigInt(low);
    this.#rows += rows;
  }

  /** Adds the rows of another digest. */
  merge(other: RowDigest): void {
    this.#high += other.#high;
    this.#low += other.#low;
    this.#rows += other.#rows;
  }

  get rows(): number {
    return this.#rows;
  }

  /** 32 hexadecimal digits: both sums modulo 2⁶⁴. Equal for equal multisets of rows. */
  toString(): string {
    return [this.#high, this.#low]
      .map((sum) => BigInt.asUintN(64, sum).toString(16).padStart(16, '0'))
      .join('');
  }
}

/** Both hashes of a row, as far as it has been read. */
interface OpenRow {
  one: number;
  two: number;
  /** bytes */
  length: number;
  /** Bytes that do not fill a word yet. */
  rest: number[];
}

function absorb(row: OpenRow, text: Buffer, from: number, to: number): void {
  row.length += to - from;
  let at = from;
  while (row.rest.length > 0 && row.rest.length < 4 && at < to) row.rest.push(text[at++] as number);
  if (row.rest.length === 4) {
    absorbWord(row, Buffer.from(row.rest).readInt32LE());
    row.rest = [];
  }
  const words = at + ((to - at) & ~3);
  for (; at < words; at += 4) absorbWord(row, text.readInt32LE(at));
  for (; at < to; at++) row.rest.push(text[at] as number);
}

function absorbWord(row: OpenRow, word: number): void {
  let mixed = Math.imul(word, 0xcc9e2d51);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  row.one ^= mixed;
  row.one = (Math.imul((row.one << 13) | (row.one >>> 19), 5) + 0xe6546b64) | 0;
  row.two ^= mixed;
  row.two = (Math.imul((row.two << 13) | (row.two >>> 19), 5) + 0xe6546b64) | 0;
}

function mixTail(tail: number): number {
  const mixed = Math.imul(tail, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

const newline = 10;
const seedHigh = 0x5bd1e995 | 0;
const seedLow = 0x2127599b | 0;
const foldAfter = 1 << 20;

/** MurmurHash3's finalizer, as an unsigned number. */
function finish(hash: number, length: number): number {
  let mixed = hash ^ length;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
