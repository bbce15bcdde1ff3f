import { randomBytes } from 'node:crypto';
import type { Log } from '../../runtime/context.ts';
import { messageOf, StorageError } from '../../runtime/errors.ts';
import { RetainedError, type Storage, type StoredValue } from '../../storage/storage.ts';
import { renderLock, usualLifetimeSeconds } from './lock-format.ts';

/** Who holds a lock. */
export interface LockHolder {
  /** Equal in all locks of one step or process, and different in the locks of any other */
  readonly id: string;
  /** For people, never compared */
  readonly name: string;
}

export interface LockOptions {
  /** Shown to others that meet the lock, as is the name of `holder`. */
  readonly operation: string;
  /** Shared locks coexist; an exclusive one excludes all others. */
  readonly mode: 'shared' | 'exclusive';
  readonly holder: LockHolder;
  readonly now: () => Date;
  readonly random: () => number;
  /** Ends the waiting; has no effect on a lock that is held. */
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** How long to wait for others; 0: try once. */
  readonly waitSeconds: number;
  /** How long the lock holds after it was last written; by default half an hour. */
  readonly lifetimeSeconds?: number;
  /** Whether to remove expired locks; acquiring an exclusive lock always does. */
  readonly removesExpired?: boolean;
}

/** When a write began and ended. */
export interface LockPeriod {
  /** By the monotonic clock, before the write began: the storage's time of the write cannot be earlier. */
  readonly startedAt: number;
  /** The middle of the write by this machine's clock: milliseconds since 1970 */
  readonly middle: number;
}

/** When a lock was written. */
export interface Written extends Pick<LockPeriod, 'startedAt'> {
  /** By this machine's clock: milliseconds since 1970 */
  readonly writtenAt: number;
  /** By the storage's clock */
  readonly modifiedAt: Date;
  readonly skewSeconds: number;
}

/** The file of one lock, through all attempts to acquire it. */
export class LockFile {
  readonly id = randomBytes(8).toString('hex');
  readonly storage: Storage;
  readonly lifetimeSeconds: number;
  readonly #options: LockOptions;
  /** The last one holds the lock. There are several when a storage forbids overwriting. */
  readonly #keys = [`locks/${this.id}.json`];
  /** Whether there may be a file to remove. */
  #exists = false;

  constructor(storage: Storage, options: LockOptions) {
    this.storage = storage;
    this.lifetimeSeconds = options.lifetimeSeconds ?? usualLifetimeSeconds;
    this.#options = options;
  }

  get key(): string {
    return this.#keys.at(-1) as string;
  }

  owns(key: string): boolean {
    return this.#keys.includes(key);
  }

  /** @param since when the lock was acquired; by default now */
  async write(since = this.#options.now()): Promise<LockPeriod> {
    const startedAt = performance.now();
    const before = this.#options.now().getTime();
    try {
      await this.#store(this.#render(since, false));
    } catch (error) {
      // A file that was never written need not be removed.
      this.#exists ||= await this.#mayExist();
      throw error;
    }
    this.#exists = true;
    return { startedAt, middle: (before + this.#options.now().getTime()) / 2 };
  }

  async #store(value: Buffer): Promise<void> {
    try {
      await this.storage.put(this.key, value);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // A retention lock (of R2 or B2, say) may forbid overwriting; the lock then gets another name.
      const next = `locks/${this.id}-${this.#keys.length}.json`;
      if (!(await this.storage.create(next, value))) throw error;
      this.#keys.push(next);
    }
  }

  async #mayExist(): Promise<boolean> {
    try {
      return (await this.storage.stat(this.key)) !== undefined;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return true;
    }
  }

  /**
   * Dates a write by the storage's clock, which a listing or a stat right after the write shows.
   *
   * @throws StorageError when the lock is not there
   */
  date({ startedAt, middle }: LockPeriod, values: readonly StoredValue[]): Written {
    const found = values.find(({ key }) => key === this.key);
    if (!found) {
      throw new StorageError(
        `${this.key} is not in ${this.storage.location} right after it was stored`,
        'Use a storage whose reads are strongly consistent, and check who deletes locks.',
      );
    }
    const skewSeconds = (found.modifiedAt.getTime() - middle) / 1000;
    return { startedAt, writtenAt: middle, modifiedAt: found.modifiedAt, skewSeconds };
  }

  stat(): Promise<StoredValue | undefined> {
    return this.storage.stat(this.key);
  }

  /** Removes the lock. A file that cannot be deleted, for any reason, is overwritten as `released`. */
  async remove(): Promise<void> {
    if (!this.#exists) return;
    try {
      await this.storage.delete(this.#keys);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      const left = error instanceof RetainedError ? error.keys : this.#keys;
      for (const key of left) await this.storage.put(key, this.#render(this.#options.now(), true));
    }
    this.#exists = false;
  }

  async removeOrReport(): Promise<void> {
    try {
      await this.remove();
    } catch (error) {
      this.#options.log.warn(
        `the lock ${this.key} could not be removed from ${this.storage.location} and holds for up to ` +
          `${this.lifetimeSeconds / 60} minutes more: ${messageOf(error)}`,
      );
    }
  }

  #render(since: Date, released: boolean): Buffer {
    const { operation, mode, holder } = this.#options;
    return renderLock({
      format: 1,
      operation,
      mode,
      holder: holder.name,
      holderId: holder.id,
      since: since.toISOString(),
      ttlSeconds: this.lifetimeSeconds,
      ...(released ? { released } : {}),
    });
  }
}
