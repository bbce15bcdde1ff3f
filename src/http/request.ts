import http from 'node:http';
import https from 'node:https';
import { addAbortSignal, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { messageOf } from '../runtime/errors.ts';
import { describeWay } from './agents.ts';
import { adviseWay, explainProxy, explainProxyAnswer } from './trouble.ts';

export interface WebRequest {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request, and the reading of its answer */
  readonly signal: AbortSignal;
  /** Where proxies and authorities are named */
  readonly env: NodeJS.ProcessEnv;
}

/** A request that got no answer. */
export class NoAnswer extends Error {
  /** What to do about it, where that is known */
  readonly next: string | undefined;

  constructor(message: string, next: string | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'NoAnswer';
    this.next = next;
  }
}

/**
 * Asks one web address once: through the proxy that the environment names, and with the authorities that it names. Redirects are answers
 * like others, since not everyone may see what is sent.
 *
 * @throws NoAnswer, or the reason of the signal; reading the body may throw, too
 */
export async function request(url: URL, options: WebRequest): Promise<Response> {
  const { method = 'GET', headers = {}, body, signal, env } = options;
  const { request: start, agent } = agentsOf(env)[url.protocol === 'http:' ? 'http' : 'https'];
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  // Node looks at a signal only once there is a connection, which a proxy that is silent never gives.
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

/** Why there was no answer, or not the whole of it; an end by a signal tells its reason only in its cause. */
export function explainSilence(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { name?: string } };
  return [name, cause?.name].includes('TimeoutError') ? 'no answer in time' : messageOf(error);
}

/** Statuses that the standard gives no body */
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

/** Connections are kept for the next request of the same environment, and hold up no process. */
const known = new WeakMap<NodeJS.ProcessEnv, Agents>();

function agentsOf(env: NodeJS.ProcessEnv): Agents {
  const found = known.get(env);
  if (found !== undefined) return found;
  const way = { keepAlive: true, ...describeWay(env, 'any') };
  const agents = {
    http: { request: http.request, agent: new http.Agent(way) },
    https: { request: https.request, agent: new https.Agent(way) },
  };
  known.set(env, agents);
  return agents;
}
