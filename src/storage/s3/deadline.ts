/** Bytes in a second: so few over each of 32 connections are a megabit, and who has less has no line for backups. */
export const slowestRate = 4 * 1024;

/** How long a request may take until its answer has begun, as a share of the silence that ends a connection. */
const share = { usual: 2, short: 0.25 };

/**
 * The end of one request, whatever comes of it: silence alone does not end what goes out or comes in drop by drop.
 *
 * The time is for the bytes that are sent, at the slowest of rates, and a silence more. What is done after the store was given up, such
 * as removing a lock, has a quarter of a silence.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly abortSignal = this.#controller.signal;

  constructor(silenceMs: number, bytes: number, kind: keyof typeof share) {
    const timeMs = silenceMs * share[kind] + (bytes / slowestRate) * 1000;
    this.#timer = setTimeout(() => this.#controller.abort(), timeMs).unref();
  }

  get isPast(): boolean {
    return this.abortSignal.aborted;
  }

  /** The answer has come, or what is left of it is watched by others. */
  readonly meet = (): void => clearTimeout(this.#timer);
}
