import { forceEnd } from './end.ts';

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof signalNumbers;

/**
 * How long a run may take to end in good order once it was asked to, and how long until the process ends where it does not. GitHub's
 * runner interrupts, terminates 7.5 seconds later, and kills 2.5 seconds after that.
 */
const deadline = { orderlyMs: 4000, latestMs: 6500 } as const;

/** The reason of an abort that the user or the runner asked for. */
export class Interruption extends Error {
  /** What a shell reports for a process that the signal ended: 128 and its number. */
  readonly exitCode: number;
  readonly #endsAt = performance.now() + deadline.latestMs;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.name = 'Interruption';
    this.exitCode = 128 + signalNumbers[signal];
  }

  /** What is left until the process ends at the latest */
  get timeLeftMs(): number {
    return Math.max(0, this.#endsAt - performance.now());
  }
}

/**
 * A signal that the first Ctrl-C or TERM aborts, so that locks are given back. The second ends the process at once.
 *
 * @param lastWords said where a run does not come back: a storage may be silent for minutes, and whoever stops us kills us sooner
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
