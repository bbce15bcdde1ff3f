import type { RowSink } from '../../postgres/wire/copy-reader.ts';
import type { BufferPool } from './buffer-pool.ts';
import { Uploads } from './uploads.ts';

/** A part of an object that is being filled or stored; `object` is set once it has been stored. */
export interface PendingPiece {
  readonly holder: { object?: PlainObject };
  readonly offset: number;
  readonly length: number;
}

/** What the sink needs of a stored object; the repository's own type has more. */
export interface PlainObject {
  readonly name: string;
}

export interface PendingCopy {
  readonly rows: number;
  readonly pieces: readonly PendingPiece[];
}

export type Store<Stored extends PlainObject> = (plaintext: Buffer) => Promise<Stored>;

/**
 * Collects COPY text in buffers, and stores each full one while the next is filled. Several COPYs may share a
 * buffer; each knows its pieces.
 */
export class ObjectSink<Stored extends PlainObject> implements RowSink {
  buffer: Buffer = Buffer.alloc(0);
  length = 0;
  readonly copies: PendingCopy[] = [];
  readonly #pool: BufferPool;
  readonly #store: Store<Stored>;
  readonly #uploads: Uploads;
  #holder: { object?: PlainObject } = {};
  #pieces: PendingPiece[] = [];
  #start = 0;
  readonly #signal: AbortSignal;

  /**
   * @param signal aborts every wait for the storage, which may not answer for minutes
   * @param uploads tracks what is being stored; several sinks may share it
   */
  constructor(pool: BufferPool, store: Store<Stored>, signal: AbortSignal, uploads = new Uploads()) {
    this.#pool = pool;
    this.#store = store;
    this.#signal = signal;
    this.#uploads = uploads;
  }

  async flush(): Promise<void> {
    this.#closePiece();
    this.#send();
    this.#uploads.assertSound();
    this.buffer = await unlessAborted(this.#signal, this.#pool.take());
    this.length = 0;
    this.#start = 0;
  }

  endCopy(rows: number): void {
    this.#closePiece();
    this.copies.push({ rows, pieces: this.#pieces });
    this.#pieces = [];
  }

  /** Appends bytes that are not rows: a part of the archive. */
  async append(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.length === this.buffer.length) await this.flush();
      const copied = bytes.copy(this.buffer, this.length, at);
      this.length += copied;
      at += copied;
    }
  }

  /** Stores the rest without waiting. */
  close(): void {
    this.#closePiece();
    this.#send();
  }

  /** Stores the rest, and waits until everything is stored. */
  async finish(): Promise<void> {
    this.close();
    await unlessAborted(this.#signal, this.#uploads.finish());
  }

  #closePiece(): void {
    if (this.length > this.#start) {
      this.#pieces.push({ holder: this.#holder, offset: this.#start, length: this.length - this.#start });
    }
    this.#start = this.length;
  }

  #send(): void {
    const { buffer, length } = this;
    const holder = this.#holder;
    this.buffer = Buffer.alloc(0);
    this.length = 0;
    this.#start = 0;
    this.#holder = {};
    if (length === 0) {
      if (buffer.length > 0) this.#pool.give(buffer);
      return;
    }
    const { bytes, done } = this.#pool.giveFilled(buffer, length);
    this.#uploads.add(
      this.#store(bytes)
        .then((object) => {
          holder.object = object;
        })
        .finally(done),
    );
  }
}

/**
 * Waits for `work`, and rejects when `signal` aborts. `work` is not cancelled; its buffers stay in use until
 * it settles.
 */
export async function unlessAborted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  // After an abort the result of `work` is ignored.
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
