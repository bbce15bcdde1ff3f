export interface Timer extends Disposable {
  /** Aborts when the time is over; the reason is an error whose message is for people. */
  readonly signal: AbortSignal;
}

/**
 * Starts a timer that runs until it is disposed.
 *
 * @param milliseconds until the time is over
 * @param stop cuts the time to `grace` milliseconds from the moment it aborts
 */
export function startTimer(milliseconds: number, stop: AbortSignal, grace: number): Timer {
  const controller = new AbortController();
  const seconds = Math.round(milliseconds / 100) / 10;
  const end = () =>
    controller.abort(new Error(`it took longer than ${seconds} s, and is left to the next run`));
  const timers = [setTimeout(end, milliseconds)];
  const hurry = () => {
    timers.push(setTimeout(() => controller.abort(stop.reason), grace));
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
