import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertNever } from '../../src/runtime/errors.ts';

/** What a request to a store is about. DELETE is both, of one key and of many. */
export type Operation = 'PUT' | 'GET' | 'LIST' | 'HEAD' | 'DELETE';

/** What becomes of a request or of its answer. */
export type Misdeed =
  /** It is served, later. */
  | { kind: 'latency'; milliseconds: number }
  /** The connection ends, and nothing is done. */
  | { kind: 'reset' }
  /** Nothing is done, and nothing answered. */
  | { kind: 'hang' }
  /** Nothing is done, and this is answered. */
  | ({ kind: 'answer' } & Words)
  /** It is done, and this is answered. */
  | ({ kind: 'done-but' } & Words)
  /** It is done, and the connection ends. */
  | { kind: 'done-but-reset' }
  /** A write is not done, and answered as if it were. */
  | { kind: 'lost-write' }
  /**
   * One bit of what is written is another, behind every check of the request. The answer tells the ETag of the bytes that are
   * stored, as a store does that lost the bit on the way in, or of those sent, as one that loses it on its disk.
   */
  | { kind: 'wrong-write'; etag: 'stored' | 'sent' }
  /** The connection ends after so many bytes of the body of the answer. */
  | { kind: 'reset-in-body'; bytes: number }
  /** The body of the answer comes a byte at a time, with a pause after each. */
  | { kind: 'drip'; milliseconds: number }
  /** One bit of the body of the answer is another. */
  | { kind: 'flip'; byte?: number }
  /** The body of the answer is cut short; `kept` announces the whole length and ends the connection cleanly. */
  | { kind: 'truncate'; bytes: number; length: 'kept' | 'adjusted' | 'absent' };

export interface Words {
  status: number;
  /** The code of an S3 error, where there is no `body` */
  code?: string;
  message?: string;
  body?: string;
  headers?: Record<string, string>;
}

export interface Rule {
  /** Absent: all */
  readonly on?: Operation | readonly Operation[];
  /** What the key, or the prefix of a listing, starts with; the bucket is no part of it. */
  readonly under?: string;
  /** Requests that fit and are served well before the first that is not */
  readonly skip?: number;
  /** Requests that are not served well; absent: no end of them */
  readonly times?: number;
  /** One in so many of those that fit; absent: each */
  readonly every?: number;
  readonly does: Misdeed;
}

export interface Passed {
  readonly operation: Operation;
  readonly key: string;
  readonly headers: IncomingMessage['headers'];
  /** milliseconds, by a clock that only goes on */
  readonly startedAt: number;
  endedAt: number | undefined;
  /** What was done to it; undefined when it was served well */
  readonly misdeed: Misdeed['kind'] | undefined;
}

export interface MisbehavingProxy {
  readonly endpoint: string;
  /** All that came, in the order in which they came */
  readonly passed: Passed[];
  /** From now on, instead of what there was; without any it behaves. */
  misbehave(...rules: Rule[]): void;
  close(): Promise<void>;
}

/**
 * A reverse proxy before an S3 server that checks no signatures and is addressed by path: it does to requests and answers what
 * stores, middleboxes and lines have been seen to do.
 *
 * @param upstream the server's endpoint, http only
 */
export async function startMisbehavingProxy(upstream: string): Promise<MisbehavingProxy> {
  const passed: Passed[] = [];
  let rules: { rule: Rule; seen: number; done: number }[] = [];
  const { hostname, port } = new URL(upstream);

  function choose(operation: Operation, key: string): Misdeed | undefined {
    for (const state of rules) {
      const { on, under = '', skip = 0, times = Number.POSITIVE_INFINITY, every = 1, does } = state.rule;
      if (on !== undefined && ![on].flat().includes(operation)) continue;
      if (!key.startsWith(under) || state.seen++ < skip || state.done >= times) continue;
      if ((state.seen - skip) % every !== 0) continue;
      state.done++;
      return does;
    }
    return undefined;
  }

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(message);
    const { operation, key } = readRequest(message, body);
    const does = choose(operation, key);
    const { headers } = message;
    const note: Passed = {
      ...{ operation, key, headers, misdeed: does?.kind },
      ...{ startedAt: performance.now(), endedAt: undefined },
    };
    passed.push(note);
    response.once('close', () => {
      note.endedAt = performance.now();
    });
    await misserve(does, message, body, response);
  }

  async function misserve(
    does: Misdeed | undefined,
    message: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
  ): Promise<void> {
    if (does === undefined) return give(await forward(message, body), response);
    switch (does.kind) {
      case 'latency':
        await sleep(does.milliseconds, undefined, { ref: false });
        return give(await forward(message, body), response);
      case 'reset':
        return void message.socket.destroy();
      case 'hang':
        return;
      case 'answer':
        return say(does, message, response);
      case 'done-but':
        await forward(message, body);
        return say(does, message, response);
      case 'done-but-reset':
        await forward(message, body);
        return void message.socket.destroy();
      case 'lost-write':
        response.writeHead(200, { etag: etagOf(body) });
        return void response.end();
      case 'wrong-write': {
        const answer = await forward(message, flip(body));
        if (does.etag === 'sent') answer.headers.etag = etagOf(body);
        return give(answer, response);
      }
      default:
        return spoil(does, await forward(message, body), response);
    }
  }

  function forward(message: IncomingMessage, body: Buffer): Promise<Answer> {
    const headers: Record<string, string | string[] | undefined> = { ...message.headers };
    // What is written is what was signed, whoever changed it.
    if (headers['content-md5']) headers['content-md5'] = createHash('md5').update(body).digest('base64');
    if (/^[0-9a-f]{64}$/.test(String(headers['x-amz-content-sha256']))) {
      headers['x-amz-content-sha256'] = createHash('sha256').update(body).digest('hex');
    }
    return new Promise((resolve, reject) => {
      const { method, url } = message;
      const path = url ?? '/';
      const onward = request({ hostname, port, method, path, headers, agent: false }, async (answer) =>
        resolve({
          status: answer.statusCode ?? 502,
          headers: answer.headers,
          body: await buffer(answer),
          isHead: method === 'HEAD',
        }),
      );
      onward.once('error', reject);
      onward.end(body);
    });
  }

  const server = createServer((message, response) => {
    serve(message, response).catch((error) => response.destroy(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    misbehave(...given) {
      rules = given.map((rule) => ({ rule, seen: 0, done: 0 }));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
  isHead: boolean;
}

function readRequest(message: IncomingMessage, body: Buffer): { operation: Operation; key: string } {
  const url = new URL(message.url ?? '/', 'http://proxy');
  const [, , ...parts] = decodeURIComponent(url.pathname).split('/');
  const key = parts.join('/');
  if (message.method === 'POST') {
    return { operation: 'DELETE', key: /<Key>([^<]*)<\/Key>/.exec(body.toString())?.[1] ?? '' };
  }
  if (message.method === 'GET' && key === '') {
    return { operation: 'LIST', key: url.searchParams.get('prefix') ?? '' };
  }
  return { operation: message.method as Operation, key };
}

function give({ status, headers, body, isHead }: Answer, response: ServerResponse): void {
  response.writeHead(status, isHead ? headers : withLength(headers, body.length));
  response.end(isHead ? undefined : body);
}

function say(
  { status, code = '', message = `${code} of the proxy`, body, headers }: Words,
  { method }: IncomingMessage,
  response: ServerResponse,
): void {
  const text =
    body ?? `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml', ...headers });
  response.end(method === 'HEAD' ? undefined : text);
}

function spoil(
  does: Extract<Misdeed, { kind: 'reset-in-body' | 'drip' | 'flip' | 'truncate' }>,
  answer: Answer,
  response: ServerResponse,
): void {
  const { status, headers, body, isHead } = answer;
  if (isHead) {
    give(answer, response);
    return;
  }
  switch (does.kind) {
    case 'flip':
      give({ ...answer, body: flip(body, does.byte) }, response);
      return;
    case 'reset-in-body':
      response.writeHead(status, withLength(headers, body.length));
      response.write(body.subarray(0, does.bytes), () => response.destroy());
      return;
    case 'drip':
      response.writeHead(status, withLength(headers, body.length));
      drip(body, does.milliseconds, response);
      return;
    case 'truncate':
      truncate(answer, does, response);
      return;
    default:
      assertNever(does);
  }
}

function truncate(
  answer: Answer,
  { bytes, length }: Extract<Misdeed, { kind: 'truncate' }>,
  response: ServerResponse,
): void {
  const { status, headers, body } = answer;
  const short = body.subarray(0, bytes);
  switch (length) {
    case 'adjusted':
      give({ ...answer, body: short }, response);
      return;
    case 'absent':
      // Without a length nor chunks only the end of the connection ends the body, as in HTTP 1.0.
      response.useChunkedEncodingByDefault = false;
      response.writeHead(status, { ...without(headers, 'content-length'), connection: 'close' });
      response.end(short);
      return;
    case 'kept':
      response.writeHead(status, withLength(headers, body.length));
      response.write(short, () => response.socket?.end());
      return;
    default:
      assertNever(length);
  }
}

function drip(body: Buffer, milliseconds: number, response: ServerResponse): void {
  let at = 0;
  const timer = setInterval(() => {
    response.write(body.subarray(at, ++at));
    if (at < body.length) return;
    clearInterval(timer);
    response.end();
  }, milliseconds);
  response.on('close', () => clearInterval(timer));
}

function flip(body: Buffer, byte = Math.floor(body.length / 2)): Buffer {
  const flipped = Buffer.from(body);
  if (byte < flipped.length) flipped[byte] = (flipped[byte] ?? 0) ^ 1;
  return flipped;
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function withLength(headers: Answer['headers'], length: number): Answer['headers'] {
  return { ...without(headers, 'transfer-encoding'), 'content-length': String(length) };
}

function without(headers: Answer['headers'], name: string): Answer['headers'] {
  const { [name]: _, ...rest } = headers;
  return rest;
}
