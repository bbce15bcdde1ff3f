import type { Log } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { clockToleranceMs } from '../../values/clock-tolerance.ts';
import type { Lock } from '../locks/held-lock.ts';
import type { LockHolder } from '../locks/lock-file.ts';
import { acquireLock } from '../locks/locks.ts';
import type { Repository } from '../open.ts';
import { indexMarks, isMarked, type MarkedTally, MarkWriter, readMarkFiles } from './garbage-marks.ts';
import { type DamagedHeader, readReferencedObjects } from './references.ts';

/*
 * Removal in two phases. The first deletes manifests and headers of segments, and records which objects no
 * remaining one needs; it deletes nothing else. The second, a grace period later, deletes those objects that
 * are still not needed, while it has exclusive use of the repository. A backup or a capture that was under
 * way in the first phase has written its manifest or header by the second, so its objects are needed again.
 *
 * A run that dies at any point leaves every listed backup and segment intact: at worst, unneeded objects wait
 * for the next run.
 */

export interface PruneContext {
  readonly holder: LockHolder;
  readonly now: () => Date;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn' | 'progress'>;
  /** How long marked objects are kept, in milliseconds */
  readonly gracePeriod: number;
  /** How long the sweep waits for others to end. A backup may run for hours; the next run then sweeps. */
  readonly sweepWaitSeconds: number;
}

/** Objects that no backup and no segment needs. */
export interface Garbage {
  /** If there are any, the objects that they need are unknown: nothing was looked at, marked or removed. */
  readonly damaged: readonly DamagedHeader[];
  /**
   * No backup is listed although there are objects: the listing is incomplete, or the location was emptied.
   * Nothing was marked.
   */
  readonly blind: boolean;
  /** Oldest mark first */
  readonly marked: readonly MarkedTally[];
}

/** Beyond this, times of the storage and of this machine cannot be compared. */
const maxSkewSeconds = clockToleranceMs / 1000;

/** Another cleanup holds its exclusive lock for as long as it deletes. */
const sharedWaitSeconds = 600;

/** The second group is the name of the object. */
export const objectPattern = /^objects\/([0-9a-f]{2})\/(\1[0-9a-f]{62})$/;

/**
 * Keeps others from sweeping while a plan is made and executed. Backups may run in parallel.
 *
 * @throws ConfigurationError when the clocks of this machine and the storage disagree
 * @throws StorageError when another run sweeps for too long
 */
export async function lockForRemoval(repository: Repository, context: PruneContext): Promise<Lock> {
  const lock = await acquireLock(repository, {
    ...context,
    operation: 'cleanup',
    mode: 'shared',
    waitSeconds: sharedWaitSeconds,
    removesExpired: true,
  });
  await assertClocks(lock, repository);
  return lock;
}

/** @throws ConfigurationError when the clocks of machine and storage disagree; the lock is released first */
export async function assertClocks(lock: Lock, { storage }: Repository): Promise<void> {
  if (Math.abs(lock.skewSeconds) <= maxSkewSeconds) return;
  await lock.release();
  const [seconds, direction] = [
    Math.round(Math.abs(lock.skewSeconds)),
    lock.skewSeconds > 0 ? 'behind' : 'ahead of',
  ];
  throw new ConfigurationError(
    `the clock of this machine is ${seconds} seconds ${direction} that of ${storage.location}; more than ${maxSkewSeconds} is too much to tell old from new`,
    'Set the clock that is wrong, then run cleanup again. Nothing was removed.',
  );
}

/** Marks the objects that no backup and no segment needs, unless a mark has them already. */
export async function markGarbage(repository: Repository, context: PruneContext): Promise<Garbage> {
  const writer = new MarkWriter(repository, context.now);
  const survey = await surveyObjects(repository, context, {
    onUnmarked: (name, size) => writer.add(name, size),
  });
  if (survey.blind) return survey;
  return { ...survey, marked: [...survey.marked, ...(await writer.finish())] };
}

/**
 * Returns what `markGarbage` would find after some removals. Changes nothing.
 *
 * @param removed ids of backups and keys of segments
 */
export async function previewGarbage(
  repository: Repository,
  context: PruneContext,
  removed: ReadonlySet<string>,
): Promise<Garbage> {
  const unmarked = { objects: 0, bytes: 0 };
  const survey = await surveyObjects(repository, context, {
    removed,
    onUnmarked: async (_name, size) => {
      unmarked.objects += 1;
      unmarked.bytes += size;
    },
  });
  const marked = [...survey.marked];
  if (unmarked.objects > 0) marked.push({ markedAt: context.now(), ...unmarked });
  return { ...survey, marked };
}

interface SurveyOptions {
  /** Ids of backups and keys of segments to treat as removed */
  readonly removed?: ReadonlySet<string>;
  /** Receives every object that no backup, segment or mark names. */
  readonly onUnmarked: (name: string, size: number) => Promise<void>;
}

/** Surveys all objects; foreign files are ignored. */
async function surveyObjects(
  repository: Repository,
  context: PruneContext,
  { removed, onUnmarked }: SurveyOptions,
): Promise<Garbage> {
  const { signal, log } = context;
  const needed = await readReferencedObjects(repository, signal, removed);
  if (needed.damaged.length > 0) return { damaged: needed.damaged, blind: false, marked: [] };
  if (needed.manifests === 0 && (await hasObjects(repository)))
    return { damaged: [], blind: true, marked: [] };
  const marks = indexMarks(await readMarkFiles(repository, (error) => log.warn(error.message), signal));
  const tallies = new Map<number, { objects: number; bytes: number }>();
  let seen = 0;
  for await (const { key, size, modifiedAt } of repository.storage.list('objects/')) {
    seen += 1;
    if (seen % 10_000 === 0) {
      signal.throwIfAborted();
      log.progress(`${seen} objects seen`);
    }
    const name = objectPattern.exec(key)?.[2];
    if (name === undefined || needed.names.has(name)) continue;
    const markedAt = marks.get(name);
    if (markedAt === undefined || !isMarked(marks, name, modifiedAt)) {
      await onUnmarked(name, size);
      continue;
    }
    const tally = tallies.get(markedAt) ?? { objects: 0, bytes: 0 };
    tally.objects += 1;
    tally.bytes += size;
    tallies.set(markedAt, tally);
  }
  const marked = [...tallies]
    .sort(([one], [other]) => one - other)
    .map(([time, tally]) => ({ markedAt: new Date(time), ...tally }));
  return { damaged: [], blind: false, marked };
}

/** Tells whether there is any object. */
export async function hasObjects({ storage }: Repository): Promise<boolean> {
  for await (const { key } of storage.list('objects/')) if (objectPattern.test(key)) return true;
  return false;
}
