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

  // A frame's header may be split between chunks.
  const header = Buffer.alloc(5);
  let headerLength = 0;
  let type = 0;
  // Bytes of the current message still to come, and the parts of a message other than CopyData.
  let missing = 0;
  let message: Buffer[] = [];
  let rows = 0;
  // The current row does not fit the rest of the buffer: flush before it, at a row boundary.
  let cut = false;
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

  const onChunk = (chunk: Buffer) => {
    const consumed = consume(chunk, 0);
    if (consumed < chunk.length) drain(chunk, consumed);
  };

  /** The slow path: the sink is full, so the socket waits. */
  const drain = (chunk: Buffer, from: number) => {
    stream.pause();
    void (async () => {
      let at = from;
      while (at < chunk.length) {
        await sink.flush();
        at = consume(chunk, at);
      }
      stream.resume();
    })().catch(breakOff);
  };

  /**
   * Returns the position reached, which is less than the chunk's length when the sink has to be flushed
   * first.
   */
  const consume = (chunk: Buffer, from: number): number => {
    const end = chunk.length;
    let at = from;
    for (;;) {
      if (cut && sink.length > 0) return at;
      cut = false;
      if (missing > 0) {
        const available = Math.min(missing, end - at);
        if (type === copyData) {
          const room = Math.min(available, sink.buffer.length - sink.length);
          chunk.copy(sink.buffer, sink.length, at, at + room);
          sink.length += room;
          missing -= room;
          at += room;
          if (room < available) return at;
        } else {
          message.push(Buffer.from(chunk.subarray(at, at + available)));
          missing -= available;
          at += available;
        }
        if (missing > 0) return at;
        if (type === copyData) rows++;
        else if (endMessage()) return end;
      }
      // The fast path: rows that lie entirely in this chunk and fit the buffer.
      const { buffer } = sink;
      let { length } = sink;
      while (end - at >= 5 && headerLength === 0 && chunk[at] === copyData) {
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
      sink.length = length;
      while (headerLength < 5 && at < end) header[headerLength++] = chunk[at++] as number;
      if (headerLength < 5) return at;
      type = header[0] as number;
      missing = header.readUInt32BE(1) - 4;
      headerLength = 0;
      cut = type === copyData && sink.length + missing > sink.buffer.length;
      if (missing === 0) {
        if (type === copyData) rows++;
        else if (endMessage()) return end;
      }
    }
  };

  /** Handles a complete message that is not a row; true when the statement list has ended. */
  const endMessage = (): boolean => {
    const body = Buffer.concat(message);
    message = [];
    switch (String.fromCharCode(type)) {
      case 'H': // CopyOutResponse
        rows = 0;
        return false;
      case 'c': // CopyDone
        try {
          sink.endCopy(rows);
        } catch (error) {
          breakOff(error);
          return true;
        }
        return false;
      case 'E':
        failure = ServerError.parse(body);
        return false;
      case 'Z': // ReadyForQuery
        finish(failure);
        return true;
      default: // CommandComplete, notices and parameter changes
        return false;
    }
  };

  // A destroyed stream has emitted 'close' already and will not emit it again.
  if (stream.destroyed) return Promise.reject(new Error('the connection was lost before rows were read'));
  const release = divert(stream, onChunk);
  stream.on('close', onClose);
  stream.write(simpleQuery(sql));
  return promise;
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
