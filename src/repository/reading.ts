import { IntegrityError, StorageError } from '../runtime/errors.ts';
import { say } from '../runtime/wording.ts';
import {
  BrokenBodyError,
  DeniedValueError,
  ForeignValueError,
  type ReadOptions,
} from '../storage/storage.ts';

/** How many times a value that is not as expected is read in one place before it counts as damaged there. */
const mostReadings = 3;

/** A mismatch that another read cannot change: the bytes are the recorded ones, or access is denied. */
export class SettledDamage extends IntegrityError {}

/** Tells whether an error says only that a value could not be read: its content may be intact. */
export function isUnread(error: unknown): boolean {
  if (error instanceof IntegrityError) return error.cause instanceof DeniedValueError;
  return error instanceof StorageError && error.cause instanceof BrokenBodyError;
}

/**
 * Reads a value, and while it is not as expected reads it again over a new connection, three times in all: a
 * byte that changed in transit, or an answer that a middlebox cut short, is not damage of the stored value.
 *
 * @param read throws `IntegrityError`, or the storage's error for a foreign value, when the value is not as
 * expected
 * @param places how many places the storage has: each is read three times before the next one is asked
 * @throws the error of the last read; an `IntegrityError` says how many times the value was read
 */
export async function readAgain<Result>(
  read: (options: ReadOptions) => Promise<Result>,
  places = 1,
): Promise<Result> {
  for (let readings = 1; ; readings++) {
    const place = Math.floor((readings - 1) / mostReadings);
    try {
      return await read({ freshConnection: readings > 1, ...(place === 0 ? {} : { place }) });
    } catch (error) {
      if (!isDoubtful(error)) throw error;
      if (readings === mostReadings * places) throw tellReadings(error, readings);
    }
  }
}

/** Tells whether another read may return something else. It does not for a missing or denied value. */
function isDoubtful(error: unknown): boolean {
  if (error instanceof SettledDamage || error instanceof DeniedValueError) return false;
  if (error instanceof ForeignValueError) return true;
  if (error instanceof IntegrityError)
    return isDoubtful(error.cause) || !(error.cause instanceof StorageError);
  return error instanceof StorageError && error.cause instanceof BrokenBodyError;
}

function tellReadings(error: unknown, readings: number): unknown {
  if (!(error instanceof IntegrityError)) return error;
  return new IntegrityError(
    say`${error.told.message} (read ${readings} times)`,
    error.told.next,
    error.cause,
  );
}
