import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { messageOf } from '../../runtime/errors.ts';
import { BrokenBodyError, ForeignValueError } from '../storage.ts';
import { slowestRate } from './deadline.ts';
import { SilenceError } from './failure.ts';

/* Reads answers within limits of size and time: the sender may be no store, or a device in between. */

/** Bytes of the body of an error; those of S3 have a few hundred. Of a longer one only the status is used. */
const largestFailure = 64 * 1024;

/** Bytes of any other answer except a value: four times a listing of a thousand of the longest keys */
const largestAnswer = 32 * 1024 * 1024;

/**
 * Limits the size and pace of the client's answers, because the SDK reads a whole answer into memory before
 * it parses it, whatever its size. Bodies of values are not limited here; `readWhole` reads them with a limit
 * of their own.
 */
export function boundAnswers(client: S3Client, silenceMs: number): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const result = await next(args);
        const response = result.response as { statusCode: number; body?: unknown };
        if (!(response.body instanceof Readable)) return result;
        if (response.statusCode >= 300) {
          const body = await readFailure(pace(response.body, silenceMs));
          // The SDK keeps the text only of an answer that it could parse.
          Object.assign(response, { text: Buffer.concat(body).toString() });
          response.body = Readable.from(body, { objectMode: false });
        } else if (commandName !== 'GetObjectCommand') {
          response.body = Readable.from(readAnswer(pace(response.body, silenceMs)), { objectMode: false });
        }
        return result;
      },
    { step: 'deserialize', priority: 'low', name: 'boundAnswers' },
  );
}

/** Reads the body of an error; empty when it is too long, because a part of an XML text cannot be parsed. */
async function readFailure(body: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop closes the connection.
    if (size > largestFailure) return [];
    chunks.push(chunk);
  }
  return chunks;
}

/**
 * Ends an answer that is slower than the slowest rate: a trickle of bytes would never count as silence.
 *
 * @param silence milliseconds over which the rate is measured
 * @throws SilenceError when the answer is too slow or stops
 */
async function* pace(body: Readable, silenceMs: number): AsyncGenerator<Buffer> {
  const least = (slowestRate * silenceMs) / 1000;
  let size = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    if (size < least) body.destroy(new SilenceError(`${size} bytes came in ${silenceMs / 1000} seconds`));
    size = 0;
  }, silenceMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      last = performance.now();
      yield chunk;
    }
  } catch (cause) {
    // The SDK ends a silent connection, too, which shows here as a broken body.
    if (cause instanceof SilenceError || performance.now() - last < silenceMs * 0.9) throw cause;
    throw new SilenceError('the rest of the answer did not come', { cause });
  } finally {
    clearInterval(timer);
  }
}

async function* readAnswer(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > largestAnswer) throw new Error(`the answer has more than ${largestAnswer} bytes`);
    yield chunk;
  }
}

/**
 * Reads the whole body of a value.
 *
 * @param silence milliseconds without enough bytes after which reading ends
 * @param length the bytes that the answer announces; undefined when it does not
 * @param check throws when a number of bytes is too large; reading ends then
 * @throws SilenceError, BrokenBodyError, or the ForeignValueError of `check`
 */
export async function readWhole(
  body: Readable,
  silenceMs: number,
  length: number | undefined,
  check: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    check(length ?? 0);
    for await (const chunk of pace(body, silenceMs)) {
      size += chunk.length;
      check(size);
      chunks.push(chunk);
    }
  } catch (error) {
    body.destroy();
    if (error instanceof ForeignValueError || error instanceof SilenceError) throw error;
    throw new BrokenBodyError(`the answer broke off after ${size} bytes (${messageOf(error)})`, {
      cause: error,
    });
  }
  if (length !== undefined && size !== length) {
    throw new BrokenBodyError(`the answer ended after ${size} of ${length} bytes`);
  }
  return Buffer.concat(chunks, size);
}
