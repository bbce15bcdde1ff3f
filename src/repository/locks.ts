import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import * as v from 'valibot';
import { messageOf, StorageError } from '../errors.ts';
import {
  DeniedValueError,
  ForeignValueError,
  RetainedError,
  type Storage,
  type StoredValue,
} from '../storage/storage.ts';
import { drain } from '../workers.ts';
import type { Log } from '../world.ts';
import type { Repository } from './repository.ts';

/**
 * Who uses a repository: `locks/<id>.json`. The protocol is restic's (doc/design.rst, "Locks"): write a lock of one's own, then
 * list them all; who sees one that conflicts takes back his own and tries again later. Of two who do so at once at least one sees
 * the other, because storages show what was written to every listing that starts afterwards.
 *
 * Only the storage's clock decides whether a lock still holds: its time of the last change against that of a lock written just
 * now. The clocks of the machines that hold locks may be wrong by any amount.
 *
 * Locks are not sealed. One who can write them could as well delete what they protect.
 */

/** How long a lock holds after it was last written, mostly. A killed run stands in the way for so long. */
const usualLifetimeSeconds = 30 * 60;

/** A lock that claims to hold for longer than this is not believed. One that was written longer ago need not be read: it holds no longer. */
const maxLifetimeSeconds = 60 * 60;

/** After a refresh that failed. */
const retryMilliseconds = 60_000;

/** Locks that are read at once */
const readers = 32;

/** The name of a lock. What has another, and cannot be read as one, is none. */
const keyPattern = /^locks\/[0-9a-f]{16}(-\d+)?\.json$/;

/**
 * A lock whose file claims to have been written later than this after now, by the clock of the storage, was not: a clock was set back, or
 * somebody gave the file a time of his own, with which it would hold for years. One that is held has the right time when it is refreshed.
 */
const aheadSeconds = usualLifetimeSeconds;

/** bytes. What is larger is no lock, and keeps nobody waiting: one who writes the storage could put it there once and for all. */
const largestLock = 64 * 1024;

/** Pauses between two attempts to get a lock, in milliseconds, before jitter. */
const firstPause = 1000;
const longestPause = 30_000;

/** Anyone who can write to the storage can write these, and they are printed: no line breaks, with which a runner would take orders. */
const words = v.pipe(v.string(), v.maxLength(500), v.regex(/^\P{Cc}*$/u));

const contentSchema = v.object({
  format: v.literal(1),
  operation: words,
  mode: v.picklist(['shared', 'exclusive']),
  holder: words,
  /** By the holder's clock: for people, never compared */
  since: v.pipe(v.string(), v.isoTimestamp()),
  ttlSeconds: v.pipe(v.number(), v.minValue(1), v.maxValue(maxLifetimeSeconds)),
  /** Given back, on a storage that does not let it be deleted */
  released: v.optional(v.boolean()),
});

type LockContent = v.InferOutput<typeof contentSchema>;

export interface LockOptions {
  /** For those who meet the lock, like `holder`. */
  readonly operation: string;
  /** Shared locks stand beside each other; an exclusive one stands alone. */
  readonly mode: 'shared' | 'exclusive';
  /** See `describeHolder`. */
  readonly holder: string;
  readonly now: () => Date;
  /** Ends the waiting. Says nothing about the lock once it is held. */
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** How long to wait for others; 0: try once. */
  readonly waitSeconds: number;
  /** How long it holds after it was last written; by default half an hour. */
  readonly lifetimeSeconds?: number;
  /** Whether to remove the locks that hold no longer; who gets one alone always does. */
  readonly removesSpent?: boolean;
}

export interface Lock {
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

/** Somebody else holds a lock that conflicts. */
export class LockedError extends StorageError {}

/** A lock as it lies in the storage. */
export interface ListedLock {
  readonly key: string;
  /** By the storage's clock */
  readonly modifiedAt: Date;
  /** By the storage's clock: from then on it holds no longer, unless it is refreshed before */
  readonly expiresAt: Date;
  /** Undefined when it cannot be read: such a lock counts as exclusive until it expires. */
  readonly content: LockContent | undefined;
}

/** Where locks are. */
type Place = Pick<Repository, 'storage'>;

/**
 * Gets a lock, waiting for others to end: by one write, one listing, and the readings of the others' together.
 *
 * @throws LockedError when somebody else still holds one that conflicts; it names the holder
 */
export async function acquireLock({ storage }: Place, options: LockOptions): Promise<Lock> {
  const { log, signal } = options;
  const file = new LockFile(storage, options);
  const deadline = options.now().getTime() + options.waitSeconds * 1000;
  const foreign = new Set<string>();
  const passOver = (message: string) => {
    if (!foreign.has(message))
      log.warn(`${message}; it is no lock, and is passed over: look who put it there, and remove it`);
    foreign.add(message);
  };
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    let conflict: ListedLock | undefined;
    try {
      const written = await file.write();
      const values = await listValues(storage);
      const acquired = file.date(written, values);
      const { holding, spent } = await weigh(storage, values, file, acquired.modifiedAt, passOver);
      conflict = holding.find((lock) => conflicts(lock, options.mode));
      if (!conflict) {
        if (options.mode === 'exclusive' || options.removesSpent) await removeSpent(storage, spent.filter(isLockKey), log);
        return new HeldLock(file, acquired, options);
      }
      await file.remove();
    } catch (error) {
      await file.removeOrReport();
      throw error;
    }
    const left = deadline - options.now().getTime();
    if (left <= 0) throw describeConflict(conflict, storage, options);
    if (attempt === 0) log.info(`waiting: ${describe(conflict, storage)}`);
    const pause = Math.min(firstPause * 2 ** Math.min(attempt, 10), longestPause);
    // Jitter, so that two who met once do not meet for ever.
    await rest(Math.min(pause * (0.5 + Math.random()), left), signal);
  }
}

interface Weighed {
  readonly holding: readonly ListedLock[];
  /** Keys of those that hold no longer, or never did */
  readonly spent: readonly string[];
}

/** Tells the locks of others that hold by the storage's time. The older ones, of which there may be thousands, are not read. */
async function weigh(
  storage: Storage,
  values: readonly StoredValue[],
  file: LockFile,
  storeNow: Date,
  passOver: (message: string) => void,
): Promise<Weighed> {
  const spent: string[] = [];
  const recent: StoredValue[] = [];
  for (const value of values) {
    const age = storeNow.getTime() - value.modifiedAt.getTime();
    if (file.owns(value.key)) continue;
    if (age >= maxLifetimeSeconds * 1000 && isLockKey(value.key)) spent.push(value.key);
    else if (age < -aheadSeconds * 1000) {
      passOver(describeEarly(value, storeNow));
      spent.push(value.key);
    } else recent.push(value);
  }
  const locks = await readLocks(storage, recent, passOver);
  for (const lock of locks) if (isSpent(lock, storeNow)) spent.push(lock.key);
  return { holding: locks.filter((lock) => !isSpent(lock, storeNow)), spent };
}

async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Every lock that was not given back, expired ones too: only who writes to the storage learns its clock. */
export async function listLocks({ storage }: Place): Promise<ListedLock[]> {
  const locks = await readLocks(storage, await listValues(storage), () => {});
  return locks.filter(({ content }) => !content?.released);
}

/** Whom to ask about a lock: the run on GitHub, or the process. */
export function describeHolder(env: NodeJS.ProcessEnv): string {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, SUPABASE_BACKUP_STEP } = env;
  if (!GITHUB_SERVER_URL || !GITHUB_REPOSITORY || !GITHUB_RUN_ID)
    return `${hostname()}, process ${process.pid}`;
  // Jobs of one run share its address; entry/post.ts looks for the locks of one step.
  const step = SUPABASE_BACKUP_STEP ? `, step ${SUPABASE_BACKUP_STEP}` : '';
  return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}${step}`;
}

/** When a write began and ended. */
interface Span {
  /** By the clock that only goes forward, before the write began: the storage's time of it cannot be earlier. */
  readonly startedAt: number;
  /** Its middle by this machine's clock: milliseconds since 1970 */
  readonly middle: number;
}

/** When a lock was written. */
interface Written extends Pick<Span, 'startedAt'> {
  /** By this machine's clock: milliseconds since 1970 */
  readonly writtenAt: number;
  /** By the storage's clock */
  readonly modifiedAt: Date;
  readonly skewSeconds: number;
}

/** The file of one lock, through all attempts to get it. */
class LockFile {
  readonly id = randomBytes(8).toString('hex');
  readonly storage: Storage;
  readonly lifetimeSeconds: number;
  readonly #options: LockOptions;
  /** The last is the one that holds. There are more where a storage lets nothing be overwritten. */
  readonly #keys = [`locks/${this.id}.json`];
  /** Whether there may be something to remove. */
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

  /** @param since when it was got; by default now */
  async write(since = this.#options.now()): Promise<Span> {
    const startedAt = performance.now();
    const before = this.#options.now().getTime();
    try {
      await this.#store(this.#render(since, false));
    } catch (error) {
      // What was never written is not left behind.
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
      // A retention lock (of R2 or B2, for one) may forbid overwriting; then the lock goes on under another name.
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
   * When it was written by the storage's clock, which a listing or a look right after it tells.
   *
   * @throws StorageError when it is not there
   */
  date({ startedAt, middle }: Span, values: readonly StoredValue[]): Written {
    const found = values.find(({ key }) => key === this.key);
    if (!found) {
      throw new StorageError(
        `${this.key} is not in ${this.storage.location} right after it was stored`,
        'Use a storage whose reads are strongly consistent, and look for somebody who deletes locks.',
      );
    }
    const skewSeconds = (found.modifiedAt.getTime() - middle) / 1000;
    return { startedAt, writtenAt: middle, modifiedAt: found.modifiedAt, skewSeconds };
  }

  stat(): Promise<StoredValue | undefined> {
    return this.storage.stat(this.key);
  }

  /** Where it cannot be deleted, for whatever reason, the file is overwritten with one that counts as no lock. */
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
    const content: LockContent = {
      format: 1,
      operation,
      mode,
      holder,
      since: since.toISOString(),
      ttlSeconds: this.lifetimeSeconds,
      ...(released ? { released } : {}),
    };
    return Buffer.from(`${JSON.stringify(content)}\n`);
  }
}

class HeldLock implements Lock {
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
    this.#refreshAfter(this.#refreshMilliseconds);
  }

  get #refreshMilliseconds(): number {
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
    const { startedAt, writtenAt } = this.#written;
    const age = Math.max(performance.now() - startedAt, this.#options.now().getTime() - writtenAt);
    return age < this.#refreshMilliseconds;
  }

  async #look(): Promise<void> {
    try {
      if (!(await this.#file.stat())) return this.#lose('somebody removed it');
      this.#refreshAfter(this.#refreshMilliseconds);
    } catch {
      await this.#refresh();
    }
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#expiryTimer);
    // It could write the lock again after it was removed.
    await this.#refreshing;
    await this.#file.removeOrReport();
  }

  #refreshAfter(milliseconds: number): void {
    if (this.#released || this.signal.aborted) return;
    this.#refreshTimer = setTimeout(() => {
      this.#refreshing = this.#refresh();
    }, milliseconds);
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
      this.#refreshAfter(this.#refreshMilliseconds);
    } catch (error) {
      this.#options.log.warn(`the lock ${this.#file.key} could not be refreshed yet: ${messageOf(error)}`);
      this.#refreshAfter(retryMilliseconds);
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

function isLockKey(key: string): boolean {
  return keyPattern.test(key);
}

async function listValues(storage: Storage): Promise<StoredValue[]> {
  const values: StoredValue[] = [];
  for await (const value of storage.list('locks/')) values.push(value);
  return values;
}

async function readLocks(
  storage: Storage,
  values: readonly StoredValue[],
  passOver: (message: string) => void,
): Promise<ListedLock[]> {
  const locks: ListedLock[] = [];
  const waiting = [...values];
  const reader = async () => {
    for (const value of drain(waiting)) {
      const lock = await readLock(storage, value, passOver);
      if (lock) locks.push(lock);
    }
  };
  await Promise.all(Array.from({ length: Math.min(readers, values.length) }, reader));
  return locks;
}

/** Undefined when it was removed since it was listed, and when it is none, which is told. */
async function readLock(
  storage: Storage,
  { key, modifiedAt }: StoredValue,
  passOver: (message: string) => void,
): Promise<ListedLock | undefined> {
  let text: string;
  try {
    text = (await storage.get(key, largestLock)).toString('utf8');
  } catch (error) {
    if (error instanceof StorageError && error.missing) return undefined;
    // Of another user of a shared folder: he holds it as well as one who lets it be read.
    if (error instanceof DeniedValueError) text = '';
    else if (error instanceof ForeignValueError) return void passOver(error.message);
    else throw error;
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), contentSchema), text);
  const content = parsed.success ? parsed.output : undefined;
  if (content === undefined && !isLockKey(key)) {
    return void passOver(`${key} in ${storage.location} has neither the name of a lock nor what one says`);
  }
  const lifetimeSeconds = content?.ttlSeconds ?? usualLifetimeSeconds;
  return { key, modifiedAt, expiresAt: new Date(modifiedAt.getTime() + lifetimeSeconds * 1000), content };
}

/** @param storeNow the storage's time */
function isSpent({ content, expiresAt }: ListedLock, storeNow: Date): boolean {
  return content?.released === true || expiresAt.getTime() <= storeNow.getTime();
}

function describeEarly({ key, modifiedAt }: StoredValue, storeNow: Date): string {
  return `${key} claims to be of ${modifiedAt.toISOString()}, where it is ${storeNow.toISOString()} by the clock of the storage`;
}

function conflicts({ content }: ListedLock, mode: LockOptions['mode']): boolean {
  return mode === 'exclusive' || content === undefined || content.mode === 'exclusive';
}

async function removeSpent(
  storage: Storage,
  spent: readonly string[],
  log: LockOptions['log'],
): Promise<void> {
  if (spent.length === 0) return;
  try {
    await storage.delete(spent);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    log.debug(`locks that hold no longer stay where they are: ${messageOf(error)}`);
  }
}

function describe({ key, content, expiresAt }: ListedLock, storage: Storage): string {
  const until = `if it is not refreshed, until ${expiresAt.toISOString()}`;
  if (!content) return `${key} in ${storage.location} cannot be read; it counts as a lock, ${until}`;
  const { operation, holder, mode, since } = content;
  const held = mode === 'exclusive' ? 'exclusively' : 'together with others';
  return `${operation} (${holder}) holds ${storage.location} ${held} since ${since} and, ${until}, by the lock ${key}`;
}

function describeConflict(lock: ListedLock, storage: Storage, options: LockOptions): LockedError {
  const waited = options.waitSeconds > 0 ? ` after ${options.waitSeconds} seconds` : '';
  return new LockedError(
    `${options.operation} did not get its lock${waited}: ${describe(lock, storage)}`,
    `Start again when ${lock.content?.operation ?? 'its holder'} has ended. If it was killed, the lock ends at that time by itself; ` +
      `if you are sure of it, delete ${lock.key}.`,
  );
}
