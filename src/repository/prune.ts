import { ConfigurationError } from '../errors.ts';
import { append } from '../lists.ts';
import { RetainedError } from '../storage/storage.ts';
import type { Log } from '../world.ts';
import { manifestKey } from './backups.ts';
import { acquireLock, type Lock, LockedError } from './locks.ts';
import {
  listMarkFiles,
  type Mark,
  type MarkedTally,
  MarkWriter,
  readMarkFiles,
  type Tally,
} from './marks.ts';
import { type DamagedHeader, readNeeded } from './needed.ts';
import type { Repository } from './repository.ts';

/**
 * Removal in two phases. The first deletes manifests and headers of segments, and writes down which objects none of those that are left
 * needs any more; nothing else goes. The second, a grace period later, deletes those of them that still nobody needs, while it alone uses
 * the repository. A backup or a capture that was under way in the first phase has its manifest or header by the second, so its objects
 * are needed again.
 *
 * A run that dies at any point leaves every listed backup and segment whole: at worst objects that nobody needs wait for the next run.
 */

export interface PruneContext {
  /** See `describeHolder`. */
  readonly holder: string;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn' | 'progress'>;
  /** How long marked objects are kept, in milliseconds */
  readonly gracePeriod: number;
  /** How long the sweep waits for others to end. A backup may run for hours; what does not end is left to the next run. */
  readonly sweepWaitSeconds: number;
}

/** Objects that no backup and no segment needs. */
export interface Garbage {
  /** While there are any, what the others need is not known: nothing was looked at, marked or removed. */
  readonly damaged: readonly DamagedHeader[];
  /** Oldest mark first */
  readonly marked: readonly MarkedTally[];
}

export interface Sweep {
  readonly damaged: readonly DamagedHeader[];
  readonly removed: Tally;
  /** Keys of objects and marks that the storage did not let go */
  readonly retained: readonly string[];
  /** Why marks whose time has come were left to the next run */
  readonly postponed: string | undefined;
}

/** Beyond this, times of the storage and of this machine cannot be compared. */
const maxSkewSeconds = 300;

/** Another cleanup holds its exclusive lock for as long as it deletes. */
const sharedWaitSeconds = 600;

/** Keys of one call to `delete`: what an S3 request takes. A lost lock stops the sweep before the next call. */
const deleteBatch = 1000;

const objectPattern = /^objects\/([0-9a-f]{2})\/(\1[0-9a-f]{62})$/;

/**
 * Keeps others from sweeping while a plan is made and carried out. Backups go on beside it.
 *
 * @throws ConfigurationError when the clocks of this machine and the storage disagree
 * @throws StorageError when somebody else sweeps for too long
 */
export async function lockForRemoval(repository: Repository, context: PruneContext): Promise<Lock> {
  const lock = await acquireLock(repository, {
    ...context,
    operation: 'cleanup',
    mode: 'shared',
    waitSeconds: sharedWaitSeconds,
  });
  await assertClocks(lock, repository);
  return lock;
}

async function assertClocks(lock: Lock, { storage }: Repository): Promise<void> {
  if (Math.abs(lock.skewSeconds) <= maxSkewSeconds) return;
  await lock.release();
  const [seconds, direction] = [
    Math.round(Math.abs(lock.skewSeconds)),
    lock.skewSeconds > 0 ? 'behind' : 'ahead of',
  ];
  throw new ConfigurationError(
    `the clock of this machine is ${seconds} seconds ${direction} that of ${storage.location}; more than ${maxSkewSeconds} are too many to tell old from new`,
    'Set the clock that is wrong, then run cleanup again. Nothing was removed.',
  );
}

/**
 * Deletes the manifests of some backups, and with them the backups; their objects stay.
 *
 * @returns the ids of those that the storage did not let go
 */
export async function removeBackups(
  repository: Repository,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const kept = new Set(await deleteKeys(repository, ids.map(manifestKey)));
  return new Set(ids.filter((id) => kept.has(manifestKey(id))));
}

/**
 * Deletes headers of segments; their objects stay.
 *
 * @returns the keys that the storage did not let go
 */
export async function removeSegments(
  repository: Repository,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const retained: string[] = [];
  for (let at = 0; at < keys.length; at += deleteBatch) {
    signal.throwIfAborted();
    append(retained, await deleteKeys(repository, keys.slice(at, at + deleteBatch)));
  }
  return retained;
}

/** Writes down which objects no backup and no segment needs, unless a mark has them already. */
export async function markGarbage(repository: Repository, context: PruneContext): Promise<Garbage> {
  const writer = new MarkWriter(repository, context.now);
  const survey = await surveyObjects(repository, context, {
    onUnmarked: (name, size) => writer.add(name, size),
  });
  return { ...survey, marked: [...survey.marked, ...(await writer.finish())] };
}

/**
 * What `markGarbage` would find after some removals. Changes nothing.
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

/** Whether the grace period of what was marked at a time has passed. Both times are the storage's. */
export function isDue(markedAt: Date, storeNow: Date, { gracePeriod }: PruneContext): boolean {
  return markedAt.getTime() + gracePeriod <= storeNow.getTime();
}

/**
 * Deletes what was marked a grace period ago, is not newer than its mark, and is still needed by no backup and no segment. Everything
 * that decides is read under an exclusive lock. A mark file is deleted when all of its objects were seen to.
 *
 * @param storeNow the storage's time; without a mark that is due by then no lock is asked for
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
    retained: [],
    postponed: undefined,
  };
  const files = await listMarkFiles(repository);
  if (!files.some(({ modifiedAt }) => isDue(modifiedAt, storeNow, context))) return nothing;
  const lock = await lockAlone(repository, context);
  if (typeof lock === 'string') return { ...nothing, postponed: lock };
  try {
    await assertClocks(lock, repository);
    const signal = AbortSignal.any([context.signal, lock.signal]);
    const needed = await readNeeded(repository, signal);
    if (needed.damaged.length > 0) return { ...nothing, damaged: needed.damaged };
    if (needed.vanished.length > 0) {
      const postponed = `${needed.vanished[0]} was removed by somebody else while it was read`;
      return { ...nothing, postponed };
    }
    const marks = await readMarkFiles(repository, (error) => context.log.warn(error.message), signal);
    const due = marks.filter(({ markedAt }) => isDue(markedAt, lock.acquiredAt, context));
    const swept = await deleteUnneeded(repository, indexMarks(due), needed.names, signal, context.log);
    signal.throwIfAborted();
    const keptMarks = await deleteKeys(
      repository,
      due.map(({ key }) => key),
    );
    return { ...nothing, removed: swept.removed, retained: [...swept.retained, ...keptMarks] };
  } finally {
    await lock.release();
  }
}

/** An exclusive lock, or who holds the repository instead. */
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
): Promise<{ removed: Tally; retained: string[] }> {
  const removed = { objects: 0, bytes: 0 };
  const retained: string[] = [];
  let batch = new Map<string, number>();
  const flush = async () => {
    signal.throwIfAborted();
    const kept = await deleteKeys(repository, [...batch.keys()]);
    for (const key of kept) batch.delete(key);
    append(retained, kept);
    removed.objects += batch.size;
    for (const size of batch.values()) removed.bytes += size;
    batch = new Map();
    log.progress(`${removed.objects} objects removed`);
  };
  for await (const { key, size, modifiedAt } of repository.storage.list('objects/')) {
    const name = objectPattern.exec(key)?.[2];
    if (name === undefined || needed.has(name) || !isMarked(marks, name, modifiedAt)) continue;
    batch.set(key, size);
    if (batch.size >= deleteBatch) await flush();
  }
  if (batch.size > 0) await flush();
  return { removed, retained };
}

interface SurveyOptions {
  /** Ids of backups and keys of segments to take for removed already */
  readonly removed?: ReadonlySet<string>;
  /** Told of every object that neither a backup, nor a segment, nor a mark names. */
  readonly onUnmarked: (name: string, size: number) => Promise<void>;
}

/** Looks at all objects; foreign files are passed over. */
async function surveyObjects(
  repository: Repository,
  context: PruneContext,
  { removed, onUnmarked }: SurveyOptions,
): Promise<Garbage> {
  const { signal, log } = context;
  const needed = await readNeeded(repository, signal, removed);
  if (needed.damaged.length > 0) return { damaged: needed.damaged, marked: [] };
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
  return { damaged: [], marked };
}

/** By name, when it was last marked: milliseconds since 1970 by the storage's clock. */
function indexMarks(marks: readonly Mark[]): Map<string, number> {
  const index = new Map<string, number>();
  for (const { names, markedAt } of marks) {
    for (const name of names) index.set(name, Math.max(index.get(name) ?? 0, markedAt.getTime()));
  }
  return index;
}

/**
 * An object that was stored anew after its mark is not meant by it. Where times are whole seconds, one of the mark's own second may
 * have been; it gets another mark.
 */
function isMarked(marks: ReadonlyMap<string, number>, name: string, modifiedAt: Date): boolean {
  return modifiedAt.getTime() < (marks.get(name) ?? Number.NEGATIVE_INFINITY);
}

/** Deletes keys, and returns those that the storage did not let go. */
async function deleteKeys({ storage }: Repository, keys: readonly string[]): Promise<readonly string[]> {
  try {
    await storage.delete(keys);
    return [];
  } catch (error) {
    if (error instanceof RetainedError) return error.keys;
    throw error;
  }
}
