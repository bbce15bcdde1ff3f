import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError, messageOf } from '../errors.ts';
import type { CleanupInputs } from '../inputs.ts';
import { append } from '../lists.ts';
import { formatBytes, formatCounted } from '../report/quantity.ts';
import { listManifests, manifestKey } from '../repository/backups.ts';
import { describeHolder } from '../repository/locks.ts';
import type { DamagedHeader } from '../repository/needed.ts';
import { keepOutlines } from '../repository/outlines.ts';
import {
  type Garbage,
  isDue,
  lockForRemoval,
  markGarbage,
  type PruneContext,
  previewGarbage,
  removeBackups,
  removeSegments,
  type Sweep,
  sweepGarbage,
} from '../repository/prune.ts';
import { appendRecord } from '../repository/records.ts';
import { openRepository, type Repository } from '../repository/repository.ts';
import { type Decision, formatInterval } from '../repository/retention.ts';
import { segmentKey } from '../repository/segments.ts';
import { readStandings, type ShelvedBackup } from '../repository/shelf.ts';
import type { World } from '../world.ts';
import { type Changes, listOthers, listRemovals, makePlan, type Plan, weighChanges } from './cleanup-plan.ts';
import { describeCleanup, sumWaiting } from './cleanup-report.ts';
import type { Outcome } from './outcome.ts';
import { openPlace } from './place.ts';

/** Backups run for hours; a validation of a small repository, or another cleanup, for less than this. */
const sweepWaitSeconds = 20;

/** What a cleanup did, or what it would do. */
export interface Cleanup {
  readonly inputs: CleanupInputs;
  /** Backups that there were, those with manifests that cannot be trusted included */
  readonly backups: number;
  readonly decisions: readonly Decision<ShelvedBackup>[];
  /** Manifests and headers of segments that cannot be trusted. While there are any, nothing is removed after they were found. */
  readonly damaged: readonly DamagedHeader[];
  /** Ids of backups that are gone */
  readonly removed: readonly string[];
  readonly changes: Changes;
  /** What no backup and no segment needs any more, as it was before the sweep */
  readonly marked: Garbage['marked'];
  readonly swept: Sweep['removed'];
  /** Whether the grace period of what was marked at a time had passed, and the sweep was not postponed */
  readonly isSwept: (markedAt: Date) => boolean;
  /** Keys that the storage did not let go */
  readonly retained: readonly string[];
  /** Why the sweep was left to the next run */
  readonly postponed: string | undefined;
}

/**
 * Removes the backups that the policy does not keep, the captured changes that nobody needs for the last days, and what only these
 * needed: objects go in a run that comes a grace period after the one that found them unneeded.
 */
export async function cleanup(inputs: CleanupInputs, world: World): Promise<Outcome> {
  await using resources = new AsyncDisposableStack();
  const storage = await openPlace(inputs, resources, world);
  refuseWholeStorage(inputs.storage);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const context: PruneContext = {
    holder: describeHolder(world.env),
    now: () => world.now(),
    signal: world.signal,
    log: world.log,
    gracePeriod: inputs.gracePeriod,
    sweepWaitSeconds,
  };
  const done = inputs.dryRun
    ? await preview(inputs, repository, context)
    : await carryOut(inputs, repository, context);
  return describeCleanup(done);
}

/** What `carryOut` would do, except for what only a storage that is asked to delete can tell. */
async function preview(
  inputs: CleanupInputs,
  repository: Repository,
  context: PruneContext,
): Promise<Cleanup> {
  const plan = await makePlan(inputs, repository, context);
  if (plan.damaged.length > 0) return nothingDone(inputs, plan);
  const removed = listRemovals(plan.decisions).map(({ backup }) => backup.id);
  const outdated = plan.listOutdated(listOthers(plan, removed));
  const gone = new Set([...removed, ...outdated.map(segmentKey)]);
  const garbage = await previewGarbage(repository, context, gone);
  const isSwept = (markedAt: Date) => isDue(markedAt, context.now(), context);
  const swept = { objects: 0, bytes: 0 };
  for (const tally of garbage.marked.filter(({ markedAt }) => isSwept(markedAt))) {
    swept.objects += tally.objects;
    swept.bytes += tally.bytes;
  }
  const changes = weighChanges(plan, removed, new Set(outdated));
  return { ...nothingDone(inputs, plan), ...garbage, removed, changes, swept, isSwept };
}

async function carryOut(
  inputs: CleanupInputs,
  repository: Repository,
  context: PruneContext,
): Promise<Cleanup> {
  const { log } = context;
  const lock = await lockForRemoval(repository, context);
  const removed: string[] = [];
  const retained: string[] = [];
  let done: Cleanup;
  try {
    const held = { ...context, signal: AbortSignal.any([context.signal, lock.signal]) };
    const plan = await makePlan(inputs, repository, held);
    done = { ...nothingDone(inputs, plan), removed, retained };
    if (plan.damaged.length > 0) return done;
    try {
      await removeUnkept(plan, repository, held, { removed, retained });
      await keepOthers(plan, repository, removed, log);
      done = { ...done, changes: await removeOutdated(plan, repository, held, { removed, retained }) };
      done = { ...done, ...(await markGarbage(repository, held)) };
      await lock.release();
      if (done.damaged.length === 0) done = await sweep(done, repository, context, lock.acquiredAt);
    } catch (error) {
      // What is gone belongs on record, whatever stopped the rest.
      await record(done, repository, context.now()).catch((failure: unknown) =>
        log.warn(`what was removed could not be recorded: ${messageOf(failure)}`),
      );
      throw error;
    }
  } finally {
    await lock.release();
  }
  await record(done, repository, context.now());
  return done;
}

/** Ids of backups that are gone, and keys that the storage did not let go; what is done is added at once. */
interface Removals {
  readonly removed: string[];
  readonly retained: string[];
}

/** Manifests that go in one request. Whatever ends a run, it leaves no more than so many that were older than one that is gone. */
const removedAtOnce = 100;

async function removeUnkept(
  { decisions }: Plan,
  repository: Repository,
  { signal, log }: PruneContext,
  { removed, retained }: Removals,
): Promise<void> {
  // Whoever pinned a backup while the plan was made meant it.
  const standings = await readStandings(repository, (error) => log.warn(error.message), signal);
  const isPinned = ({ backup }: Decision<ShelvedBackup>) =>
    !backup.pinned && standings.get(backup.id)?.pinned === true;
  const removals = listRemovals(decisions);
  for (const { backup } of removals.filter(isPinned)) {
    log.info(`${backup.id} stays: it was pinned since the plan was made`);
  }
  // The oldest first: whatever ends this run, the newest of what was to go are what is left.
  const unkept = removals.filter((decision) => !isPinned(decision)).toReversed();
  for (let at = 0; at < unkept.length; at += removedAtOnce) {
    signal.throwIfAborted();
    const some = unkept.slice(at, at + removedAtOnce);
    const ids = some.map(({ backup }) => backup.id);
    const kept = await removeBackups(repository, ids).catch(async (error: unknown) => {
      removed.push(...(await findGone(repository, ids)));
      throw error;
    });
    for (const { backup, reasons } of some) {
      const gone = !kept.has(backup.id);
      log.info(`${backup.id} ${gone ? 'removed' : 'retained by the storage'}: ${reasons.join('; ')}`);
      if (gone) removed.push(backup.id);
      else retained.push(manifestKey(backup.id));
    }
  }
}

/** Of a request that failed, what it did all the same; nothing where that cannot be told either, and the failure is what is told. */
async function findGone(repository: Repository, ids: readonly string[]): Promise<string[]> {
  try {
    const there = await listManifests(repository);
    return ids.filter((id) => !there.has(id));
  } catch {
    return [];
  }
}

/** What no backup that has stayed is brought forward with. */
async function removeOutdated(
  plan: Plan,
  repository: Repository,
  { signal, log }: PruneContext,
  { removed, retained }: Removals,
): Promise<Changes> {
  const outdated = plan.listOutdated(listOthers(plan, removed));
  const kept = new Set(await removeSegments(repository, outdated.map(segmentKey), signal));
  append(retained, kept);
  const gone = new Set(outdated.filter((segment) => !kept.has(segmentKey(segment))));
  if (gone.size > 0) log.info(`${formatCounted(gone.size, 'segment')} of captured changes removed`);
  return weighChanges(plan, removed, gone);
}

async function keepOthers(
  { outlines }: Plan,
  repository: Repository,
  removed: readonly string[],
  log: PruneContext['log'],
): Promise<void> {
  if (outlines.areSaved && removed.length === 0) return;
  const gone = new Set(removed);
  await keepOutlines(
    repository,
    outlines.known.filter(({ outline }) => !gone.has(outline.id)),
    log,
  );
}

async function sweep(
  done: Cleanup,
  repository: Repository,
  context: PruneContext,
  storeNow: Date,
): Promise<Cleanup> {
  const { damaged, removed, retained, postponed } = await sweepGarbage(repository, context, storeNow);
  context.log.info(`${formatCounted(removed.objects, 'object')} removed, ${formatBytes(removed.bytes)}`);
  const swept = damaged.length === 0 && postponed === undefined;
  return {
    ...done,
    damaged,
    swept: removed,
    retained: [...done.retained, ...retained],
    postponed,
    isSwept: (markedAt) => swept && isDue(markedAt, storeNow, context),
  };
}

function nothingDone(inputs: CleanupInputs, { backups, damaged, decisions, segments }: Plan): Cleanup {
  return {
    inputs,
    backups,
    decisions,
    damaged,
    removed: [],
    changes: { segments: segments.length, removed: 0, window: undefined },
    marked: [],
    swept: { objects: 0, bytes: 0 },
    isSwept: () => false,
    retained: [],
    postponed: undefined,
  };
}

async function record(done: Cleanup, repository: Repository, now: Date): Promise<void> {
  const { retention, timeZone } = done.inputs;
  const gone = new Set(done.removed);
  await appendRecord(repository, 'prunes', now, {
    retention: { ...retention, within: formatInterval(retention.within) },
    timeZone,
    removed: listRemovals(done.decisions)
      .filter(({ backup }) => gone.has(backup.id))
      .map(({ backup, reasons }) => ({ id: backup.id, why: reasons.join('; ') })),
    segments: done.changes.removed,
    objects: { removed: done.swept.objects, bytes: done.swept.bytes },
    marked: sumWaiting(done).objects,
    retained: done.retained.length,
  });
}

/** Where others keep things too, or may one day, nothing is deleted by what its name looks like. */
function refuseWholeStorage(location: string): void {
  const isBucket = /^s3:\/\/[^/]+\/*$/i.test(location);
  const folder = /^file:/i.test(location) ? fileURLToPath(location) : resolve(location);
  if (!isBucket && (/^s3:/i.test(location) || resolve(folder, '..') !== folder)) return;
  throw new ConfigurationError(
    `storage: ${location} is ${isBucket ? 'a whole bucket' : 'the root folder'}; cleanup deletes only below a ${isBucket ? 'prefix' : 'folder'} of its own`,
    isBucket
      ? 'Copy the repository to s3://bucket/prefix, and use that location for backups and cleanup.'
      : 'Move the repository into a folder, and use that location for backups and cleanup.',
  );
}
