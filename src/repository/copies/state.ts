import type { Context } from '../../runtime/context.ts';
import { isKnownError } from '../../runtime/errors.ts';
import type { NamedStorage } from '../../storage/fallback.ts';
import { timeOf } from '../../values/timed-id.ts';
import type { Repository } from '../open.ts';
import { openCopy } from './initialize.ts';
import { measureLag } from './lag.ts';
import type { CopyLag } from './outcome.ts';
import { compareListings } from './plan.ts';

/** How a copy stands. */
export type CopyState =
  | {
      readonly kind: 'read';
      readonly name: string;
      readonly location: string;
      /** False while there is nothing at the place */
      readonly isMade: boolean;
      readonly lag: CopyLag;
      /** When the oldest backup that it lacks was begun; undefined when it lacks none */
      readonly behindSince: Date | undefined;
    }
  | {
      readonly kind: 'unreadable';
      readonly name: string;
      readonly location: string;
      readonly why: string;
    };

/** Reads how far copies are behind, by listings alone. A copy that cannot be read is one of the answers. */
export async function readCopyStates(
  source: Repository,
  copies: readonly NamedStorage[],
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<CopyState[]> {
  const states: CopyState[] = [];
  for (const { name, storage } of copies) {
    const place = { name, location: storage.location };
    try {
      const copy = await openCopy(source, storage, name);
      const warn = (message: string) => log.warn(message);
      const lag = await measureLag(source, await compareListings(source, copy, { signal, warn }));
      const behindSince = lag.oldestMissing === undefined ? undefined : timeOf(lag.oldestMissing);
      states.push({ kind: 'read', ...place, isMade: copy !== undefined, lag, behindSince });
    } catch (error) {
      signal.throwIfAborted();
      if (!isKnownError(error)) throw error;
      states.push({ kind: 'unreadable', ...place, why: error.message });
    }
  }
  return states;
}
