import type { Log } from '../runtime/context.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from './quantity.ts';

/** Counts rows and bytes that have been moved, and logs them with a rate and an estimate of the time left. */
export class Progress {
  readonly #log: Log;
  /** The total weight, in the unit of the weight that `advance` takes */
  readonly #total: number;
  readonly #start = performance.now();
  #rows = 0;
  #bytes = 0;
  #weight = 0;

  constructor(log: Log, total: number) {
    this.#log = log;
    this.#total = total;
  }

  advance(rows: number, bytes: number, weight: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    this.#weight += weight;
    const elapsed = performance.now() - this.#start;
    const share = this.#total > 0 ? Math.min(1, this.#weight / this.#total) : 1;
    const left = share > 0 ? elapsed / share - elapsed : 0;
    this.#log.progress(
      `${Math.floor(share * 100)} %: ${formatCount(this.#rows)} rows, ${formatBytes(this.#bytes)}, ${formatRate(this.#bytes, elapsed)}, ${tellLeft(left)}`,
    );
  }
}

/** An estimate, to the second: it is no better than that. */
function tellLeft(milliseconds: number): string {
  return milliseconds < 1000
    ? 'less than a second left'
    : `about ${formatDuration(milliseconds < 59_500 ? Math.round(milliseconds / 1000) * 1000 : milliseconds).replace('.0 s', ' s')} left`;
}
