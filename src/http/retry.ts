import { setTimeout as delay } from 'node:timers/promises';
import pRetry from 'p-retry';

export interface RetryPolicy {
  /** The most retries after the first attempt */
  readonly retries: number;
  /**
   * Milliseconds before the first retry, times `factor` before each further one; a random factor between 1
   * and 2 is applied.
   */
  readonly pause: number;
  /** 2 when undefined */
  readonly factor?: number;
  /** Aborts the retries and the pauses between attempts. */
  readonly signal: AbortSignal;
  /**
   * Returns the milliseconds to wait in addition to the pause, mostly as the server says, or 0; undefined
   * when a retry cannot help or must not be made. Only the caller knows whether a request may be sent twice.
   */
  waitOf(error: unknown): number | undefined;
}

/**
 * Retries an attempt while `waitOf` says that waiting may help.
 *
 * @throws the error of the last attempt; when the signal aborts, an AbortError or the signal's reason
 */
export function retry<T>(attempt: () => Promise<T>, policy: RetryPolicy): Promise<T> {
  const { retries, pause, factor = 2, signal, waitOf } = policy;
  return pRetry(attempt, {
    ...{ retries, factor, signal },
    minTimeout: pause,
    randomize: true,
    shouldRetry: ({ error }) => waitOf(error) !== undefined,
    onFailedAttempt: async ({ error, retriesLeft }) => {
      const wait = waitOf(error);
      if (wait && retriesLeft > 0) await delay(wait, undefined, { signal });
    },
  });
}

/**
 * Milliseconds of a Retry-After header that counts seconds; undefined without the header, or when it holds
 * anything else
 */
export function readRetryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}
