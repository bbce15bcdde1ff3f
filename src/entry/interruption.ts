const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof signalNumbers;

/** The reason of an abort that the user or the runner asked for. */
export class Interruption extends Error {
  /** What a shell reports for a process that the signal ended: 128 and its number. */
  readonly exitCode: number;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.name = 'Interruption';
    this.exitCode = 128 + signalNumbers[signal];
  }
}

/** How long a run may take to end in good order once it was asked to. GitHub's runner waits for 7.5 seconds. */
const graceMilliseconds = 5000;

/** A signal that the first Ctrl-C or TERM aborts, so that locks are given back. The second ends the process at once. */
export function abortOnSignals(announce: (message: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const signal of Object.keys(signalNumbers) as StopSignal[]) {
    process.on(signal, () => {
      const interruption = new Interruption(signal);
      if (controller.signal.aborted) process.exit(interruption.exitCode);
      announce(`${signal}: stopping; once more stops at once`);
      controller.abort(interruption);
      // A storage may be silent for minutes, and whoever stops us kills us sooner.
      setTimeout(() => process.exit(interruption.exitCode), graceMilliseconds).unref();
    });
  }
  return controller.signal;
}
