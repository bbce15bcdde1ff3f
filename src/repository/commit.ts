import { assertNever, IntegrityError, StorageError } from '../runtime/errors.ts';
import { say } from '../runtime/wording.ts';
import { ForeignValueError, type Storage } from '../storage/storage.ts';
import { assertUnreplaced, type Repository } from './open.ts';
import { readAgain } from './reading.ts';

/** A file that makes a backup or a segment exist */
export interface Commitment {
  readonly key: string;
  readonly bytes: Buffer;
  /** For people: `this backup` */
  readonly what: string;
  /**
   * A condition that must hold before the file is written; throws when it does not hold. It runs while the
   * repository is checked, and may take time.
   */
  readonly prove?: (() => Promise<unknown>) | undefined;
}

/**
 * Writes the file that makes a backup or a segment of changes exist. It never replaces another file, and
 * never uses the key of a repository that another run has replaced. When it returns true, the storage has
 * returned every byte of the file, whatever it answered to the write.
 *
 * A file with other bytes that is there after an error belongs to another run, and is left alone.
 *
 * @returns whether it was written; false when a file of that name exists already
 * @throws StorageError when the file is not there afterwards, or when that is not known; the message then
 * says so
 * @throws IntegrityError when the repository was replaced since it was opened; nothing was written then
 */
export async function commit(repository: Repository, commitment: Commitment): Promise<boolean> {
  const { storage } = repository;
  const { key, bytes, what } = commitment;
  await Promise.all([assertUnreplaced(repository), commitment.prove?.()]);
  let failure: StorageError | undefined;
  try {
    if (!(await storage.create(key, bytes))) return false;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    failure = error;
  }
  const found = await look(storage, commitment, failure);
  if (found === 'same') return true;
  if (failure !== undefined)
    throw found === 'absent' && failure.uncertain ? toUncertainError(storage, what, failure) : failure;
  await mend(storage, commitment, found);
  return true;
}

type Found = 'same' | 'other' | 'absent';

/** Reads what is there now: a store may have done what it reported as failed, or not what it confirmed. */
async function look(
  storage: Storage,
  { key, bytes, what }: Commitment,
  failure: StorageError | undefined,
): Promise<Found> {
  try {
    await readAgain(async (options) => {
      const there = await storage.get(key, bytes.length, options);
      if (!there.equals(bytes)) throw new IntegrityError(`${key} has other bytes`, 'It is read again.');
    });
    return 'same';
  } catch (error) {
    if (error instanceof IntegrityError || error instanceof ForeignValueError) return 'other';
    if (!(error instanceof StorageError)) throw error;
    if (error.missing) return 'absent';
    throw toUncertainError(storage, what, failure ?? error);
  }
}

function toUncertainError({ location }: Storage, what: string, cause: StorageError): StorageError {
  return new StorageError(
    `${what} may have been recorded: ${cause.message}`,
    say`Run \`list\` when ${location} answers again. Every backup that it lists is complete. ${cause.told.next}`,
    { cause, uncertain: true },
  );
}

/**
 * Writes once more a file that the store keeps differently from what it was sent, and deletes it if that does
 * not help: no reader could use it.
 */
async function mend(storage: Storage, commitment: Commitment, found: Exclude<Found, 'same'>): Promise<void> {
  const { key, bytes, what } = commitment;
  await storage.put(key, bytes);
  if ((await look(storage, commitment, undefined)) === 'same') return;
  await storage.delete([key]);
  throw new StorageError(
    `${what} was not recorded: ${storage.location} confirmed ${key}, and twice ${describe(found)}`,
    'Do not rely on this storage, or on anything between it and this machine, until somebody has explained this.',
  );
}

function describe(found: Exclude<Found, 'same'>): string {
  switch (found) {
    case 'other':
      return 'returned other bytes than were sent';
    case 'absent':
      return 'did not have it afterwards';
    default:
      return assertNever(found);
  }
}
