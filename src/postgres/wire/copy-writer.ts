import { once } from 'node:events';
import type { Socket } from 'node:net';
import { messageOf } from '../../runtime/errors.ts';
import type { Session } from '../session/connection.ts';
import { ServerError } from '../session/server-error.ts';
import { divert } from '../session/socket.ts';
import { simpleQuery } from './copy-reader.ts';

/**
 * Runs one COPY … FROM STDIN with the given text. A CopyData message may hold any part of the text
 * (PostgreSQL manual 55.2.6), so whole buffers are sent as they are.
 *
 * @returns the number of rows that the server accepted
 * @throws ServerError with the server's message, or the error of `text`. The server has dropped the rows of
 *   this COPY then, and the session stays usable. Any other error means that the session is gone.
 */
export async function copyIn(session: Session, sql: string, text: AsyncIterable<Buffer>): Promise<number> {
  const { stream } = session;
  let pending: Buffer = Buffer.alloc(0);
  let failure: ServerError | undefined;
  let rows = 0;
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  ended.promise.catch(() => undefined);

  const onChunk = (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5) {
      const size = pending.readUInt32BE(1) + 1;
      if (pending.length < size) return;
      const type = String.fromCharCode(pending[0] as number);
      const body = pending.subarray(5, size);
      pending = pending.subarray(size);
      if (type === 'G') ready.resolve();
      else if (type === 'C') rows = Number(/^COPY (\d+)/.exec(body.toString('latin1'))?.[1] ?? 0);
      else if (type === 'E') {
        failure = ServerError.parse(Buffer.from(body));
        ready.resolve();
      } else if (type === 'Z') ended.resolve();
    }
  };
  const onClose = () => {
    // The server's last message, if it sent one, gives the reason.
    const why = failure === undefined ? '' : `: ${messageOf(failure)}`;
    const error = new Error(`the connection was lost while rows were being written${why}`, {
      cause: failure,
    });
    ready.reject(error);
    ended.reject(error);
  };
  // A destroyed stream has emitted 'close' already and will not emit it again.
  if (stream.destroyed) throw new Error('the connection was lost before rows were written');
  const release = divert(stream, onChunk);
  stream.on('close', onClose);
  try {
    stream.write(simpleQuery(sql));
    await ready.promise;
    let broken: { reason: unknown } | undefined;
    try {
      for await (const part of text) {
        if (failure) break;
        const flowing = writeCopyData(stream, part);
        if (!flowing) await Promise.race([once(stream, 'drain'), ended.promise]);
      }
    } catch (reason) {
      broken = { reason };
    }
    if (!failure) stream.write(broken ? copyFail : copyDone);
    await ended.promise;
    if (broken) throw broken.reason;
    if (failure) throw failure;
    return rows;
  } finally {
    release();
    stream.off('close', onClose);
  }
}

/**
 * bytes; the server collects a whole message before parsing it, and a message of this size stays in the CPU's
 * cache
 */
const messageSize = 64 * 1024;

/** Sends text as CopyData messages; returns false when the socket's buffer is full. */
function writeCopyData(stream: Socket, text: Buffer): boolean {
  let flowing = true;
  stream.cork();
  for (let at = 0; at < text.length; at += messageSize) {
    const part = text.subarray(at, at + messageSize);
    const header = Buffer.allocUnsafe(5);
    header[0] = 0x64;
    header.writeUInt32BE(part.length + 4, 1);
    stream.write(header);
    flowing = stream.write(part);
  }
  stream.uncork();
  return flowing;
}

const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);
const copyFail = Buffer.from([0x66, 0, 0, 0, 5, 0]);
