import { unescapeField } from '../../postgres/decoding/decoded-rows.ts';
import { parseChange, parseTables, readHead } from '../../postgres/decoding/test-decoding.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { parseLsn } from '../../values/lsn.ts';
import { widenXid } from '../../values/pg-snapshot.ts';
import { formatTimestamp } from '../../values/timestamp.ts';

/** What was done to one table. */
export interface TableChanges {
  readonly schema: string;
  readonly name: string;
  inserts: number;
  updates: number;
  deletes: number;
  truncates: number;
}

export const keyOf = ({ schema, name }: { schema: string; name: string }) => JSON.stringify([schema, name]);

/** Longer than what stands before the values of any change */
const headBytes = 1024 * 1024;

/** Counts what is in decoded text while it goes by, and makes sure that it is text that a replay will understand. */
export class ChangeTally {
  transactions = 0;
  /** ISO 8601, with microseconds */
  firstCommitAt: string | null = null;
  lastCommitAt: string | null = null;
  firstCommitEnd: bigint | undefined;
  lastCommitEnd: bigint | undefined;
  /** `lastCommitEnd` as the server writes it */
  lastCommit = '0/0';
  /** The highest number of a transaction in it, with its epoch */
  highestXid = 0n;
  readonly #tables = new Map<string, TableChanges>();
  /** By the names as the server writes them, which are the same on every line */
  readonly #named = new Map<string, readonly TableChanges[]>();
  readonly #near: bigint;
  /** The line at hand, as far as it goes */
  #line: Buffer = Buffer.alloc(0);

  /** @param near a number of a transaction that differs from those in the text by less than 2^31 */
  constructor(near: bigint) {
    this.#near = near;
  }

  get tables(): readonly TableChanges[] {
    return [...this.#tables.values()];
  }

  get changes(): number {
    return this.tables.reduce((sum, { inserts, updates, deletes }) => sum + inserts + updates + deletes, 0);
  }

  /** Takes the next bytes of COPY text. */
  add(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      this.#keep(bytes.subarray(start, end));
      this.#count(this.#line);
      this.#line = Buffer.alloc(0);
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
  }

  /** Of a row of megabytes, its beginning says what it is. */
  #keep(bytes: Buffer): void {
    const part = bytes.subarray(0, Math.max(0, headBytes - this.#line.length));
    this.#line = this.#line.length === 0 ? part : Buffer.concat([this.#line, part]);
  }

  /** @throws IntegrityError when the text does not end with a line */
  finish(): void {
    if (this.#line.length > 0) throw unreadable('it ends within a line');
  }

  #count(line: Buffer): void {
    const lsnEnd = line.indexOf(9);
    const xidEnd = line.indexOf(9, lsnEnd + 1);
    if (lsnEnd < 0 || xidEnd < 0) throw unreadable('a line has less than three columns');
    const field = line.toString('utf8', xidEnd + 1);
    // What is cut off may be the second half of an escape.
    const data = unescapeField(line.length < headBytes ? field : field.replace(/\\+$/, ''));
    const head = readHead(data);
    switch (head.kind) {
      case 'begin':
        this.#noteXid(Number(line.toString('latin1', lsnEnd + 1, xidEnd)));
        break;
      case 'commit':
        this.#noteCommit(line.toString('latin1', 0, lsnEnd), data);
        break;
      case 'message':
        break;
      default:
        for (const table of this.#tablesOf(head.tables)) table[counters[head.kind]]++;
    }
  }

  #noteXid(short: number): void {
    const xid = widenXid(short, this.#near + 2n ** 31n);
    if (xid > this.highestXid) this.highestXid = xid;
  }

  #noteCommit(lsn: string, data: string): void {
    const change = parseChange(data);
    if (change.kind !== 'commit') throw new Error('a commit is not read as one');
    const at = formatTimestamp(change.at);
    this.transactions++;
    this.firstCommitAt ??= at;
    this.lastCommitAt = at;
    this.lastCommit = lsn;
    this.lastCommitEnd = parseLsn(lsn);
    this.firstCommitEnd ??= this.lastCommitEnd;
  }

  /** @param names as the server wrote them */
  #tablesOf(names: string): readonly TableChanges[] {
    const known = this.#named.get(names);
    if (known !== undefined) return known;
    const tables = parseTables(names).map(({ schema, name }) => {
      const key = keyOf({ schema, name });
      const table = this.#tables.get(key) ?? {
        schema,
        name,
        inserts: 0,
        updates: 0,
        deletes: 0,
        truncates: 0,
      };
      this.#tables.set(key, table);
      return table;
    });
    this.#named.set(names, tables);
    return tables;
  }
}

const counters = { insert: 'inserts', update: 'updates', delete: 'deletes', truncate: 'truncates' } as const;

function unreadable(how: string): IntegrityError {
  return new IntegrityError(
    `the changes that the server gave out cannot be understood: ${how}`,
    'Nothing was stored, and the slot was not moved. Report this; until it is mended, backups go on without captures.',
  );
}
