import { giveBack, listLocks } from '../repository/locks/locks.ts';
import { openRepository } from '../repository/open.ts';
import { isKnownError, messageOf, StorageError } from '../runtime/errors.ts';
import { openStorage, type StorageOptions, type StorageWorld } from '../storage/open.ts';

/** A place where a step may have left locks. */
export interface LockedPlace extends StorageOptions {
  readonly storage: string;
  /** 64 hexadecimal digits; undefined: the repository keeps a key of its own */
  readonly repositoryKey: string | undefined;
}

/**
 * Removes the locks of a step that was killed, so that nobody waits for them to expire. Only those whose holder is this very step count: the
 * run has other jobs, which may use the same repository now.
 *
 * @param step the value of `stepVariable` while it ran
 * @returns how many were removed
 */
export async function releaseLocks(place: LockedPlace, step: string, world: StorageWorld): Promise<number> {
  // The copy of an artifact has ended with the step, and its locks with it.
  if (/^artifact:/i.test(place.storage)) return 0;
  const storage = await openStorage(place.storage, place, world);
  try {
    const repository = await openRepository(storage, place.repositoryKey);
    const left = (await listLocks(repository)).filter(({ content }) => content?.holderId === step);
    await giveBack(repository, left);
    return left.length;
  } catch (error) {
    if (!isKnownError(error)) throw error;
    throw new StorageError(
      `locks of the step that was stopped may be left in ${storage.location}: ${messageOf(error)}`,
      'They end by themselves half an hour after they were last refreshed.',
      { cause: error },
    );
  } finally {
    await storage.close();
  }
}
