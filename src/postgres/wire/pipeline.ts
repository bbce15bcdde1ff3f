import type { Session } from '../session/connection.ts';
import { ServerError } from '../session/server-error.ts';
import { divert } from '../session/socket.ts';

/*
 * Sends many small prepared statements without waiting for each answer (pipelining, PostgreSQL manual
 * 55.2.4). Behind a network with a round trip of one millisecond, every row would otherwise wait one
 * millisecond.
 */

/** Becomes a prepared statement of the session when it is first executed. */
export interface PreparedStatement {
  /** Unique among the statements of the session; a few ASCII characters. */
  readonly name: string;
  readonly sql: string;
}

/** Statements sent together. The promise resolves when all are answered, with or without an error. */
interface Batch<Note> extends PromiseWithResolvers<void> {
  /** Notes of its statements, in order. */
  readonly notes: readonly Note[];
  answered: number;
}

/** bytes collected before they are sent */
const batchSize = 256 * 1024;
/** Batches that may await their answers. */
const batchesUnderWay = 4;
/** Prepared statements that the server keeps at once: each takes some ten kilobytes of its memory. */
const preparedLimit = 1000;

/**
 * Owns the connection of a session until `release`. `Note` is what the caller needs to know about a statement
 * that failed.
 *
 * After the first error nothing more has an effect: the server skips the rest of the batch, later statements
 * fail in the aborted transaction, and every call throws the first error.
 */
export class Pipeline<Note> {
  readonly #session: Session;
  readonly #release: () => void;
  readonly #onDone: (rows: number, note: Note) => void;
  readonly #explain: (error: ServerError, note: Note | undefined) => Error;
  readonly #onClose = () => this.#lose();
  #buffer = Buffer.allocUnsafe(2 * batchSize);
  #length = 0;
  #pending: Buffer = Buffer.alloc(0);
  /** Notes of the statements in the buffer, in order. */
  #notes: Note[] = [];
  /** Batches sent and not yet answered. */
  readonly #batches: Batch<Note>[] = [];
  readonly #prepared = new Set<string>();
  #failure: Error | undefined;

  /**
   * @param onDone gets the number of rows that a statement inserted, changed, deleted or read; the next call
   *   throws what it throws
   * @param explain turns the server's error into the error to throw
   */
  constructor(
    session: Session,
    onDone: (rows: number, note: Note) => void,
    explain: (error: ServerError, note: Note | undefined) => Error,
  ) {
    if (session.stream.destroyed) throw new Error('the connection was lost before changes were sent');
    this.#session = session;
    this.#onDone = onDone;
    this.#explain = explain;
    this.#release = divert(session.stream, (chunk) => this.#receive(chunk));
    session.stream.on('close', this.#onClose);
  }

  /**
   * Adds one statement, and sends the batch when it is full.
   *
   * @param values strings hold one byte per character: `latin1` in, the same bytes out. A Buffer is sent
   *   without a copy, and answered before anything else is sent.
   * @throws the first error, if any statement has failed
   */
  async execute(
    { name, sql }: PreparedStatement,
    values: readonly (string | Buffer | null)[],
    note: Note,
  ): Promise<void> {
    if (!this.#prepared.has(name)) this.#prepare(name, sql);
    this.#bind(name, values);
    this.#begin(execute, 5);
    this.#writeByte(0);
    this.#writeInt32(0);
    this.#notes.push(note);
    if (values.some(Buffer.isBuffer)) await this.settle();
    else if (this.#length >= batchSize) await this.flush();
  }

  /** Sends the buffer, and waits while too many batches are unanswered. */
  async flush(): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#length > 0) {
      this.#begin(sync, 0);
      this.#batches.push({ ...Promise.withResolvers<void>(), notes: this.#notes, answered: 0 });
      this.#notes = [];
      this.#send();
    }
    while (this.#batches.length > batchesUnderWay) await this.#batches[0]?.promise;
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when every statement is answered and none has failed. */
  async settle(): Promise<void> {
    await this.flush();
    await this.#batches.at(-1)?.promise;
    if (this.#failure) throw this.#failure;
  }

  /** Returns the connection. Call it when everything is settled, or when the session is given up. */
  release(): void {
    this.#release();
    this.#session.stream.off('close', this.#onClose);
  }

  #send(): void {
    this.#session.stream.write(this.#buffer.subarray(0, this.#length));
    // The socket may still hold the old buffer.
    this.#buffer = Buffer.allocUnsafe(2 * batchSize);
    this.#length = 0;
  }

  #prepare(name: string, sql: string): void {
    if (this.#prepared.size === preparedLimit) {
      for (const old of this.#prepared) {
        this.#begin(close, 2 + old.length);
        this.#writeByte(statement);
        this.#writeText(old, old.length);
      }
      this.#prepared.clear();
    }
    this.#prepared.add(name);
    const text = Buffer.from(sql).toString('latin1');
    this.#begin(parse, name.length + 1 + text.length + 1 + 2);
    this.#writeText(name, name.length);
    this.#writeText(text, text.length);
    // No parameter types: the server infers them.
    this.#writeInt16(0);
  }

  #bind(name: string, values: readonly (string | Buffer | null)[]): void {
    let size = 1 + name.length + 1 + 2 + 2 + 2;
    let apart = 0;
    for (const value of values) {
      size += 4 + (value === null ? 0 : value.length);
      if (Buffer.isBuffer(value)) apart += value.length;
    }
    this.#begin(bind, size, size - apart);
    // The unnamed portal.
    this.#writeByte(0);
    this.#writeText(name, name.length);
    this.#writeInt16(0);
    this.#writeInt16(values.length);
    for (const value of values) {
      this.#writeInt32(value === null ? -1 : value.length);
      if (Buffer.isBuffer(value)) this.#sendApart(value);
      else if (value !== null) this.#length += this.#buffer.write(value, this.#length, 'latin1');
    }
    this.#writeInt16(0);
  }

  /** Sends bytes inside a message that has begun. */
  #sendApart(bytes: Buffer): void {
    const rest = this.#buffer.length;
    this.#send();
    this.#session.stream.write(bytes);
    // `#begin` reserved room for the rest of the message.
    if (this.#buffer.length < rest) this.#buffer = Buffer.allocUnsafe(rest);
  }

  /** Begins a message with `size` bytes of content, of which `buffered` bytes go through the buffer. */
  #begin(type: number, size: number, buffered = size): void {
    const needed = this.#length + 5 + buffered;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, needed));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#writeByte(type);
    this.#writeInt32(size + 4);
  }

  #writeByte(value: number): void {
    this.#buffer[this.#length++] = value;
  }

  #writeInt16(value: number): void {
    this.#length = this.#buffer.writeUInt16BE(value, this.#length);
  }

  #writeInt32(value: number): void {
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
  }

  #writeText(text: string, length: number): void {
    this.#buffer.write(text, this.#length, 'latin1');
    this.#length += length;
    this.#writeByte(0);
  }

  #receive(chunk: Buffer): void {
    const data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    while (data.length - at >= 5) {
      const end = at + 1 + data.readUInt32BE(at + 1);
      if (end > data.length) break;
      this.#take(data[at] as number, data.subarray(at + 5, end));
      at = end;
    }
    // The chunk is valid only during this call.
    this.#pending = Buffer.from(data.subarray(at));
  }

  #take(type: number, body: Buffer): void {
    if (type === commandComplete) this.#complete(body);
    else if (type === errorResponse) {
      const error = ServerError.parse(Buffer.from(body));
      const batch = this.#batches[0];
      this.#failure ??= this.#explain(error, batch?.notes[batch.answered]);
    } else if (type === readyForQuery) this.#batches.shift()?.resolve();
  }

  #complete(body: Buffer): void {
    const batch = this.#batches[0];
    if (batch === undefined || this.#failure) return;
    const note = batch.notes[batch.answered++] as Note;
    // Tags are `INSERT 0 1` or `UPDATE 1`; `BEGIN` has no count.
    let [rows, factor] = [0, 1];
    for (let index = body.length - 2; index >= 0; index--, factor *= 10) {
      const digit = (body[index] as number) - 0x30;
      if (digit < 0 || digit > 9) break;
      rows += digit * factor;
    }
    try {
      this.#onDone(rows, note);
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  #lose(): void {
    // The server's last message, if it sent one, gives the reason.
    this.#failure ??= new Error('the connection was lost while changes were being sent');
    for (const batch of this.#batches.splice(0)) batch.resolve();
  }
}

/* Message types (PostgreSQL manual 55.7). */
const [parse, bind, execute, close, sync] = [0x50, 0x42, 0x45, 0x43, 0x53] as const;
const [commandComplete, errorResponse, readyForQuery] = [0x43, 0x45, 0x5a] as const;
const statement = 0x53;
