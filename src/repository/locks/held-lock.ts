import { messageOf, StorageError } from '../../runtime/errors.ts';
import type { LockFile, LockOptions, Written } from './lock-file.ts';

/** After a refresh that failed. */
const retryDelayMs = 60_000;

export interface Lock extends AsyncDisposable {
  readonly id: string;
  /** By the storage's clock */
  readonly acquiredAt: Date;
  /** How far the storage's clock is ahead of this machine's; as exact as the storage's times, which may be whole seconds. */
  readonly skewSeconds: number;
  /**
   * Aborted, with a `StorageError`, when the lock is lost: it could not be refreshed before it expired, or somebody removed it.
   * Others may then do what it was to keep them from.
   */
  readonly signal: AbortSignal;
  /**
   * Looks whether the lock still holds, and refreshes it: to be called before what it was got for becomes final.
   *
   * @throws StorageError when it is lost
   */
  assertHeld(): Promise<void>;
  /** Gives the lock back. Never throws: a lock that cannot be removed is reported and expires. May be called twice. */
  release(): Promise<void>;
}

export class HeldLock implements Lock {
  readonly id: string;
  readonly acquiredAt: Date;
  readonly skewSeconds: number;
  readonly signal: AbortSignal;
  readonly #file: LockFile;
  readonly #options: LockOptions;
  readonly #since: Date;
  readonly #loss = new AbortController();
  #written: Written;
  #refreshTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> = Promise.resolve();
  #released: Promise<void> | undefined;

  constructor(file: LockFile, written: Written, options: LockOptions) {
    this.#file = file;
    this.#options = options;
    this.#since = options.now();
    this.#written = written;
    this.id = file.id;
    this.acquiredAt = written.modifiedAt;
    this.skewSeconds = written.skewSeconds;
    this.signal = this.#loss.signal;
    this.#expireAfter(written.startedAt);
    this.#refreshAfter(this.#refreshDelayMs);
  }

  get #refreshDelayMs(): number {
    return (this.#file.lifetimeSeconds * 1000) / 3;
  }

  async assertHeld(): Promise<void> {
    clearTimeout(this.#refreshTimer);
    await this.#refreshing;
    this.signal.throwIfAborted();
    this.#refreshing = this.#isFresh() ? this.#look() : this.#refresh();
    await this.#refreshing;
    this.signal.throwIfAborted();
  }

  /** Whether it was written so lately that what is to be made final ends before it does. A machine that slept knows by its wall clock. */
  #isFresh(): boolean {
    return this.#ageMs < this.#refreshDelayMs;
  }

  /** Milliseconds since it was written, by whichever clock of this machine has gone further */
  get #ageMs(): number {
    const { startedAt, writtenAt } = this.#written;
    return Math.max(performance.now() - startedAt, this.#options.now().getTime() - writtenAt);
  }

  async #look(): Promise<void> {
    try {
      if (!(await this.#file.stat())) return this.#lose('somebody removed it');
      this.#refreshAfter(Math.max(0, this.#refreshDelayMs - this.#ageMs));
    } catch {
      await this.#refresh();
    }
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #release(): Promise<void> {
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#expiryTimer);
    // It could write the lock again after it was removed.
    await this.#refreshing;
    await this.#file.removeOrReport();
  }

  #refreshAfter(delayMs: number): void {
    if (this.#released || this.signal.aborted) return;
    this.#refreshTimer = setTimeout(() => {
      this.#refreshing = this.#refresh();
    }, delayMs);
    this.#refreshTimer.unref();
  }

  /** @param startedAt see `Written` */
  #expireAfter(startedAt: number): void {
    clearTimeout(this.#expiryTimer);
    if (this.#released || this.signal.aborted) return;
    this.#expiryTimer = setTimeout(
      () => this.#lose('it could not be refreshed before it expired'),
      this.#file.lifetimeSeconds * 1000 - (performance.now() - startedAt),
    );
    this.#expiryTimer.unref();
  }

  async #refresh(): Promise<void> {
    try {
      if (!(await this.#file.stat())) return this.#lose('somebody removed it');
      const span = await this.#file.write(this.#since);
      const found = await this.#file.stat();
      const written = this.#file.date(span, found ? [found] : []);
      // A machine that was suspended does not notice by its own timers that the lock had expired in between.
      const passed = written.modifiedAt.getTime() - this.#written.modifiedAt.getTime();
      if (passed >= this.#file.lifetimeSeconds * 1000) {
        return this.#lose('it expired before it was refreshed');
      }
      this.#written = written;
      this.#expireAfter(span.startedAt);
      this.#refreshAfter(this.#refreshDelayMs);
    } catch (error) {
      this.#options.log.warn(`the lock ${this.#file.key} could not be refreshed yet: ${messageOf(error)}`);
      this.#refreshAfter(Math.min(retryDelayMs, this.#refreshDelayMs / 2));
    }
  }

  #lose(why: string): void {
    if (this.#released) return;
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#expiryTimer);
    this.#loss.abort(
      new StorageError(
        `the lock ${this.#file.key} of this ${this.#options.operation} in ${this.#file.storage.location} is lost: ${why}`,
        `Run the ${this.#options.operation} again; another operation may have changed the repository meanwhile.`,
      ),
    );
  }
}
