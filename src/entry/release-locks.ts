import { giveBack, listLocks } from '../repository/locks/locks.ts';
import { openRepository } from '../repository/open.ts';
import { isKnownError, messageOf, StorageError } from '../runtime/errors.ts';
import { openStorage, type StorageContext, type StorageOptions } from '../storage/open.ts';

/** A storage in which a step may have left locks. */
export interface LockedPlace extends StorageOptions {
  readonly storage: string;
  /** 64 hexadecimal digits; undefined: the repository keeps its own key */
  readonly repositoryKey: string | undefined;
}

/**
 * Removes the locks of a step that was killed, so that other operations need not wait for them to expire.
 * Only locks that this very step held are removed: other jobs of the run may use the same repository now.
 *
 * @param step the value of `stepVariable` while the step ran
 * @returns how many locks were removed
 * @throws StorageError when locks may be left
 */
export async function releaseLocks(
  place: LockedPlace,
  step: string,
  context: StorageContext,
): Promise<number> {
  // An operation works on a copy of an artifact. The copy has ended with the step, and the locks with it.
  if (/^artifact:/i.test(place.storage)) return 0;
  await using storage = await openStorage(place.storage, place, context);
  try {
    const repository = await openRepository(storage, place.repositoryKey);
    const left = (await listLocks(repository)).filter(({ content }) => content?.holderId === step);
    await giveBack(repository, left);
    return left.length;
  } catch (error) {
    if (!isKnownError(error)) throw error;
    throw new StorageError(
      `locks of the step that was stopped may be left in ${storage.location}: ${messageOf(error)}`,
      'They expire half an hour after they were last refreshed.',
      { cause: error },
    );
  }
}
