import { formatCount } from '../report/quantity.ts';
import type { Log } from '../runtime/context.ts';

/** What is told one by one; thousands of lines would hide all others. */
const toldEach = 10;

/**
 * Warns of what cannot be read or trusted, once each: of the first ones with its message, of all others, when it
 * is disposed, by their number.
 */
export class DamageWarnings implements Disposable {
  readonly #told = new Set<string>();
  readonly #log: Pick<Log, 'warn' | 'debug'>;
  readonly #ending: string;

  /** @param ending follows each message, such as `; skipped` */
  constructor(log: Pick<Log, 'warn' | 'debug'>, ending = '; passed over') {
    this.#log = log;
    this.#ending = ending;
  }

  readonly warn = ({ message }: { readonly message: string }): void => {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#log[this.#told.size > toldEach ? 'debug' : 'warn'](`${message}${this.#ending}`);
  };

  [Symbol.dispose](): void {
    const more = this.#told.size - toldEach;
    if (more > 0) this.#log.warn(`${formatCount(more)} more like these${this.#ending}`);
  }
}
