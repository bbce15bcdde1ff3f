import { setMaxListeners } from 'node:events';

/**
 * Runs tasks side by side. The first failure aborts the signal of all tasks, and is thrown once every task
 * has ended: when this returns or throws, no task is under way.
 */
export async function runTogether<Results extends readonly unknown[]>(
  signal: AbortSignal,
  tasks: { readonly [Index in keyof Results]: (signal: AbortSignal) => Promise<Results[Index]> },
): Promise<Results> {
  const controller = new AbortController();
  const combined = AbortSignal.any([signal, controller.signal]);
  // Every session and child process of a task adds a listener.
  setMaxListeners(0, combined);
  const results = await Promise.all(
    tasks.map((task) => task(combined).catch((error: unknown) => controller.abort(error))),
  );
  signal.throwIfAborted();
  controller.signal.throwIfAborted();
  return results as unknown as Results;
}

/** Runs tasks one after another, where connections do not suffice to run them together. */
export async function runInTurn<Results extends readonly unknown[]>(
  signal: AbortSignal,
  tasks: { readonly [Index in keyof Results]: (signal: AbortSignal) => Promise<Results[Index]> },
): Promise<Results> {
  const results: unknown[] = [];
  for (const task of tasks) results.push(...(await runTogether(signal, [task])));
  return results as unknown as Results;
}

/**
 * Runs `count` workers of one kind until all have returned, with the guarantees of `runTogether`.
 *
 * Workers that share a list take from one iterator of it: `const queue = jobs.values()` before, and in each
 * `for (const job of queue)`, which leaves the rest to the others. That of an array, a map or a set, not that of a
 * generator, which ends for all when one worker leaves its loop. Taking from the front of an array would move the
 * rest of it each time: hours for a million.
 */
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

/**
 * Limits how many bytes workers hold in memory at once, where files differ in size: small files are held
 * together, and a file larger than the limit waits until it is alone.
 */
export class ByteBudget {
  readonly #total: number;
  #used = 0;
  #waiting: (() => void)[] = [];

  /** @param total bytes */
  constructor(total: number) {
    this.#total = total;
  }

  /** Runs `task` once `bytes` fit into the budget, or nothing else is held. */
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
