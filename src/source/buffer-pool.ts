/**
 * A fixed number of large buffers. Whoever wants one more waits until an object has been stored, which is what bounds the
 * memory of a run and slows the database down to the speed of the storage.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #unmade: number;

  /** @param size bytes of each buffer */
  constructor(count: number, size: number) {
    this.#unmade = count;
    this.#size = size;
  }

  async take(): Promise<Buffer> {
    const free = this.#free.pop();
    if (free) return free;
    if (this.#unmade > 0) {
      this.#unmade--;
      return Buffer.allocUnsafeSlow(this.#size);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#free.push(buffer);
  }
}
