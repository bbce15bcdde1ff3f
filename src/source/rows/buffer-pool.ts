/** bytes; the least weight of a copied part, which includes the memory for storing it */
const leastWeight = 256 * 1024;

/** The largest share of a buffer that is copied out; a larger part keeps the buffer until it is stored. */
const smallPart = 1 / 4;

/** The filled part of a buffer, to be stored. */
export interface Filled {
  readonly bytes: Buffer;
  /** Call it when `bytes` are stored and not used any more. */
  done(): void;
}

/**
 * A fixed number of large buffers. When all are in use, `take` waits until an object has been stored, which
 * bounds the memory of a run and slows the database down to the speed of the storage. Small objects do not
 * keep a buffer: as many as fit in one extra buffer are stored at the same time, so that a distant storage
 * gets many requests at once.
 */
export class BufferPool {
  readonly #size: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #unmade: number;
  /** bytes that copies may still take */
  #room: number;

  /** @param size bytes of each buffer */
  constructor(count: number, size: number) {
    this.#unmade = count;
    this.#size = size;
    this.#room = size;
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

  /**
   * Takes back a buffer whose first bytes are to be stored. A small part is copied, and its buffer is free at
   * once.
   */
  giveFilled(buffer: Buffer, length: number): Filled {
    const weight = Math.max(length, leastWeight);
    if (length > this.#size * smallPart || weight > this.#room) {
      return { bytes: buffer.subarray(0, length), done: () => this.give(buffer) };
    }
    // allocUnsafe would share memory with other small buffers, and one copy would keep all of it.
    const bytes = Buffer.allocUnsafeSlow(length);
    buffer.copy(bytes, 0, 0, length);
    this.give(buffer);
    this.#room -= weight;
    return {
      bytes,
      done: () => {
        this.#room += weight;
      },
    };
  }
}
