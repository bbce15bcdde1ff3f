import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identifyHolder } from '../../github/run.ts';
import type { CleanupInputs } from '../../interface/inputs/types.ts';
import { formatBytes, formatCounted } from '../../report/quantity.ts';
import { readRecordedStates } from '../../repository/backups/catalog.ts';
import { keepOutlines } from '../../repository/backups/outlines.ts';
import { segmentKey } from '../../repository/changes/segments.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import type { MarkedTally } from '../../repository/prune/garbage-marks.ts';
import {
  lockForRemoval,
  markGarbage,
  type PruneContext,
  previewGarbage,
} from '../../repository/prune/prune.ts';
import {
  removeBackups,
  removeOldRuns,
  removeProbes,
  removeSegments,
} from '../../repository/prune/removal.ts';
import { isDue, type Sweep, sweepGarbage } from '../../repository/prune/sweep.ts';
import { appendRecord } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { openStorage } from '../../storage/open.ts';
import { formatInterval } from '../../values/retention-policy.ts';
import { type Changes, type CleanupPlan, listOthers, listRemovals, makePlan, weighChanges } from './plan.ts';
import { Removals } from './removals.ts';
import { type Cleanup, type Ending, sumTallies } from './result.ts';

/**
 * Enough for a validation of a small repository, or for another cleanup. A backup runs for hours; the sweep
 * is left to the next run then.
 */
const sweepWaitSeconds = 20;

/** How many of the remaining backups a record names: an id takes 24 bytes in every record. */
const rememberedBackups = 1000;

/**
 * Removes the backups that the policy does not keep, the captured changes that no recoverable time of the
 * last days needs, and the objects that only these needed. Objects are removed by a run that comes a grace
 * period after the run that marked them.
 *
 * @throws ConfigurationError when the location is a whole bucket or the root folder
 */
export async function applyRetention(inputs: CleanupInputs, context: Context): Promise<Cleanup> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  refuseWholeStorage(inputs.storage);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const pruneContext: PruneContext = {
    holder: identifyHolder(context.env),
    now: () => context.now(),
    random: () => context.random(),
    signal: context.signal,
    log: context.log,
    gracePeriod: inputs.gracePeriod,
    sweepWaitSeconds,
  };
  return inputs.dryRun
    ? await preview(inputs, repository, pruneContext)
    : await carryOut(inputs, repository, pruneContext);
}

/**
 * Previews what `carryOut` would do, except for what a storage only tells when it is asked to delete. Changes
 * nothing.
 */
async function preview(
  inputs: CleanupInputs,
  repository: Repository,
  pruneContext: PruneContext,
): Promise<Cleanup> {
  const plan = await makePlan(inputs, repository, pruneContext);
  const nothing = beginWith(inputs, plan);
  if (nothing.ending.kind === 'stopped') return nothing;
  const removed = listRemovals(plan.decisions).map(({ backup }) => backup.id);
  const outdated = plan.listOutdated(listOthers(plan, removed));
  const gone = new Set([...removed, ...outdated.map(segmentKey)]);
  const garbage = await previewGarbage(repository, pruneContext, gone);
  const ending = stopFor(garbage) ?? nothing.ending;
  const now = pruneContext.now();
  const isSwept = ({ markedAt }: MarkedTally) =>
    ending.kind === 'complete' && isDue(markedAt, now, pruneContext);
  return {
    ...nothing,
    ending,
    removed,
    changes: weighChanges(plan, removed, new Set(outdated)),
    waiting: garbage.marked.filter((tally) => !isSwept(tally)),
    swept: sumTallies(garbage.marked.filter(isSwept)),
  };
}

/**
 * Builds the ending of a cleanup that cannot know what the remaining backups and segments need; undefined for
 * any other.
 */
function stopFor({ damaged, blind }: Pick<CleanupPlan, 'damaged' | 'blind'>): Ending | undefined {
  return damaged.length > 0 || blind ? { kind: 'stopped', damaged, blind } : undefined;
}

async function carryOut(
  inputs: CleanupInputs,
  repository: Repository,
  pruneContext: PruneContext,
): Promise<Cleanup> {
  const { log } = pruneContext;
  const lock = await lockForRemoval(repository, pruneContext);
  const removals = new Removals(log);
  let done: Cleanup;
  try {
    const held = { ...pruneContext, signal: AbortSignal.any([pruneContext.signal, lock.signal]) };
    const plan = await makePlan(inputs, repository, held);
    done = beginWith(inputs, plan);
    if (done.ending.kind === 'stopped') return done;
    await retract(plan, repository, pruneContext);
    try {
      await removeProbes(repository, lock.acquiredAt);
      await removeOldRuns(repository, lock.acquiredAt);
      await removeUnkept(plan, repository, held, removals);
      await keepOthers(plan, repository, removals.removed, log);
      const changes = await removeOutdated(plan, repository, held, removals);
      const garbage = await markGarbage(repository, held);
      const ending = stopFor(garbage) ?? done.ending;
      done = { ...done, ending, changes, waiting: garbage.marked, ...removals.tell() };
      await lock.release();
      if (ending.kind === 'complete') done = await sweep(done, repository, pruneContext, lock.acquiredAt);
    } catch (error) {
      // Removals are recorded, whatever stopped the rest.
      await record({ ...done, ...removals.tell() }, inputs, repository, pruneContext.now()).catch(
        (failure: unknown) => log.warn(`what was removed could not be recorded: ${messageOf(failure)}`),
      );
      throw error;
    }
  } finally {
    await lock.release();
  }
  await record(done, inputs, repository, pruneContext.now());
  return done;
}

/**
 * Retracts recorded damage that a second look did not find. The backups count again, and their objects are
 * not stored anew.
 */
async function retract(
  { cleared }: CleanupPlan,
  repository: Repository,
  pruneContext: PruneContext,
): Promise<void> {
  if (cleared.length === 0) return;
  for (const { id, objects } of cleared) {
    pruneContext.log.warn(
      `${id} was recorded as damaged and is not: ${objects.length === 0 ? 'its manifest' : formatCounted(objects.length, 'object')} could not be read as stored, and can be now. It counts as unverified. Check the connection between the storage and the machine that validated it`,
    );
  }
  await appendRecord(repository, 'validations', pruneContext.now(), {
    share: 1,
    backups: [],
    damagedObjects: [],
    retracted: {
      backups: cleared.map(({ id }) => id),
      objects: [...new Set(cleared.flatMap(({ objects }) => objects))].sort(),
    },
  });
}

async function removeUnkept(
  { decisions }: CleanupPlan,
  repository: Repository,
  { signal, log }: PruneContext,
  removals: Removals,
): Promise<void> {
  // A backup that was pinned while the plan was made stays.
  const states = await readRecordedStates(repository, (error) => log.warn(error.message), signal);
  const reasons = new Map<string, string>();
  // Oldest first: if this run ends early, the newest of the backups to remove are left.
  for (const { backup, reasons: why } of listRemovals(decisions).toReversed()) {
    if (states.get(backup.id)?.pinned && !backup.pinned)
      log.info(`${backup.id} stays: it was pinned since the plan was made`);
    else reasons.set(backup.id, why.join('; '));
  }
  await removeBackups(repository, [...reasons.keys()], signal, (removal) =>
    removals.addBackups(removal, reasons),
  );
}

/** Removes the segments that no remaining backup needs. */
async function removeOutdated(
  plan: CleanupPlan,
  repository: Repository,
  { signal, log }: PruneContext,
  removals: Removals,
): Promise<Changes> {
  const outdated = plan.listOutdated(listOthers(plan, removals.removed));
  const removal = await removeSegments(repository, outdated.map(segmentKey), signal);
  removals.addSegments(removal);
  const keys = new Set(removal.removed);
  const gone = new Set(outdated.filter((segment) => keys.has(segmentKey(segment))));
  if (gone.size > 0) log.info(`${formatCounted(gone.size, 'segment')} of captured changes removed`);
  return weighChanges(plan, removals.removed, gone);
}

async function keepOthers(
  { outlines }: CleanupPlan,
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

/**
 * Removes the marked objects that are due.
 *
 * @param storeNow the storage's time
 */
async function sweep(
  done: Cleanup,
  repository: Repository,
  pruneContext: PruneContext,
  storeNow: Date,
): Promise<Cleanup> {
  const { removed, hidden, versions, retained, ...end } = await sweepGarbage(
    repository,
    pruneContext,
    storeNow,
  );
  pruneContext.log.info(`${formatCounted(removed.objects, 'object')} removed, ${formatBytes(removed.bytes)}`);
  const ending = endSweep(end);
  const isSwept = ({ markedAt }: MarkedTally) =>
    ending.kind === 'complete' && isDue(markedAt, storeNow, pruneContext);
  return {
    ...done,
    ending,
    waiting: done.waiting.filter((tally) => !isSwept(tally)),
    swept: removed,
    hidden,
    versions: done.versions + versions,
    retained: [...done.retained, ...retained],
  };
}

function endSweep({ damaged, postponed }: Pick<Sweep, 'damaged' | 'postponed'>): Ending {
  if (damaged.length > 0) return { kind: 'stopped', damaged, blind: false };
  return postponed === undefined
    ? { kind: 'complete' }
    : { kind: 'postponed', why: { kind: 'hindered', message: postponed } };
}

/**
 * Builds the result of a cleanup that has not removed anything yet, with the ending that the plan foresees.
 */
function beginWith(inputs: CleanupInputs, plan: CleanupPlan): Cleanup {
  const { backups, vanished, cleared, decisions, segments } = plan;
  return {
    kind: inputs.dryRun ? 'planned' : 'done',
    ending: stopFor(plan) ?? endWithout(vanished),
    storage: inputs.storage,
    gracePeriod: inputs.gracePeriod,
    ...{ backups, decisions, vanished, cleared },
    removed: [],
    changes: { segments: segments.length, removed: 0, window: undefined },
    waiting: [],
    swept: { objects: 0, bytes: 0 },
    hidden: { objects: 0, bytes: 0 },
    hiddenFiles: 0,
    versions: 0,
    retained: [],
  };
}

/**
 * Postpones the removal of objects when backups have vanished from the listing, because due objects may
 * belong to them. The next run accepts the listing as it is.
 */
function endWithout(vanished: readonly string[]): Ending {
  return vanished.length === 0 ? { kind: 'complete' } : { kind: 'postponed', why: { kind: 'vanished' } };
}

async function record(
  done: Cleanup,
  { retention, timeZone }: CleanupInputs,
  repository: Repository,
  now: Date,
): Promise<void> {
  const gone = new Set(done.removed);
  await appendRecord(repository, 'prunes', now, {
    retention: { ...retention, within: formatInterval(retention.within) },
    timeZone,
    removed: listRemovals(done.decisions)
      .filter(({ backup }) => gone.has(backup.id))
      .map(({ backup, reasons }) => ({ id: backup.id, why: reasons.join('; ') })),
    kept: done.decisions
      .map(({ backup }) => backup.id)
      .filter((id) => !gone.has(id))
      .slice(0, rememberedBackups),
    segments: done.changes.removed,
    objects: { removed: done.swept.objects, bytes: done.swept.bytes },
    marked: sumTallies(done.waiting).objects,
    retained: done.retained.length,
    hidden: { ...done.hidden },
  });
}

/**
 * Refuses a location that others share, or may share one day: there, a name alone does not prove that a file
 * belongs to the repository.
 *
 * @throws ConfigurationError
 */
function refuseWholeStorage(location: string): void {
  const isBucket = /^s3:\/\/[^/]+\/*$/i.test(location);
  const folder = /^file:/i.test(location) ? fileURLToPath(location) : resolve(location);
  if (!isBucket && (/^s3:/i.test(location) || resolve(folder, '..') !== folder)) return;
  throw new ConfigurationError(
    say`${nameInput('storage')}: ${location} is ${isBucket ? 'a whole bucket' : 'the root folder'}; cleanup deletes only in a separate ${isBucket ? 'prefix' : 'folder'}`,
    isBucket
      ? 'Copy the repository to s3://bucket/prefix, and use that location for backups and cleanup.'
      : 'Move the repository into a folder, and use that location for backups and cleanup.',
  );
}
