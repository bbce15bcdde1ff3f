import { unescapeField } from '../../postgres/decoding/decoded-rows.ts';
import { parseChange, parseTables, readHead } from '../../postgres/decoding/test-decoding.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { parseLsn } from '../../values/lsn.ts';
import { widenXid } from '../../values/pg-snapshot.ts';
import { formatTimestamp } from '../../values/timestamp.ts';

/** Counts of changes to one table. */
export interface TableChanges {
  readonly schema: string;
  readonly name: string;
  inserts: number;
  updates: number;
  deletes: number;
  truncates: number;
}

export const keyOf = ({ schema, name }: { schema: string; name: string }) => JSON.stringify([schema, name]);

/** bytes; longer than everything before the values of any change */
const headBytes = 1024 * 1024;

/** Counts the changes in decoded text as it passes, and makes sure that a replay will understand the text. */
export class ChangeTally {
  transactions = 0;
  /** ISO 8601, with microseconds. */
  firstCommitAt: string | null = null;
  lastCommitAt: string | null = null;
  firstCommitEnd: bigint | undefined;
  lastCommitEnd: bigint | undefined;
  /** `lastCommitEnd` as the server writes it. */
  lastCommit = '0/0';
  /** The highest transaction number in the text, with its epoch. */
  highestXid = 0n;
  readonly #tables = new Map<string, TableChanges>();
  /** By the table names as the server writes them, which are the same on every line. */
  readonly #named = new Map<string, readonly TableChanges[]>();
  readonly #near: bigint;
  /** The current line, as far as it has been read. */
  #line: Buffer = Buffer.alloc(0);

  /** @param near a transaction number that differs by less than 2³¹ from those in the text */
  constructor(near: bigint) {
    this.#near = near;
  }

  get tables(): readonly TableChanges[] {
    return [...this.#tables.values()];
  }

  get changes(): number {
    return this.tables.reduce((sum, { inserts, updates, deletes }) => sum + inserts + updates + deletes, 0);
  }

  /**
   * Takes the next bytes of COPY text.
   *
   * @throws IntegrityError when a line has no known form
   */
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

  /** Keeps only the beginning of a long row, which suffices to tell its kind. */
  #keep(bytes: Buffer): void {
    const part = bytes.subarray(0, Math.max(0, headBytes - this.#line.length));
    this.#line = this.#line.length === 0 ? part : Buffer.concat([this.#line, part]);
  }

  /** @throws IntegrityError when the text ends within a line */
  finish(): void {
    if (this.#line.length > 0) throw unreadable('it ends within a line');
  }

  #count(line: Buffer): void {
    const lsnEnd = line.indexOf(9);
    const xidEnd = line.indexOf(9, lsnEnd + 1);
    if (lsnEnd < 0 || xidEnd < 0) throw unreadable('a line has less than three columns');
    const field = line.toString('utf8', xidEnd + 1);
    // The cut may have split an escape.
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
    `the changes that the server returned cannot be parsed: ${how}`,
    'Nothing was stored, and the slot was not moved. Report this. Until it is fixed, backups work without captures.',
  );
}
