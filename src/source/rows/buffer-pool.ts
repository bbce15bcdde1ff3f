/** What little is copied out of a buffer takes, with what is made of it until it is stored: bytes at least. */
const leastWeight = 256 * 1024;

/** Of a buffer, the part that is worth a copy: what is more keeps the buffer until it is stored. */
const smallPart = 1 / 4;

/** What is to be stored out of a buffer. */
export interface Filled {
  readonly bytes: Buffer;
  /** Called when it is stored, and `bytes` are needed no more. */
  done(): void;
}

/**
 * A fixed number of large buffers. Whoever wants one more waits until an object has been stored, which is what bounds the
 * memory of a run and slows the database down to the speed of the storage. Small objects do not keep a buffer: as many as have room in
 * one more are stored side by side, so that a distant storage is asked for many at once.
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

  /** Takes back a buffer whose first bytes are to be stored, at once where these are few. */
  giveFilled(buffer: Buffer, length: number): Filled {
    const weight = Math.max(length, leastWeight);
    if (length > this.#size * smallPart || weight > this.#room) {
      return { bytes: buffer.subarray(0, length), done: () => this.give(buffer) };
    }
    // Not of the memory that small buffers share: of that a single one would keep all.
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
