import { setTimeout as delay } from 'node:timers/promises';
import pRetry from 'p-retry';

export interface RetryPolicy {
  /** How often the same is tried again, at most */
  readonly retries: number;
  /** milliseconds before the first retry; `factor` times as many before each further one, and up to twice that by chance */
  readonly pause: number;
  /** 2 when undefined */
  readonly factor?: number;
  /** Ends the attempts, and the pauses between them. */
  readonly signal: AbortSignal;
  /**
   * milliseconds that have to pass before the same may succeed, besides the pause: what the server says, mostly, or 0; undefined where
   * waiting does not help. Only the caller knows whether his request may be made twice.
   */
  waitOf(error: unknown): number | undefined;
}

/**
 * Tries something again for as long as waiting may help.
 *
 * @throws what the last attempt threw; when the signal ends it, an AbortError or the reason of the signal
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

/** milliseconds that an answer asks to wait by its Retry-After in seconds; undefined without one, or with one that is none */
export function readRetryAfter(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}
