import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';

export interface RetryPolicy {
  /** The most retries after the first attempt */
  readonly retries: number;
  /**
   * Before the first retry; `factor` times as long before each further one. Chance makes each up to twice as
   * long.
   */
  readonly delayMs: number;
  /** 2 when undefined */
  readonly factor?: number;
  /** Ends the attempts, and the waits between them. */
  readonly signal?: AbortSignal;
  /**
   * Returns how long to wait before a retry may succeed, besides the delay: mostly what the server says, or
   * 0. Undefined when waiting does not help. Only the caller knows whether the request may be made twice.
   *
   * @param retries the number of retries so far
   */
  waitMsAfter(error: unknown, retries: number): number | undefined;
}

/**
 * Tries something again for as long as waiting may help.
 *
 * @param attempt gets its number, from 1
 * @throws what the last attempt threw; when the signal ends it, an AbortError or the reason of the signal
 */
export function retry<T>(attempt: (number: number) => Promise<T>, policy: RetryPolicy): Promise<T> {
  const { retries, delayMs, factor = 2, signal, waitMsAfter } = policy;
  return pRetry(attempt, {
    ...{ retries, factor, ...(signal && { signal }) },
    minTimeout: delayMs,
    randomize: true,
    shouldRetry: async ({ error, retriesConsumed }) => {
      const waitMs = waitMsAfter(error, retriesConsumed);
      if (waitMs) await sleep(waitMs, undefined, { signal });
      return waitMs !== undefined;
    },
  });
}

/**
 * Milliseconds of a Retry-After header that counts seconds; undefined without the header, or when it holds
 * anything else
 */
export function readRetryAfterMs(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}
