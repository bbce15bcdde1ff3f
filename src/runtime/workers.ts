import { setMaxListeners } from 'node:events';

/**
 * Runs tasks side by side. The first failure aborts the signal that all of them got, and is what is thrown, after every task has
 * ended: when this returns or throws, none is under way any more.
 */
export async function runTogether<Results extends readonly unknown[]>(
  signal: AbortSignal,
  tasks: { readonly [Index in keyof Results]: (signal: AbortSignal) => Promise<Results[Index]> },
): Promise<Results> {
  const controller = new AbortController();
  const combined = AbortSignal.any([signal, controller.signal]);
  // Every session and child process of a task listens.
  setMaxListeners(0, combined);
  const results = await Promise.all(
    tasks.map((task) => task(combined).catch((error: unknown) => controller.abort(error))),
  );
  signal.throwIfAborted();
  controller.signal.throwIfAborted();
  return results as unknown as Results;
}

/** The same tasks one after another, where there is no room for them side by side. */
export async function runInTurn<Results extends readonly unknown[]>(
  signal: AbortSignal,
  tasks: { readonly [Index in keyof Results]: (signal: AbortSignal) => Promise<Results[Index]> },
): Promise<Results> {
  const results: unknown[] = [];
  for (const task of tasks) results.push(...(await runTogether(signal, [task])));
  return results as unknown as Results;
}

/** Runs `count` workers of one kind until each has returned; see `runTogether`. */
export async function runWorkers(
  count: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await runTogether(
    signal,
    Array.from({ length: count }, () => work),
  );
}

/** Takes jobs one by one, for workers that share a list. */
export function* drain<Job>(jobs: Job[]): Generator<Job> {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) yield job;
}

/**
 * How much is in memory at once of what workers read, whose sizes differ: one file of the largest size there is waits until it is alone,
 * and many small ones do not wait for each other.
 */
export class ByteBudget {
  readonly #total: number;
  #used = 0;
  #waiting: (() => void)[] = [];

  /** @param total bytes */
  constructor(total: number) {
    this.#total = total;
  }

  /** Does something that takes so many bytes when there is room for them, or nobody else who takes any. */
  async hold<Result>(bytes: number, task: () => Promise<Result>): Promise<Result> {
    while (this.#used > 0 && this.#used + bytes > this.#total) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#used += bytes;
    try {
      return await task();
    } finally {
      this.#used -= bytes;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }
}
