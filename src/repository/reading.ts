import { IntegrityError, StorageError } from '../runtime/errors.ts';
import {
  BrokenBodyError,
  DeniedValueError,
  ForeignValueError,
  type ReadOptions,
} from '../storage/storage.ts';

/** So often what is not as it should be is read before it counts as damaged. */
const mostReadings = 3;

/** What was read is not what was stored, for a reason that no other reading can change: its bytes are the recorded ones. */
export class SettledDamage extends IntegrityError {}

/** Whether an error says that a value could not be read, and nothing of what it is: it may be whole. */
export function isUnread(error: unknown): boolean {
  if (error instanceof IntegrityError) return error.cause instanceof DeniedValueError;
  return error instanceof StorageError && error.cause instanceof BrokenBodyError;
}

/**
 * Reads a value, and where it is not what it should be once more, over a new connection, and again: one byte that was changed on the way, or
 * an answer that a middlebox ended early, is no damage of what is stored.
 *
 * @param read throws `IntegrityError`, or what a storage throws of a value that is none of ours, for what is not as it should be
 * @throws what the last reading threw; an `IntegrityError` says how often it was read
 */
export async function readAgain<Result>(read: (options: ReadOptions) => Promise<Result>): Promise<Result> {
  for (let readings = 1; ; readings++) {
    try {
      return await read({ fresh: readings > 1 });
    } catch (error) {
      if (!isDoubtful(error)) throw error;
      if (readings === mostReadings) throw tellReadings(error);
    }
  }
}

/** Whether another reading may bring something else. What is missing or denied is no matter of single bytes. */
function isDoubtful(error: unknown): boolean {
  if (error instanceof SettledDamage || error instanceof DeniedValueError) return false;
  if (error instanceof ForeignValueError) return true;
  if (error instanceof IntegrityError)
    return isDoubtful(error.cause) || !(error.cause instanceof StorageError);
  return error instanceof StorageError && error.cause instanceof BrokenBodyError;
}

function tellReadings(error: unknown): unknown {
  if (!(error instanceof IntegrityError)) return error;
  return new IntegrityError(`${error.message} (read ${mostReadings} times)`, error.next, error.cause);
}
