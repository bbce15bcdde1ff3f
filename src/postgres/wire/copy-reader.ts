import { messageOf } from '../../runtime/errors.ts';
import type { Session } from '../session/connection.ts';
import { ServerError } from '../session/server-error.ts';
import { divert } from '../session/socket.ts';

/** Collects the rows that `copyOut` reads. */
export interface RowSink {
  /** Rows are appended here, from `length` on. */
  buffer: Buffer;
  /** bytes in use */
  length: number;
  /**
   * Called when the next row does not fit, or when a row longer than the whole buffer has filled it. Must
   * make room.
   */
  flush(): Promise<void>;
  /** Called after each COPY of the statement list, in order, with the number of its rows. */
  endCopy(rows: number): void;
}

const copyData = 0x64;

/**
 * Runs one or several COPY … TO STDOUT statements, separated by semicolons, in one round trip. The server
 * sends one CopyData message per row (PostgreSQL manual 55.2.6), so the inner loop runs once for every row of
 * the database: it strips the five-byte frames and appends the rows to one large buffer, without an object
 * per row.
 *
 * @throws ServerError with the server's message; the session stays usable. Any other error means that the
 *   session is gone.
 */
export function copyOut(session: Session, sql: string, sink: RowSink): Promise<void> {
  const { stream } = session;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let failure: unknown;

  const finish = (error?: unknown) => {
    release();
    stream.off('close', onClose);
    stream.resume();
    if (error === undefined) resolve();
    else reject(error);
  };
  const onClose = () => {
    // The server's last message, if it sent one, gives the reason.
    const why = failure === undefined ? '' : `: ${messageOf(failure)}`;
    finish(new Error(`the connection was lost while rows were being read${why}`, { cause: failure }));
  };
  const breakOff = (error: unknown) => {
    finish(error);
    session.destroy();
  };
  const answer = new CopyAnswer(sink, {
    onError: (error) => {
      failure = error;
    },
    onEnd: () => finish(failure),
    onDefect: breakOff,
  });

  /** The slow path: the sink is full, so the socket waits. */
  const drain = async (chunk: Buffer, from: number) => {
    stream.pause();
    let at = from;
    while (at < chunk.length) {
      await sink.flush();
      at = answer.consume(chunk, at);
    }
    stream.resume();
  };
  const onChunk = (chunk: Buffer) => {
    const consumed = answer.consume(chunk, 0);
    if (consumed < chunk.length) drain(chunk, consumed).catch(breakOff);
  };

  // A destroyed stream has emitted 'close' already and will not emit it again.
  if (stream.destroyed) return Promise.reject(new Error('the connection was lost before rows were read'));
  const release = divert(stream, onChunk);
  stream.on('close', onClose);
  stream.write(simpleQuery(sql));
  return promise;
}

/** The events of an answer, besides its rows */
interface AnswerEvents {
  onError(error: ServerError): void;
  /** Called when the list of statements has ended. */
  onEnd(): void;
  /** Called when the sink throws what it should not. */
  onDefect(error: unknown): void;
}

/** Parses the frames of an answer, however they are split into chunks. */
class CopyAnswer {
  readonly #sink: RowSink;
  readonly #events: AnswerEvents;
  /** The header of a frame, which may be split between chunks */
  readonly #header = Buffer.alloc(5);
  #headerLength = 0;
  #type = 0;
  /** bytes of the current message that are still to come */
  #missing = 0;
  /** The part of a message other than CopyData that has arrived */
  #message: Buffer[] = [];
  #rows = 0;
  /**
   * True when the current row does not fit the rest of the buffer, which is then cut at the boundary before
   * it.
   */
  #cut = false;

  constructor(sink: RowSink, events: AnswerEvents) {
    this.#sink = sink;
    this.#events = events;
  }

  /**
   * Returns the position reached, which is less than the chunk's length when the sink has to be flushed
   * first.
   */
  consume(chunk: Buffer, from: number): number {
    const end = chunk.length;
    let at = from;
    for (;;) {
      if (this.#cut && this.#sink.length > 0) return at;
      this.#cut = false;
      if (this.#missing > 0) {
        at = this.#take(chunk, at);
        if (this.#missing > 0) return at;
        if (this.#endMessage()) return end;
      }
      if (this.#headerLength === 0) at = this.#takeWholeRows(chunk, at);
      while (this.#headerLength < 5 && at < end) this.#header[this.#headerLength++] = chunk[at++] as number;
      if (this.#headerLength < 5) return at;
      this.#type = this.#header[0] as number;
      this.#missing = this.#header.readUInt32BE(1) - 4;
      this.#headerLength = 0;
      const { buffer, length } = this.#sink;
      this.#cut = this.#type === copyData && length + this.#missing > buffer.length;
      if (this.#missing === 0 && this.#endMessage()) return end;
    }
  }

  /** Takes what has arrived of the current message; of a row, only as much as the buffer has room for. */
  #take(chunk: Buffer, from: number): number {
    const available = Math.min(this.#missing, chunk.length - from);
    if (this.#type !== copyData) {
      this.#message.push(Buffer.from(chunk.subarray(from, from + available)));
      this.#missing -= available;
      return from + available;
    }
    const sink = this.#sink;
    const room = Math.min(available, sink.buffer.length - sink.length);
    chunk.copy(sink.buffer, sink.length, from, from + room);
    sink.length += room;
    this.#missing -= room;
    return from + room;
  }

  /** The fast path: rows that lie whole in this chunk and fit the buffer. */
  #takeWholeRows(chunk: Buffer, from: number): number {
    const end = chunk.length;
    const { buffer } = this.#sink;
    let { length } = this.#sink;
    let at = from;
    let rows = 0;
    while (end - at >= 5 && chunk[at] === copyData) {
      const size = chunk.readUInt32BE(at + 1) - 4;
      const next = at + 5 + size;
      if (next > end || length + size > buffer.length) break;
      // For short rows a loop is faster than the call.
      if (size < 64)
        for (let index = at + 5; index < next; index++) buffer[length++] = chunk[index] as number;
      else length += chunk.copy(buffer, length, at + 5, next);
      rows++;
      at = next;
    }
    this.#sink.length = length;
    this.#rows += rows;
    return at;
  }

  /** Handles a complete message; true when the statement list has ended. */
  #endMessage(): boolean {
    if (this.#type === copyData) {
      this.#rows++;
      return false;
    }
    const body = Buffer.concat(this.#message);
    this.#message = [];
    switch (String.fromCharCode(this.#type)) {
      case 'H': // CopyOutResponse
        this.#rows = 0;
        return false;
      case 'c': // CopyDone
        try {
          this.#sink.endCopy(this.#rows);
        } catch (error) {
          this.#events.onDefect(error);
          return true;
        }
        return false;
      case 'E':
        this.#events.onError(ServerError.parse(body));
        return false;
      case 'Z': // ReadyForQuery
        this.#events.onEnd();
        return true;
      default: // CommandComplete, notices and parameter changes
        return false;
    }
  }
}

/** The simple query message, which may hold several statements, unlike the extended one. */
export function simpleQuery(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`);
  const message = Buffer.alloc(5 + text.length);
  message.write('Q');
  message.writeUInt32BE(text.length + 4, 1);
  text.copy(message, 5);
  return message;
}
