import * as v from 'valibot';
import { BodyTooLong, readBody } from '../http/body.ts';
import { explainSilence, NoAnswer, request } from '../http/request.ts';
import { readRetryAfterMs } from '../http/retry.ts';
import { printable } from '../report/printable.ts';
import { isKnownError } from '../runtime/errors.ts';
import { type FailureCause, ManagementFailure } from './failure.ts';

/** Where the API of Supabase's platform is */
export const defaultRoot = 'https://api.supabase.com';

/** Time, as a client and whoever waits for a project see it. */
export interface Clock {
  now(): Date;
  /** Rejects when the run is stopped. */
  sleep(milliseconds: number): Promise<void>;
}

export interface ManagementOptions {
  readonly token: string;
  /** Without a path: `https://api.supabase.com` */
  readonly root: string;
  /** Names proxies and authorities. */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Ends the request under way. */
  readonly signal: AbortSignal;
}

/** Of one request */
const timeoutMs = 30_000;
/**
 * Between the beginnings of two requests. The API has answered `x-ratelimit-limit: 120` for a minute, and its
 * documentation has said 60.
 */
const spacingMs = 1000;
const retries = 2;
const firstDelayMs = 1000;
/** Whoever has asked too often is kept out for a minute. */
const limitedMs = 60_000;
/** bytes of an answer; a project of years has some kB of backups, schedules and add-ons */
const longestAnswer = 8 * 1024 * 1024;
/** The longest that is waited for the API to take requests again */
const longestWaitMs = 2 * 60_000;

/**
 * A client of the Management API of Supabase (https://api.supabase.com/api/v1-json). It sends at most one
 * request a second and heeds the headers of the rate limit. A redirect is refused: the token goes to one address.
 */
export class ManagementApi {
  readonly #options: ManagementOptions;
  /** When the next request may be sent, milliseconds since 1970 */
  #freeAt = 0;
  /** The `Date` of the last answer that had one, milliseconds since 1970 */
  #answeredAt = 0;

  constructor(options: ManagementOptions) {
    this.#options = options;
  }

  /**
   * Asks for something and changes nothing. A lost answer, an error of the server and a rate limit that passes
   * are tried again, twice at most.
   *
   * @param path from the root, such as `/v1/projects/abcdefghijklmnopqrst`
   * @param what is asked for, for messages: "the list of backups"
   * @throws ManagementFailure
   */
  async get<const Schema extends v.GenericSchema>(
    path: string,
    schema: Schema,
    what: string,
  ): Promise<v.InferOutput<Schema>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return parse(schema, await this.#send('GET', path, what), what);
      } catch (error) {
        const waitMs = error instanceof ManagementFailure ? error.details.waitMs : undefined;
        if (waitMs === undefined || waitMs > longestWaitMs || attempt > retries) throw error;
        await this.#options.clock.sleep(Math.max(waitMs, firstDelayMs * 2 ** (attempt - 1)));
      }
    }
  }

  /**
   * Asks for something to be done, once: a lost answer is not tried again, because it may have been done.
   *
   * @throws ManagementFailure, whose `wasRefused` says whether nothing was done
   */
  async post(path: string, body: object, what: string): Promise<void> {
    await this.#send('POST', path, what, body);
  }

  /**
   * Asks for a value to be set, once. A lost answer is not tried again: whoever asked reads the value.
   *
   * @throws ManagementFailure, whose `wasRefused` says whether nothing was changed
   */
  async put(path: string, body: object, what: string): Promise<void> {
    await this.#send('PUT', path, what, body);
  }

  /** The time by the clock of this machine or by the last answer, whichever is later: the former may be slow. */
  now(): Date {
    return new Date(Math.max(this.#options.clock.now().getTime(), this.#answeredAt));
  }

  async #send(method: 'GET' | 'POST' | 'PUT', path: string, what: string, body?: object): Promise<unknown> {
    const { root, token, env, signal, clock } = this.#options;
    await this.#takeTurn();
    try {
      const response = await request(new URL(root + path), {
        method,
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${token}`,
          'user-agent': 'supabase-backup',
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        env,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const text = await readBody(response, longestAnswer);
      this.#heed(response.headers);
      if (!response.ok) throw readRefusal(response, text, what, clock.now());
      return readJson(text, what);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof ManagementFailure || isKnownError(cause)) throw cause;
      if (cause instanceof BodyTooLong) throw new ManagementFailure('unclear', what, {}, cause);
      const advice = cause instanceof NoAnswer ? cause.next : undefined;
      throw new ManagementFailure('silent', what, { words: explainSilence(cause), advice, waitMs: 0 }, cause);
    }
  }

  /** Waits until a request may be sent, and books the second for it. */
  async #takeTurn(): Promise<void> {
    const { clock } = this.#options;
    const now = clock.now().getTime();
    const turn = Math.max(now, this.#freeAt);
    this.#freeAt = turn + spacingMs;
    if (turn > now) await clock.sleep(turn - now);
  }

  /** Takes the time of the answer, and sends nothing until the limit is over when it says that it is used up. */
  #heed(headers: Headers): void {
    const date = Date.parse(headers.get('date') ?? '');
    if (!Number.isNaN(date)) this.#answeredAt = date;
    if (headers.get('x-ratelimit-remaining') !== '0') return;
    const now = this.#options.clock.now();
    const waitMs = readResetMs(headers, now) ?? limitedMs;
    this.#freeAt = Math.max(this.#freeAt, now.getTime() + Math.min(waitMs, longestWaitMs));
  }
}

function parse<const Schema extends v.GenericSchema>(
  schema: Schema,
  content: unknown,
  what: string,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, content);
  if (parsed.success) return parsed.output;
  throw new ManagementFailure('unclear', what, {}, new v.ValiError(parsed.issues));
}

function readJson(text: string, what: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ManagementFailure('unclear', what, {}, cause);
  }
}

const causes: Readonly<Record<number, FailureCause>> = {
  401: 'unauthorized',
  402: 'entitlement',
  403: 'forbidden',
  404: 'missing',
  429: 'limited',
};

function readRefusal(response: Response, text: string, what: string, now: Date): ManagementFailure {
  const { status, headers } = response;
  const reason = causes[status] ?? (status >= 500 ? 'failed' : 'refused');
  return new ManagementFailure(reason, what, { status, ...readWords(text), waitMs: waitMsOf(reason) });

  function waitMsOf(cause: FailureCause): number | undefined {
    const told = readRetryAfterMs(headers);
    if (cause === 'failed') return told ?? 0;
    return cause === 'limited' ? (told ?? readResetMs(headers, now) ?? limitedMs) : undefined;
  }
}

/** Seconds from now, as the API has answered; a large number is a time since 1970, as others answer. */
function readResetMs(headers: Headers, now: Date): number | undefined {
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN);
  if (!(reset >= 0)) return undefined;
  return reset < 1e9 ? reset * 1000 : Math.max(0, reset * 1000 - now.getTime());
}

const named = v.union([v.string(), v.looseObject({ name: v.string() }), v.looseObject({ key: v.string() })]);
const permissions = v.optional(v.fallback(v.array(named), []), []);

/** What a refusal may say. Any of it may be missing, and the message may be a list. */
const refusalBody = v.looseObject({
  message: v.fallback(v.optional(v.union([v.string(), v.array(v.string())])), undefined),
  missing_permissions: permissions,
  error: v.fallback(
    v.optional(
      v.looseObject({
        feature: v.fallback(v.optional(v.string()), undefined),
        message: v.fallback(v.optional(v.string()), undefined),
        missing_permissions: permissions,
      }),
    ),
    undefined,
  ),
});

function readWords(text: string) {
  const parsed = v.safeParse(refusalBody, tryJson(text));
  if (!parsed.success) return {};
  const { message, missing_permissions: outer, error } = parsed.output;
  const words = [message ?? error?.message ?? []].flat().join('; ');
  return {
    words: printable(words.slice(0, 300)),
    missing: [...outer, ...(error?.missing_permissions ?? [])].map((each) => printable(nameOf(each))),
    feature: error?.feature === undefined ? undefined : printable(error.feature),
  };
}

function nameOf(permission: v.InferOutput<typeof named>): string {
  if (typeof permission === 'string') return permission;
  return 'name' in permission ? String(permission.name) : String(permission.key);
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The body is no JSON, mostly a page of a proxy in between; its status says enough.
    return undefined;
  }
}
