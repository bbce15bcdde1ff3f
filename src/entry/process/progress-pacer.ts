const intervalMs = 15_000;

/**
 * Limits progress lines in a log that cannot take lines back: at most one every 15 seconds, the first after
 * 15 seconds.
 */
export class ProgressPacer {
  readonly #now: () => number;
  #last: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#last = now();
  }

  isDue(): boolean {
    const now = this.#now();
    if (now - this.#last < intervalMs) return false;
    this.#last = now;
    return true;
  }
}
