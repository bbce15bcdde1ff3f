import { append } from '../../runtime/lists.ts';
import type { Purge } from '../../storage/storage.ts';
import type { Lock } from '../locks/held-lock.ts';
import { acquireLock, LockedError } from '../locks/locks.ts';
import type { Repository } from '../open.ts';
import { indexMarks, isMarked, listMarkFiles, readMarkFiles, type Tally } from './garbage-marks.ts';
import { assertClocks, objectPattern, type PruneContext } from './prune.ts';
import { type DamagedHeader, readReferencedObjects } from './references.ts';
import { deleteBatch, type Retained, removeKeys, toRetained } from './removal.ts';

export interface Sweep {
  readonly damaged: readonly DamagedHeader[];
  readonly removed: Tally;
  /** Objects that are no longer listed, and whose bytes the storage keeps as versions */
  readonly hidden: Tally;
  /** How many versions that the storage kept were removed */
  readonly versions: number;
  /** Objects and marks that the storage did not delete */
  readonly retained: readonly Retained[];
  /** Why due marks were left to the next run */
  readonly postponed: string | undefined;
}

/** Tells whether the grace period of a mark has passed. Both times are the storage's. */
export function isDue(markedAt: Date, storeNow: Date, { gracePeriod }: PruneContext): boolean {
  return markedAt.getTime() + gracePeriod <= storeNow.getTime();
}

/**
 * Deletes objects that were marked a grace period ago, are not newer than their mark, and are still needed by
 * no backup and no segment. Everything that decides is read under an exclusive lock. A mark file is deleted
 * when all of its objects were handled.
 *
 * @param storeNow the storage's time; without a mark that is due by then, no lock is acquired
 * @throws ConfigurationError when the clocks of this machine and the storage disagree
 */
export async function sweepGarbage(
  repository: Repository,
  context: PruneContext,
  storeNow: Date,
): Promise<Sweep> {
  const nothing: Sweep = {
    damaged: [],
    removed: { objects: 0, bytes: 0 },
    hidden: { objects: 0, bytes: 0 },
    versions: 0,
    retained: [],
    postponed: undefined,
  };
  const files = await listMarkFiles(repository);
  if (!files.some(({ modifiedAt }) => isDue(modifiedAt, storeNow, context))) return nothing;
  const found = await lockAlone(repository, context);
  if (typeof found === 'string') return { ...nothing, postponed: found };
  await using lock = found;
  await assertClocks(lock, repository);
  const signal = AbortSignal.any([context.signal, lock.signal]);
  const needed = await readReferencedObjects(repository, signal);
  if (needed.damaged.length > 0) return { ...nothing, damaged: needed.damaged };
  if (needed.vanished.length > 0) {
    const postponed = `${needed.vanished[0]} was removed by somebody else while it was read`;
    return { ...nothing, postponed };
  }
  if (needed.manifests === 0) {
    return { ...nothing, postponed: `${repository.storage.location} lists no backup at the moment` };
  }
  const marks = await readMarkFiles(repository, (error) => context.log.warn(error.message), signal);
  const due = marks.filter(({ markedAt }) => isDue(markedAt, lock.acquiredAt, context));
  const swept = await deleteUnneeded(repository, indexMarks(due), needed.names, signal, context.log);
  signal.throwIfAborted();
  const keptMarks = await removeKeys(
    repository,
    due.map(({ key }) => key),
  );
  return { ...nothing, ...swept, retained: [...swept.retained, ...keptMarks.retained] };
}

/** Acquires an exclusive lock, or returns a message that names the current holder. */
async function lockAlone(repository: Repository, context: PruneContext): Promise<Lock | string> {
  try {
    return await acquireLock(repository, {
      ...context,
      operation: 'cleanup',
      mode: 'exclusive',
      waitSeconds: context.sweepWaitSeconds,
    });
  } catch (error) {
    if (error instanceof LockedError) return error.message;
    throw error;
  }
}

async function deleteUnneeded(
  repository: Repository,
  marks: ReadonlyMap<string, number>,
  needed: ReadonlySet<string>,
  signal: AbortSignal,
  log: PruneContext['log'],
): Promise<Pick<Sweep, 'removed' | 'hidden' | 'versions' | 'retained'>> {
  const tally = new SweepTally();
  const listUnneeded = async function* () {
    for await (const { key, size, modifiedAt } of repository.storage.list('objects/')) {
      const name = objectPattern.exec(key)?.[2];
      if (name !== undefined && !needed.has(name) && isMarked(marks, name, modifiedAt)) yield { key, size };
    }
  };
  let batch = new Map<string, number>();
  const flush = async () => {
    signal.throwIfAborted();
    tally.add(batch, await removeKeys(repository, [...batch.keys()]));
    batch = new Map();
    log.progress(`${tally.removed.objects + tally.hidden.objects} objects removed`);
  };
  for await (const { key, size } of listUnneeded()) {
    batch.set(key, size);
    if (batch.size >= deleteBatch) await flush();
  }
  if (batch.size > 0) await flush();
  // A store may confirm a deletion that it has not done.
  if (tally.removed.objects > 0) for await (const { key, size } of listUnneeded()) tally.takeBack(key, size);
  return tally;
}

/** The running totals of a sweep. */
class SweepTally {
  readonly removed = { objects: 0, bytes: 0 };
  readonly hidden = { objects: 0, bytes: 0 };
  versions = 0;
  readonly retained: Retained[] = [];
  readonly #kept = new Set<string>();

  /** @param sizes stored bytes by key of the objects that were to be removed */
  add(sizes: ReadonlyMap<string, number>, { hidden, retained, versions }: Purge): void {
    this.versions += versions;
    append(this.retained, retained);
    for (const { key } of retained) this.#kept.add(key);
    const covered = new Set(hidden);
    for (const [key, size] of sizes) {
      if (this.#kept.has(key)) continue;
      const sum = covered.has(key) ? this.hidden : this.removed;
      sum.objects += 1;
      sum.bytes += size;
    }
  }

  /** Corrects the totals for an object that is still listed after its removal. */
  takeBack(key: string, size: number): void {
    if (this.#kept.has(key)) return;
    this.retained.push(toRetained(key));
    this.removed.objects -= 1;
    this.removed.bytes -= size;
  }
}
