import { messageOf, StorageError } from '../../runtime/errors.ts';
import { RetainedError, type Storage, type StoredValue } from '../../storage/storage.ts';
import { HeldLock, type Lock } from './held-lock.ts';
import { LockFile, type LockOptions } from './lock-file.ts';
import {
  isLockKey,
  isSpent,
  type ListedLock,
  listValues,
  maxLifetimeSeconds,
  readLocks,
  renderLock,
  usualLifetimeSeconds,
} from './lock-format.ts';

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

/**
 * A lock whose file claims to have been written later than this after now, by the clock of the storage, was not: a clock was set back, or
 * somebody gave the file a time of his own, with which it would hold for years. One that is held has the right time when it is refreshed.
 */
const aheadSeconds = usualLifetimeSeconds;

/** Pauses between two attempts to get a lock, before jitter. */
const firstDelayMs = 1000;
const maxDelayMs = 30_000;

/** Somebody else holds a lock that conflicts. */
export class LockedError extends StorageError {}

/** Where locks are. */
interface Place {
  readonly storage: Storage;
}

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
        if (options.mode === 'exclusive' || options.removesSpent)
          await removeSpent(storage, spent.filter(isLockKey), log);
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
    const delayMs = Math.min(firstDelayMs * 2 ** Math.min(attempt, 10), maxDelayMs);
    // Jitter, so that two who met once do not meet for ever.
    await rest(Math.min(delayMs * (0.5 + options.random()), left), signal);
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

/** Every lock that was not given back, expired ones too: only who writes to the storage learns its clock. */
export async function listLocks({ storage }: Place): Promise<ListedLock[]> {
  const locks = await readLocks(storage, await listValues(storage), () => {});
  return locks.filter(({ content }) => !content?.released);
}

/** Gives back locks whose holder has ended. What cannot be deleted is overwritten with what counts as no lock. */
export async function giveBack({ storage }: Place, locks: readonly ListedLock[]): Promise<void> {
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
