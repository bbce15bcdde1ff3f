/**
 * Bytes per second of one connection; over 32 connections that is one megabit per second, and a slower line
 * does not suffice for backups.
 */
export const slowestRate = 4 * 1024;

/** How long a request may take until its answer begins, as a share of the silence that ends a connection */
const share = { usual: 2, short: 0.25 };

/**
 * The deadline of one request. A limit of silence alone would not end a request whose bytes trickle.
 *
 * The time suffices for the bytes to send at the slowest rate, and twice the silence more. A request after
 * the store was given up, such as the removal of a lock, gets a quarter of the silence instead.
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

  /** Stops the timer: the answer is complete, or its body is read with a limit of its own. */
  readonly meet = (): void => clearTimeout(this.#timer);
}
