const intervalMs = 15_000;

/** Lets a line of progress into a log that cannot take lines back at most every 15 seconds, the first after that time. */
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
