import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { messageOf } from '../../runtime/errors.ts';
import { BrokenBodyError, ForeignValueError } from '../storage.ts';
import { slowestRate } from './deadline.ts';
import { SilenceError } from './failure.ts';

/* Answers of a store are read within bounds of size and time, whoever gives them: it may be no store, or one who stands in between. */

/** bytes of an answer that tells an error; those of S3 have a few hundred. Of a longer one the status alone counts. */
const largestFailure = 64 * 1024;

/** bytes of any other answer but a value: a listing of a thousand keys of the longest names has a quarter of this. */
const largestAnswer = 32 * 1024 * 1024;

/**
 * The SDK takes the whole of an answer into memory before it parses it, whatever its size: all but values, which are read with a limit
 * of their own, end here where no store's answer would go on.
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
          // The SDK keeps it only of what it could parse.
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

/** Nothing of what is too long: half of an XML text is none. */
async function readFailure(body: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Ending the loop ends the connection.
    if (size > largestFailure) return [];
    chunks.push(chunk);
  }
  return chunks;
}

/**
 * An answer that comes drop by drop is cut off: each drop ends a silence, and none is the last.
 *
 * @throws SilenceError
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
    // The SDK ends a silent connection as well, and what is read of it then has just broken off.
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

/** @param check throws when so many bytes are too many; nothing more is read then */
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
