import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identifyHolder } from '../../github/run.ts';
import type { CleanupInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCounted } from '../../report/quantity.ts';
import { readStandings } from '../../repository/backups/catalog.ts';
import { keepOutlines } from '../../repository/backups/outlines.ts';
import { segmentKey } from '../../repository/changes/segments.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import {
  lockForRemoval,
  markGarbage,
  type PruneContext,
  previewGarbage,
} from '../../repository/prune/prune.ts';
import {
  type Removal,
  type Retained,
  removeBackups,
  removeProbes,
  removeSegments,
} from '../../repository/prune/removal.ts';
import { isDue, sweepGarbage } from '../../repository/prune/sweep.ts';
import { appendRecord } from '../../repository/records.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { openStorage } from '../../storage/open.ts';
import { formatInterval } from '../../values/retention-policy.ts';
import { type Changes, listOthers, listRemovals, makePlan, type Plan, weighChanges } from './plan.ts';
import { describeCleanup, sumWaiting } from './report.ts';
import type { Cleanup } from './result.ts';

/** Backups run for hours; a validation of a small repository, or another cleanup, for less than this. */
const sweepWaitSeconds = 20;

/** So many of the backups that stay are named in a record: an id has 24 bytes there, each time. */
const rememberedBackups = 1000;

/**
 * Removes the backups that the policy does not keep, the captured changes that nobody needs for the last days, and what only these
 * needed: objects go in a run that comes a grace period after the one that found them unneeded.
 */
export async function cleanup(inputs: CleanupInputs, world: World): Promise<Outcome> {
  await using storage = await openStorage(inputs.storage, inputs, world);
  refuseWholeStorage(inputs.storage);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const context: PruneContext = {
    holder: identifyHolder(world.env),
    now: () => world.now(),
    random: () => world.random(),
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
  if (isStopped(plan)) return nothingDone(inputs, plan);
  const removed = listRemovals(plan.decisions).map(({ backup }) => backup.id);
  const outdated = plan.listOutdated(listOthers(plan, removed));
  const gone = new Set([...removed, ...outdated.map(segmentKey)]);
  const garbage = await previewGarbage(repository, context, gone);
  const postponed = postpone(plan);
  const isSwept = (markedAt: Date) => postponed === undefined && isDue(markedAt, context.now(), context);
  const swept = { objects: 0, bytes: 0 };
  for (const tally of garbage.marked.filter(({ markedAt }) => isSwept(markedAt))) {
    swept.objects += tally.objects;
    swept.bytes += tally.bytes;
  }
  const changes = weighChanges(plan, removed, new Set(outdated));
  return { ...nothingDone(inputs, plan), ...garbage, removed, changes, swept, isSwept, postponed };
}

/** What others need is not known. */
function isStopped({ damaged, blind }: Pick<Plan, 'damaged' | 'blind'>): boolean {
  return damaged.length > 0 || blind;
}

/** Why no object is removed: where a listing lacks backups, what they need could be among what is due. The next run takes it as it is. */
function postpone({ vanished }: Pick<Plan, 'vanished'>): string | undefined {
  if (vanished.length === 0) return undefined;
  const more = vanished.length > 1 ? ` and ${vanished.length - 1} more` : '';
  return `${vanished[0]}${more} is not listed any more, although no cleanup has removed it.`;
}

async function carryOut(
  inputs: CleanupInputs,
  repository: Repository,
  context: PruneContext,
): Promise<Cleanup> {
  const { log } = context;
  const lock = await lockForRemoval(repository, context);
  const removals = new Removals(log);
  let done: Cleanup;
  try {
    const held = { ...context, signal: AbortSignal.any([context.signal, lock.signal]) };
    const plan = await makePlan(inputs, repository, held);
    done = { ...nothingDone(inputs, plan), ...removals.tell() };
    if (isStopped(plan)) return done;
    await retract(plan, repository, context);
    try {
      await removeProbes(repository, lock.acquiredAt);
      await removeUnkept(plan, repository, held, removals);
      await keepOthers(plan, repository, removals.removed, log);
      const changes = await removeOutdated(plan, repository, held, removals);
      done = { ...done, changes, ...(await markGarbage(repository, held)), ...removals.tell() };
      await lock.release();
      if (!isStopped(done)) done = await sweep(done, repository, context, lock.acquiredAt);
    } catch (error) {
      // What is gone belongs on record, whatever stopped the rest.
      await record({ ...done, ...removals.tell() }, repository, context.now()).catch((failure: unknown) =>
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

/** Takes back what records say of damage that there is not: the backups count again, and what they need is not stored anew. */
async function retract({ cleared }: Plan, repository: Repository, context: PruneContext): Promise<void> {
  if (cleared.length === 0) return;
  for (const { id, objects } of cleared) {
    context.log.warn(
      `${id} was recorded as damaged and is not: ${objects.length === 0 ? 'its manifest' : formatCounted(objects.length, 'object')} could not be read as stored, and can be now. It counts as unverified; look at what is between the storage and whoever validated it`,
    );
  }
  await appendRecord(repository, 'validations', context.now(), {
    share: 1,
    backups: [],
    damagedObjects: [],
    retracted: {
      backups: cleared.map(({ id }) => id),
      objects: [...new Set(cleared.flatMap(({ objects }) => objects))].sort(),
    },
  });
}

/** What has become of manifests and headers; what is done is added at once. */
class Removals {
  readonly #removed: string[] = [];
  readonly #retained: Retained[] = [];
  #hidden = 0;
  #versions = 0;
  readonly #log: PruneContext['log'];

  constructor(log: PruneContext['log']) {
    this.#log = log;
  }

  addBackups({ removed, hidden, retained, versions }: Removal, reasons: ReadonlyMap<string, string>): void {
    for (const id of removed) this.#log.info(`${id} removed: ${reasons.get(id)}`);
    for (const { key } of retained) this.#log.info(`${key} retained by the storage`);
    append(this.#removed, removed);
    append(this.#retained, retained);
    this.#hidden += hidden.length;
    this.#versions += versions;
  }

  addSegments({ hidden, retained, versions }: Removal): void {
    append(this.#retained, retained);
    this.#hidden += hidden.length;
    this.#versions += versions;
  }

  get removed(): readonly string[] {
    return this.#removed;
  }

  tell(): Pick<Cleanup, 'removed' | 'retained' | 'hiddenFiles' | 'versions'> {
    return {
      removed: [...this.#removed],
      retained: [...this.#retained],
      hiddenFiles: this.#hidden,
      versions: this.#versions,
    };
  }
}

async function removeUnkept(
  { decisions }: Plan,
  repository: Repository,
  { signal, log }: PruneContext,
  removals: Removals,
): Promise<void> {
  // Whoever pinned a backup while the plan was made meant it.
  const standings = await readStandings(repository, (error) => log.warn(error.message), signal);
  const reasons = new Map<string, string>();
  // The oldest first: whatever ends this run, the newest of what was to go are what is left.
  for (const { backup, reasons: why } of listRemovals(decisions).toReversed()) {
    if (standings.get(backup.id)?.pinned && !backup.pinned)
      log.info(`${backup.id} stays: it was pinned since the plan was made`);
    else reasons.set(backup.id, why.join('; '));
  }
  await removeBackups(repository, [...reasons.keys()], signal, (removal) =>
    removals.addBackups(removal, reasons),
  );
}

/** What no backup that has stayed is brought forward with. */
async function removeOutdated(
  plan: Plan,
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
  const held = postpone(done);
  if (held !== undefined) return { ...done, postponed: held };
  const { damaged, removed, hidden, versions, retained, postponed } = await sweepGarbage(
    repository,
    context,
    storeNow,
  );
  context.log.info(`${formatCounted(removed.objects, 'object')} removed, ${formatBytes(removed.bytes)}`);
  const swept = damaged.length === 0 && postponed === undefined;
  return {
    ...done,
    damaged,
    swept: removed,
    hidden,
    versions: done.versions + versions,
    retained: [...done.retained, ...retained],
    postponed,
    isSwept: (markedAt) => swept && isDue(markedAt, storeNow, context),
  };
}

function nothingDone(inputs: CleanupInputs, plan: Plan): Cleanup {
  const { backups, damaged, blind, vanished, cleared, decisions, segments } = plan;
  return {
    inputs,
    backups,
    decisions,
    damaged,
    blind,
    vanished,
    cleared,
    removed: [],
    changes: { segments: segments.length, removed: 0, window: undefined },
    marked: [],
    swept: { objects: 0, bytes: 0 },
    isSwept: () => false,
    hidden: { objects: 0, bytes: 0 },
    hiddenFiles: 0,
    versions: 0,
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
    kept: done.decisions
      .map(({ backup }) => backup.id)
      .filter((id) => !gone.has(id))
      .slice(0, rememberedBackups),
    segments: done.changes.removed,
    objects: { removed: done.swept.objects, bytes: done.swept.bytes },
    marked: sumWaiting(done).objects,
    retained: done.retained.length,
    hidden: { ...done.hidden },
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
