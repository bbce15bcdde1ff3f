import { messageOf, StorageError } from '../../runtime/errors.ts';
import { RetainedError, type Storage, type StoredValue } from '../../storage/storage.ts';
import { HeldLock, type Lock } from './held-lock.ts';
import { LockFile, type LockOptions } from './lock-file.ts';
import {
  isExpired,
  isLockKey,
  type ListedLock,
  listValues,
  maxLifetimeSeconds,
  readLocks,
  renderLock,
  usualLifetimeSeconds,
} from './lock-format.ts';

/*
 * Who uses a repository: `locks/<id>.json`. The protocol is restic's (doc/design.rst, "Locks"): write a lock,
 * then list all locks; a run that sees a conflicting one removes its own and tries again later. Of two runs
 * that do so at once at least one sees the other, because a storage shows a written file in every listing
 * that starts afterwards.
 *
 * Only the storage's clock decides whether a lock still holds: the time of the lock's last change is compared
 * with that of a lock written just now. The clocks of the machines that hold locks may be wrong by any
 * amount.
 *
 * Locks are not sealed: anyone who can write them could as well delete what they protect.
 */

/**
 * How far a lock's time may be ahead of the storage's clock. A lock that claims to have been written later
 * was not: a clock was set back, or someone gave the file a false time, with which it would hold for years. A
 * lock in use gets the right time when it is refreshed.
 */
const aheadSeconds = usualLifetimeSeconds;

/** Pauses between two attempts to get a lock, before jitter. */
const firstDelayMs = 1000;
const maxDelayMs = 30_000;

/** Another holder has a conflicting lock. */
export class LockedError extends StorageError {}

/** Where locks are stored. */
interface LockPosition {
  readonly storage: Storage;
}

/**
 * Acquires a lock, and waits for conflicting ones to end: one write, one listing, and one parallel reading of
 * the other locks for each attempt.
 *
 * @throws LockedError when another holder still has a conflicting lock; it names the holder
 */
export async function acquireLock({ storage }: LockPosition, options: LockOptions): Promise<Lock> {
  const { log, signal } = options;
  const file = new LockFile(storage, options);
  const deadline = options.now().getTime() + options.waitSeconds * 1000;
  const foreign = new Set<string>();
  const passOver = (message: string) => {
    if (!foreign.has(message))
      log.warn(`${message}; it is not a lock, and is ignored: check who put it there, and remove it`);
    foreign.add(message);
  };
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    let conflict: ListedLock | undefined;
    try {
      const written = await file.write();
      const values = await listValues(storage);
      const acquired = file.date(written, values);
      const { holding, expired } = await weigh(storage, values, file, acquired.modifiedAt, passOver);
      conflict = holding.find((lock) => conflicts(lock, options.mode));
      if (!conflict) {
        if (options.mode === 'exclusive' || options.removesExpired)
          await removeExpired(storage, expired.filter(isLockKey), log);
        return new HeldLock(file, acquired, options);
      }
      await file.remove();
    } catch (error) {
      await file.removeOrReport();
      throw error;
    }
    const left = deadline - options.now().getTime();
    if (left <= 0) throw toConflictError(conflict, storage, options);
    if (attempt === 0) log.info(`waiting: ${describe(conflict, storage)}`);
    const delayMs = Math.min(firstDelayMs * 2 ** Math.min(attempt, 10), maxDelayMs);
    // Jitter keeps two runs that met once from meeting for ever.
    await rest(Math.min(delayMs * (0.5 + options.random()), left), signal);
  }
}

interface Weighed {
  readonly holding: readonly ListedLock[];
  /** Keys of locks that have expired, or never held */
  readonly expired: readonly string[];
}

/**
 * Separates the locks of others that hold by the storage's time from the expired ones. Older locks, of which
 * there may be thousands, are not read.
 */
async function weigh(
  storage: Storage,
  values: readonly StoredValue[],
  file: LockFile,
  storeNow: Date,
  passOver: (message: string) => void,
): Promise<Weighed> {
  const expired: string[] = [];
  const recent: StoredValue[] = [];
  for (const value of values) {
    const age = storeNow.getTime() - value.modifiedAt.getTime();
    if (file.owns(value.key)) continue;
    if (age >= maxLifetimeSeconds * 1000 && isLockKey(value.key)) expired.push(value.key);
    else if (age < -aheadSeconds * 1000) {
      passOver(describeEarly(value, storeNow));
      expired.push(value.key);
    } else recent.push(value);
  }
  const locks = await readLocks(storage, recent, passOver);
  for (const lock of locks) if (isExpired(lock, storeNow)) expired.push(lock.key);
  return { holding: locks.filter((lock) => !isExpired(lock, storeNow)), expired };
}

async function rest(timeMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeMs);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Lists every lock that was not released, also expired ones: only a run that writes learns the storage's
 * clock.
 */
export async function listLocks({ storage }: LockPosition): Promise<ListedLock[]> {
  const locks = await readLocks(storage, await listValues(storage), () => {});
  return locks.filter(({ content }) => !content?.released);
}

/** Releases locks whose holder has ended. A file that cannot be deleted is overwritten as `released`. */
export async function giveBack({ storage }: LockPosition, locks: readonly ListedLock[]): Promise<void> {
  try {
    await storage.delete(locks.map(({ key }) => key));
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const left = error instanceof RetainedError ? error.keys : locks.map(({ key }) => key);
    for (const { key, content } of locks)
      if (content && left.includes(key)) await storage.put(key, renderLock({ ...content, released: true }));
  }
}

function describeEarly({ key, modifiedAt }: StoredValue, storeNow: Date): string {
  return `${key} claims to be of ${modifiedAt.toISOString()}, where it is ${storeNow.toISOString()} by the clock of the storage`;
}

function conflicts({ content }: ListedLock, mode: LockOptions['mode']): boolean {
  return mode === 'exclusive' || content === undefined || content.mode === 'exclusive';
}

async function removeExpired(
  storage: Storage,
  expired: readonly string[],
  log: LockOptions['log'],
): Promise<void> {
  if (expired.length === 0) return;
  try {
    await storage.delete(expired);
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

function toConflictError(lock: ListedLock, storage: Storage, options: LockOptions): LockedError {
  const waited = options.waitSeconds > 0 ? ` after ${options.waitSeconds} seconds` : '';
  return new LockedError(
    `${options.operation} could not get its lock${waited}: ${describe(lock, storage)}`,
    `Run this again when ${lock.content?.operation ?? 'its holder'} has ended. If it was killed, the lock expires at that time; ` +
      `if you are sure that it was killed, delete ${lock.key}.`,
  );
}
