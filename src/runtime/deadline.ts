export interface Timer extends Disposable {
  /** Aborts when the time is over; the reason is an error whose message is for people. */
  readonly signal: AbortSignal;
}

/**
 * Starts a timer whose signal aborts after `timeMs`, or `graceMs` after `stop` aborts, whichever comes first.
 */
export function startTimer(timeMs: number, stop: AbortSignal, graceMs: number): Timer {
  const controller = new AbortController();
  const seconds = Math.round(timeMs / 100) / 10;
  const end = () =>
    controller.abort(new Error(`it took longer than ${seconds} s, and is left to the next run`));
  const timers = [setTimeout(end, timeMs)];
  const hurry = () => {
    timers.push(setTimeout(() => controller.abort(stop.reason), graceMs));
  };
  if (stop.aborted) hurry();
  else stop.addEventListener('abort', hurry, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const timer of timers) clearTimeout(timer);
      stop.removeEventListener('abort', hurry);
    },
  };
}

/**
 * Runs `body` until the timer ends. What does not heed the signal is left behind, under way.
 *
 * @throws the reason of the timer when it ends first
 */
export async function endWith<T>({ signal }: Timer, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return await Promise.race([body(signal), ended]);
}
