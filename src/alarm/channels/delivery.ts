import { readBeginning } from '../../http/body.ts';
import { explainSilence, NoAnswer, request } from '../../http/request.ts';
import { readRetryAfterMs, retry } from '../../http/retry.ts';
import { isKnownError, type Told } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import type { AlarmLimits } from '../event.ts';

/**
 * Thrown when a message did not arrive. Its text names only the host: the whole address is a secret that lets
 * others send, too.
 */
export class DeliveryFailure extends Error {
  /** The message, and what to do, with their references to inputs */
  readonly told: Told;
  /** How long to wait before a retry may succeed; undefined when waiting does not help */
  readonly waitMs: number | undefined;

  constructor(
    message: string | Wording,
    next: string | Wording,
    options: { waitMs?: number; cause?: unknown } = {},
  ) {
    super(String(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DeliveryFailure';
    this.told = { message, next };
    this.waitMs = options.waitMs;
  }
}

export interface Delivery {
  /** Name of the input with the address */
  readonly input: string;
  readonly url: string;
  /** The content to POST, an object as JSON; undefined for a GET without content */
  readonly content?: object | string | undefined;
  /** The environment that names proxies and authorities */
  readonly env: NodeJS.ProcessEnv;
}

const retries = 2;
/** bytes of an answer that are read; a refusal says why in its first words */
const longestAnswer = 64 * 1024;
const maxRedirects = 3;
/** The longest wait that a receiver may ask for; a longer one ends the attempts */
const maxWaitMs = 5000;
const passing = [408, 425, 429];

/**
 * Sends a message, with three attempts at most.
 *
 * @throws DeliveryFailure when the message did not arrive
 */
export async function deliver(delivery: Delivery, limits: AlarmLimits, signal: AbortSignal): Promise<void> {
  const url = checkAddress(delivery);
  await retry(() => send(delivery, url, limits, signal), {
    ...{ retries, delayMs: limits.delayMs, signal },
    waitMsAfter: (error) => (error instanceof DeliveryFailure ? error.waitMs : undefined),
  });
}

/**
 * Requires https, because a message says what is wrong in production; a receiver on the same machine may use
 * http.
 */
function checkAddress({ input, url: text }: Delivery): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && isPrivate(url)) return url;
  throw new DeliveryFailure(
    say`${nameInput(input)} is not an https:// address`,
    say`Write ${nameInput(input)} as in https://example.com/path. Only localhost may use http://.`,
  );
}

function isPrivate({ protocol, hostname }: URL): boolean {
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  return protocol === 'https:' || (protocol === 'http:' && isLocal);
}

async function send(
  delivery: Delivery,
  url: URL,
  limits: AlarmLimits,
  signal: AbortSignal,
  redirects = 0,
): Promise<void> {
  const { content, env } = delivery;
  let response: Response;
  let text: string;
  try {
    response = await request(url, {
      method: content === undefined ? 'GET' : 'POST',
      headers: {
        'user-agent': 'supabase-backup',
        ...(content !== undefined && { 'content-type': `${typeOf(content)}; charset=utf-8` }),
      },
      ...(content !== undefined && {
        body: typeof content === 'string' ? content : JSON.stringify(content),
      }),
      env,
      signal: AbortSignal.any([signal, AbortSignal.timeout(limits.requestMs)]),
    });
    text = await readBeginning(response, longestAnswer);
  } catch (cause) {
    signal.throwIfAborted();
    if (isKnownError(cause)) throw cause;
    throw new DeliveryFailure(
      `${url.host} does not answer: ${explainSilence(cause)}`,
      (cause instanceof NoAnswer && cause.next) ||
        say`Check ${nameInput(delivery.input)}, and whether this machine can reach that host.`,
      { cause, waitMs: 0 },
    );
  }
  if (response.ok) return;
  const target = response.headers.get('location');
  if (target !== null && mayFollow(delivery, response, url, target) && redirects < maxRedirects) {
    return send(delivery, new URL(target, url), limits, signal, redirects + 1);
  }
  throw readRefusal(delivery, response, url, text);
}

function typeOf(content: object | string): string {
  return typeof content === 'string' ? 'text/plain' : 'application/json';
}

/**
 * Allows a redirect to the same host only, and one of a POST only where the redirect keeps the body (RFC
 * 9110, 15.4).
 */
function mayFollow({ content }: Delivery, { status }: Response, url: URL, location: string): boolean {
  if (!URL.canParse(location, url.href)) return false;
  const target = new URL(location, url);
  if (target.host !== url.host || target.protocol !== url.protocol) return false;
  return content === undefined ? [301, 302, 303, 307, 308].includes(status) : [307, 308].includes(status);
}

function readRefusal({ input }: Delivery, response: Response, url: URL, text: string): DeliveryFailure {
  const { status, headers } = response;
  if (status >= 300 && status < 400) {
    return new DeliveryFailure(
      `${url.host} sends elsewhere (${status})`,
      `Set ${input} to the final address: what is sent goes to no other host.`,
    );
  }
  const waitMs = readRetryAfterMs(headers) ?? 0;
  const isTransient = status >= 500 || passing.includes(status);
  const said = text.replace(/\s+/g, ' ').trim().slice(0, 200);
  return new DeliveryFailure(
    `${url.host} answered ${status}${said && `: ${said}`}`,
    isTransient ? 'It is sent again with the next run.' : `Check ${input}.`,
    isTransient && waitMs <= maxWaitMs ? { waitMs } : {},
  );
}
