/** Measures the phases of an operation, one after another, on the monotonic clock. */
export class PhaseClock {
  readonly #start = performance.now();
  readonly #phases = new Map<string, number>();
  #phaseStart = this.#start;

  /** Ends the phase that began with the clock or with the last call. */
  end(phase: string): void {
    const now = performance.now();
    this.#phases.set(phase, Math.round(now - this.#phaseStart));
    this.#phaseStart = now;
  }

  /** milliseconds since the clock was made */
  elapsed(): number {
    return performance.now() - this.#start;
  }

  /** by phase, and their total */
  milliseconds(): Record<string, number> {
    return { ...Object.fromEntries(this.#phases), total: Math.round(performance.now() - this.#start) };
  }
}
