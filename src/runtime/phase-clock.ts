/** Measures the consecutive phases of an operation on the monotonic clock. */
export class PhaseClock {
  readonly #start = performance.now();
  readonly #phases = new Map<string, number>();
  #phaseStart = this.#start;

  /** Ends the phase that began with the last call, or with the clock itself. */
  end(phase: string): void {
    const now = performance.now();
    this.#phases.set(phase, Math.round(now - this.#phaseStart));
    this.#phaseStart = now;
  }

  /** Milliseconds since the clock was created */
  elapsed(): number {
    return performance.now() - this.#start;
  }

  /** Milliseconds of each phase, and `total`, those since the clock was created */
  milliseconds(): Record<string, number> {
    return { ...Object.fromEntries(this.#phases), total: Math.round(performance.now() - this.#start) };
  }
}
