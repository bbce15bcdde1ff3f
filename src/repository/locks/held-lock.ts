import { messageOf, StorageError } from '../../runtime/errors.ts';
import type { LockFile, LockOptions, Written } from './lock-file.ts';

/** The delay after a refresh that failed. */
const retryDelayMs = 60_000;

export interface Lock extends AsyncDisposable {
  readonly id: string;
  /** By the storage's clock */
  readonly acquiredAt: Date;
  /** How far the storage's clock is ahead of ours, as exact as its times, which may be whole seconds. */
  readonly skewSeconds: number;
  /**
   * Aborts with a `StorageError` when the lock is lost: it could not be refreshed before it expired, or
   * someone removed it. Others may then do what the lock kept them from.
   */
  readonly signal: AbortSignal;
  /**
   * Checks that the lock still holds, and refreshes it if needed: call it before the protected work becomes
   * final.
   *
   * @throws StorageError when the lock is lost
   */
  assertHeld(): Promise<void>;
  /** Releases the lock. Never throws: a lock that cannot be removed is reported and expires. Idempotent. */
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

  /**
   * Whether the lock is fresh enough to outlast the final step. A machine that slept knows by its wall clock.
   */
  #isFresh(): boolean {
    return this.#ageMs < this.#refreshDelayMs;
  }

  /** Milliseconds since the lock was written, by the clock of this machine that has advanced further */
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
    // A refresh under way could write the lock again after its removal.
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
      // The timers of a suspended machine do not notice that the lock expired meanwhile.
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
