import { randomBytes, randomInt } from 'node:crypto';
import { StorageError } from '../runtime/errors.ts';
import { RetainedError, type Storage } from '../storage/storage.ts';

/** The number of keys to choose from, which bounds what stays where nothing may be deleted */
const slots = 64;

/**
 * Measures how far the clock of a storage is ahead of ours: writes a value below `probe/`, asks when it was
 * written, and removes it where that is allowed. A lock measures the same with the file that it writes anyway.
 *
 * @returns seconds, as exact as the storage's times, which may be whole seconds; undefined where a value of an
 *   earlier probe stands in the way and cannot be removed
 * @throws StorageError when the storage refuses a request
 */
export async function measureClockSkew(storage: Storage, now: () => Date): Promise<number | undefined> {
  // The form of the keys of probes, which a cleanup removes when they were left behind.
  const key = `probe/c10c-${randomInt(slots)}`;
  const before = now().getTime();
  if (!(await storage.create(key, randomBytes(8)))) return undefined;
  const middle = (before + now().getTime()) / 2;
  try {
    const stored = await storage.stat(key);
    if (stored !== undefined) return (stored.modifiedAt.getTime() - middle) / 1000;
  } finally {
    await removeProbe(storage, key);
  }
  throw new StorageError(
    `${key} is not in ${storage.location} right after it was stored`,
    'Use a storage whose reads are strongly consistent.',
  );
}

/** Where deleting is forbidden, the probe stays: a cleanup with the right to delete removes it. */
async function removeProbe(storage: Storage, key: string): Promise<void> {
  try {
    await storage.delete([key]);
  } catch (error) {
    if (!(error instanceof RetainedError)) throw error;
  }
}
