import { sep } from 'node:path';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { Storage } from '../../storage/storage.ts';
import type { LockHolder } from '../locks/lock-file.ts';
import { acquireLock } from '../locks/locks.ts';

/** A backup, a cleanup or another mirror may hold the place meanwhile. */
const lockWaitSeconds = 15 * 60;

/** Shorter than the wait: a run that goes on where one was killed gets the place when that one's lock has ended. */
const lockLifetimeSeconds = 10 * 60;

/**
 * Probes a place and locks it alone while the work goes on, so that neither another mirror nor a cleanup
 * disturbs. The lock is given back whatever the work comes to.
 *
 * @param apart the place that it is read from, which must be another one: a symlink, or a second name of a server,
 *   makes one place look like two
 * @param work its context ends with the lock, and `assertHeld` throws when it was lost
 * @throws ConfigurationError when both are one place
 * @throws StorageError when the place cannot be written, or stays locked
 */
export async function writeAlone<Result>(
  storage: Storage,
  { operation, holder }: { readonly operation: 'mirror' | 'repair'; readonly holder: LockHolder },
  apart: Pick<Storage, 'location' | 'list'>,
  context: Context,
  work: (context: Context, assertHeld: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  await storage.probe();
  const lock = await acquireLock(
    { storage },
    {
      ...{ operation, holder, mode: 'exclusive', waitSeconds: lockWaitSeconds },
      lifetimeSeconds: lockLifetimeSeconds,
      ...{ now: () => context.now(), random: () => context.random() },
      ...{ signal: context.signal, log: context.log },
    },
  );
  try {
    await assertApart(storage, apart, lock.id);
    const signal = AbortSignal.any([context.signal, lock.signal]);
    return await work({ ...context, signal }, () => lock.assertHeld());
  } finally {
    await lock.release();
  }
}

/** What is written to one place and shows in the other is stored once. */
async function assertApart(
  storage: Storage,
  apart: Pick<Storage, 'location' | 'list'>,
  lock: string,
): Promise<void> {
  for await (const { key } of apart.list('locks/')) {
    if (!key.startsWith(`locks/${lock}`)) continue;
    throw toSharedError(storage, apart, 'are one place under two names: a lock in one shows in the other');
  }
}

/**
 * Refuses two folders that are one, or lie one inside of the other, as far as their paths without links tell. All
 * else shows only to a run that writes.
 *
 * @throws ConfigurationError
 */
export async function refuseSharedFolder(storage: Place, apart: Place): Promise<void> {
  const [one, other] = [await storage.findRealPlace?.(), await apart.findRealPlace?.()];
  if (one === undefined || other === undefined) return;
  if (one === other)
    throw toSharedError(storage, apart, `are one place under two names: both lead to ${one}`);
  const [outer, inner] = one.length < other.length ? [one, other] : [other, one];
  if (inner.startsWith(outer.endsWith(sep) ? outer : outer + sep))
    throw toSharedError(storage, apart, `lie one inside of the other: ${inner} in ${outer}`);
}

type Place = Pick<Storage, 'location' | 'findRealPlace'>;

function toSharedError(storage: Place, apart: Place, how: string): ConfigurationError {
  return new ConfigurationError(
    say`${nameInput('copies')}: ${storage.location} and ${apart.location} ${how}`,
    'A copy must survive the loss of the other storage: choose another location. Nothing was changed.',
  );
}
