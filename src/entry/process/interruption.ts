import { forceEnd } from './end.ts';

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof signalNumbers;

/**
 * milliseconds. `orderly`: how long a run may take to end by itself after a request to stop; `latest`: when
 * the process ends otherwise. GitHub's runner sends SIGINT, then SIGTERM 7.5 seconds later, and kills 2.5
 * seconds after that.
 */
const deadline = { orderlyMs: 4000, latestMs: 6500 } as const;

/** The reason of an abort that the user or the runner asked for. */
export class Interruption extends Error {
  /** 128 plus the number of the signal, as a shell reports it */
  readonly exitCode: number;
  readonly #endsAt = performance.now() + deadline.latestMs;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.name = 'Interruption';
    this.exitCode = 128 + signalNumbers[signal];
  }

  /** The time left until the process ends at the latest */
  get timeLeftMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }
}

/**
 * Returns a signal that the first SIGHUP, SIGINT or SIGTERM aborts, so that locks are released. The second
 * one ends the process at once.
 *
 * @param lastWords the work to do when the run does not end in time: a storage may not answer for minutes,
 * and the runner kills the process sooner
 */
export function abortOnSignals(
  announce: (message: string) => void,
  lastWords: (interruption: Interruption) => Promise<void> | undefined = () => undefined,
): AbortSignal {
  const controller = new AbortController();
  for (const signal of Object.keys(signalNumbers) as StopSignal[]) {
    process.on(signal, () => {
      const interruption = new Interruption(signal);
      if (controller.signal.aborted) process.exit(interruption.exitCode);
      announce(`${signal}: stopping; once more stops at once`);
      controller.abort(interruption);
      forceEnd(interruption.exitCode, deadline, () => {
        announce(`${signal}: what was under way does not stop, and is left as it is`);
        return lastWords(interruption);
      });
    });
  }
  return controller.signal;
}
