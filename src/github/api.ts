import * as v from 'valibot';
import { explainSilence, NoAnswer, request } from '../http/request.ts';
import { readRetryAfterMs, retry } from '../http/retry.ts';
import { isKnownError } from '../runtime/errors.ts';

/** Thrown when GitHub's REST API refuses a request, answers in an unexpected form, or does not answer */
export class GitHubFailure extends Error {
  /** HTTP status; 0 when there was no answer */
  readonly status: number;
  /** The fields that a 422 rejects, such as `assignees` */
  readonly fields: readonly string[];
  /** The error codes of a 422, such as `already_exists` */
  readonly codes: readonly string[];
  /** How long to wait before a retry may succeed; undefined when waiting does not help */
  readonly waitMs: number | undefined;
  readonly rateLimited: boolean;
  /** What to do when there was no answer; undefined when that is not known */
  readonly advice: string | undefined;

  constructor(message: string, options: Partial<Omit<GitHubFailure, keyof Error>> & { cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GitHubFailure';
    this.status = options.status ?? 0;
    this.fields = options.fields ?? [];
    this.codes = options.codes ?? [];
    this.waitMs = options.waitMs;
    this.rateLimited = options.rateLimited ?? false;
    this.advice = options.advice;
  }
}

export interface GitHubApiOptions {
  readonly token: string;
  /**
   * Names proxies and authorities. On GitHub Enterprise Server, `GITHUB_API_URL` names another API than
   * api.github.com.
   */
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  /** Ends the requests under way, and the waits between them. */
  readonly signal: AbortSignal;
  /** For one request */
  readonly timeoutMs: number;
  /** Before the first retry; twice as many before the next */
  readonly delayMs: number;
  /** The most retries of a request; 2 when undefined */
  readonly retries?: number;
}

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT';

/** Elements on one page of a list; GitHub allows no more. */
export const pageSize = 100;
const maxRedirects = 3;
/** The longest wait that GitHub may ask for; a longer one ends the attempts */
const maxWaitMs = 10_000;

/**
 * A client of the REST API. It retries after a lost answer, a 5xx and a short rate limit. That includes
 * requests that create something, so a caller has to tolerate that it is created twice.
 */
export class GitHubApi {
  readonly #options: GitHubApiOptions;
  readonly #root: string;

  constructor(options: GitHubApiOptions) {
    this.#options = options;
    this.#root = (options.env.GITHUB_API_URL || 'https://api.github.com').replace(/\/+$/, '');
  }

  /**
   * Sends one request, with retries.
   *
   * @param path from the root of the API, such as `/repos/owner/name/labels`
   * @returns the JSON of the answer, unchecked; undefined when the answer is empty
   * @throws GitHubFailure
   */
  async send(method: Method, path: string, body?: object): Promise<unknown> {
    return (await this.#retry(method, this.#root + path, body)).content;
  }

  /**
   * Reads a list page by page.
   *
   * @param pages the most pages to read, of `pageSize` elements each
   * @param field the field of the answer that holds the list; undefined when the answer itself is the list
   * @throws GitHubFailure
   */
  async list(
    path: string,
    query: Readonly<Record<string, string>>,
    pages: number,
    field?: string,
  ): Promise<unknown[]> {
    const elements: unknown[] = [];
    const search = new URLSearchParams({ ...query, per_page: String(pageSize) });
    let next: string | undefined = `${this.#root}${path}?${search}`;
    for (let page = 0; next !== undefined && page < pages; page++) {
      const answer: Answer = await this.#retry('GET', next);
      elements.push(...readList(answer.content, field));
      next = answer.next;
    }
    return elements;
  }

  #retry(method: Method, url: string, body?: object): Promise<Answer> {
    const { signal, delayMs, retries = 2 } = this.#options;
    return retry(() => this.#ask(method, url, body), {
      ...{ retries, delayMs, signal },
      waitMsAfter: (error) => (error instanceof GitHubFailure ? error.waitMs : undefined),
    });
  }

  async #ask(method: Method, url: string, body?: object, redirects = 0): Promise<Answer> {
    const { token, env, signal, timeoutMs } = this.#options;
    this.#checkOrigin(url);
    let response: Response;
    let text: string;
    try {
      response = await request(new URL(url), {
        method,
        headers: {
          accept: 'application/vnd.github+json',
          authorization: `Bearer ${token}`,
          'user-agent': 'supabase-backup',
          'x-github-api-version': '2022-11-28',
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        env,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      text = await response.text();
    } catch (cause) {
      signal.throwIfAborted();
      if (isKnownError(cause)) throw cause;
      const advice = cause instanceof NoAnswer ? cause.next : undefined;
      throw new GitHubFailure(`GitHub's API does not answer: ${explainSilence(cause)}`, {
        ...{ cause, advice, waitMs: 0 },
      });
    }
    const target = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && target !== null && redirects < maxRedirects) {
      return this.#ask(method, new URL(target, url).href, body, redirects + 1);
    }
    if (!response.ok) throw readRefusal(response, text, this.#options.now());
    return { content: parseJson(text), next: readNext(response.headers.get('link')) };
  }

  /** Keeps the token from another server that an answer names as the next page or in a redirect. */
  #checkOrigin(url: string): void {
    if (new URL(url).origin === new URL(this.#root).origin) return;
    throw new GitHubFailure(`GitHub's API redirects to another server: ${new URL(url).host}`, {});
  }
}

interface Answer {
  readonly content: unknown;
  /** Address of the next page */
  readonly next: string | undefined;
}

/**
 * Parses an answer by a schema.
 *
 * @param what the expected content, for the message, such as `issue`
 * @throws GitHubFailure when the answer has another form
 */
export function parseAnswer<const Schema extends v.GenericSchema>(
  schema: Schema,
  content: unknown,
  what: string,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, content);
  if (parsed.success) return parsed.output;
  throw new GitHubFailure(`GitHub's answer is not what was expected: ${what}`, {
    cause: new v.ValiError(parsed.issues),
  });
}

function readList(content: unknown, field: string | undefined): unknown[] {
  const list = field === undefined ? content : (content as Readonly<Record<string, unknown>> | null)?.[field];
  if (Array.isArray(list)) return list;
  throw new GitHubFailure("GitHub's answer is not a list", {});
}

function readNext(link: string | null): string | undefined {
  return /<([^>]*)>;\s*rel="next"/.exec(link ?? '')?.[1];
}

function parseJson(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GitHubFailure("GitHub's answer is not JSON", { cause });
  }
}

function readRefusal(response: Response, text: string, now: Date): GitHubFailure {
  const { status, headers } = response;
  const { message, errors } = readErrorBody(text);
  const rateLimited =
    status === 429 ||
    (status === 403 &&
      (headers.has('retry-after') ||
        headers.get('x-ratelimit-remaining') === '0' ||
        /rate limit/i.test(message)));
  const waitMs = rateLimited ? waitMsOf(response, now) : status >= 500 ? 0 : undefined;
  return new GitHubFailure(`GitHub answered ${status}${message && `: ${message}`}`, {
    status,
    rateLimited,
    waitMs: waitMs !== undefined && waitMs <= maxWaitMs ? waitMs : undefined,
    fields: errors.flatMap(({ field }) => field ?? []),
    codes: errors.flatMap(({ code }) => code ?? []),
  });
}

/**
 * How long to wait before a retry; undefined where no header says so: GitHub then asks for a minute at least,
 * which is too long here.
 */
function waitMsOf({ status, headers }: Response, now: Date): number | undefined {
  // Every answer of GitHub has these headers; this 429 comes from a server in between.
  if (status === 429 && !headers.has('retry-after') && !headers.has('x-ratelimit-remaining')) return 0;
  const told = readRetryAfterMs(headers);
  if (told !== undefined) return told;
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN);
  return headers.get('x-ratelimit-remaining') === '0' && reset > 0
    ? Math.max(0, reset * 1000 - now.getTime())
    : undefined;
}

interface ErrorBody {
  readonly message: string;
  readonly errors: readonly { readonly field?: string; readonly code?: string }[];
}

function readErrorBody(text: string): ErrorBody {
  try {
    const { message, errors } = JSON.parse(text) as { message?: unknown; errors?: unknown };
    return {
      message: typeof message === 'string' ? message.slice(0, 300) : '',
      errors: Array.isArray(errors) ? errors.filter((error) => typeof error === 'object' && error) : [],
    };
  } catch {
    // The body is no JSON, mostly a page of a proxy in between; its status says enough.
    return { message: '', errors: [] };
  }
}
