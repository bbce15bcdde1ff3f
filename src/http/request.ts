import http from 'node:http';
import https from 'node:https';
import { addAbortSignal, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { messageOf } from '../runtime/errors.ts';
import { chooseAgent } from './agents.ts';
import { adviseWay, explainProxy, explainProxyAnswer } from './trouble.ts';

export interface WebRequest {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Aborts the request, and the reading of its answer. */
  readonly signal: AbortSignal;
  /** The environment that names proxies and authorities */
  readonly env: NodeJS.ProcessEnv;
}

/** Thrown when a request got no answer */
export class NoAnswer extends Error {
  /** What to do about it; undefined when that is not known */
  readonly next: string | undefined;

  constructor(message: string, next: string | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'NoAnswer';
    this.next = next;
  }
}

/**
 * Sends one request once, through the proxy and with the authorities that the environment names. A redirect
 * is returned like any other answer, because another server may not be allowed to see the content.
 *
 * @throws NoAnswer; the reason of the signal when it aborts; ConfigurationError when a variable names no
 * valid proxy. Reading the body may throw, too.
 */
export async function request(url: URL, options: WebRequest): Promise<Response> {
  const { method = 'GET', headers = {}, body, signal, env } = options;
  const { request: start, agent } = agentsOf(env)[url.protocol === 'http:' ? 'http' : 'https'];
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  // Node heeds a signal only once there is a connection, and a silent proxy never opens one.
  const giveUp = () => reject(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    signal.throwIfAborted();
    start(url, { method, headers, agent, signal }, resolve).on('error', reject).end(body);
    const answer = await promise;
    const refused = explainProxyAnswer(answer.statusCode ?? 0, url, env);
    if (refused === undefined) return toResponse(answer, signal);
    answer.resume();
    throw new NoAnswer(refused.what, refused.next, undefined);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof NoAnswer ? error : explain(error, url, env);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function explain(error: unknown, url: URL, env: NodeJS.ProcessEnv): NoAnswer {
  const trouble = explainProxy(error, url, env);
  return trouble === undefined
    ? new NoAnswer(messageOf(error), adviseWay(error, url, env), error)
    : new NoAnswer(trouble.what, trouble.next, error);
}

/**
 * Says why there was no answer, or only a part of one. An abort by a signal has its reason in the cause only.
 */
export function explainSilence(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { name?: string } };
  return [name, cause?.name].includes('TimeoutError') ? 'no answer in time' : messageOf(error);
}

/** Statuses whose answers have no body by the Fetch standard */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

function toResponse(answer: http.IncomingMessage, signal: AbortSignal): Response {
  const { statusCode: status = 0, rawHeaders } = answer;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  if (bodiless.has(status)) {
    answer.resume();
    return new Response(null, { status, headers });
  }
  const body = Readable.toWeb(addAbortSignal(signal, answer)) as ReadableStream<Uint8Array>;
  return new Response(body, { status, headers });
}

interface Agents {
  readonly http: { readonly request: typeof http.request; readonly agent: http.Agent };
  readonly https: { readonly request: typeof https.request; readonly agent: https.Agent };
}

/**
 * Agents of each environment, which keep connections for its next request. Idle connections do not keep the
 * process alive.
 */
const known = new WeakMap<NodeJS.ProcessEnv, Agents>();

function agentsOf(env: NodeJS.ProcessEnv): Agents {
  const found = known.get(env);
  if (found !== undefined) return found;
  const way = { keepAlive: true, ...chooseAgent(env, 'any') };
  const agents = {
    http: { request: http.request, agent: new http.Agent(way) },
    https: { request: https.request, agent: new https.Agent(way) },
  };
  known.set(env, agents);
  return agents;
}
