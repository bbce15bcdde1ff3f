import { identifyHolder } from '../../github/run.ts';
import type { BackupType, PackingInputs, PlaceInputs } from '../../interface/inputs/shared-types.ts';
import { type Base, findBase } from '../../repository/backups/base.ts';
import { listManifests } from '../../repository/backups/manifests.ts';
import { completeOutlines } from '../../repository/backups/outlines.ts';
import { type Predecessors, readPredecessors } from '../../repository/backups/predecessors.ts';
import type { Lock } from '../../repository/locks/held-lock.ts';
import { acquireLock } from '../../repository/locks/locks.ts';
import { createDecoder, createEncoder } from '../../repository/objects/codec.ts';
import { Inventory } from '../../repository/objects/inventory.ts';
import { createNaming, type NameObject, ObjectWriter } from '../../repository/objects/store.ts';
import { openForBackup, type Repository, type RepositorySource } from '../../repository/open.ts';
import { type GarbageMark, readMarkFiles } from '../../repository/prune/garbage-marks.ts';
import { readSuspects, type SuspectObjects, suspectMarked } from '../../repository/prune/suspects.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, type IntegrityError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { runTogether } from '../../runtime/workers.ts';
import { openStorage } from '../../storage/open.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { clockToleranceMs } from '../../values/clock-tolerance.ts';

/** A repository that a backup may write to, as long as it holds the lock. */
export interface Destination {
  readonly repository: Repository;
  readonly lock: Lock;
  /** The context; its signal also aborts when the lock is lost */
  readonly context: Context;
  readonly name: NameObject;
  readonly writer: ObjectWriter;
  /** What an incremental backup builds upon, or why nothing can be built upon; undefined for other types */
  readonly base: Base | undefined;
  /** Resolves when the cache of outlines has all earlier backups, or could not be completed */
  readonly outlines: Promise<void>;
  /** Converts a time of this machine's clock to that of a clock that can be trusted. */
  date(time: Date): Date;
}

/** Where the repository is, how it is written, and for what type of run. */
export interface DestinationRequest {
  readonly place: PlaceInputs;
  readonly packing: PackingInputs;
  readonly purpose: BackupType | 'capture';
}

/**
 * Proves that the storage can be written, opens its repository or creates one, and locks it. Each answer of a
 * remote storage takes time, so questions that do not depend on one another are asked side by side.
 *
 * @param resources receives what has to be released
 */
export async function openDestination(
  request: DestinationRequest,
  source: RepositorySource,
  now: Date,
  resources: AsyncDisposableStack,
  context: Context,
): Promise<Destination> {
  const { place, packing, purpose } = request;
  const storage = resources.use(await openStorage(place.storage, place, context));
  const probing = storage.probe();
  // `unlessRefused` throws this error once the other work has ended.
  probing.catch(() => undefined);
  const { repository, lock, ...found } = await unlessRefused(probing, async () => {
    const opened = await openForBackup(storage, place.repositoryKey, source, now, {
      holder: identifyHolder(context.env),
      signal: context.signal,
      log: context.log,
      now: () => context.now(),
      random: () => context.random(),
      proven: () => probing,
    });
    return enter(request, opened, resources, context);
  });
  const recipients = packing.encryptionRecipients;
  const name = createNaming(repository.key, recipients);
  const guarded = { ...context, signal: AbortSignal.any([context.signal, lock.signal]) };
  const { damaged, predecessors, marks } = found;
  const { known } = predecessors;
  // No cleanup removes an object that is seen under the lock. A capture stores only new objects.
  const inventory =
    purpose === 'capture'
      ? Inventory.askEach(storage)
      : await Inventory.take(storage, known.size, guarded.signal);
  const suspects = new Map([...suspectMarked(marks, (object) => known.has(object)), ...damaged]);
  return {
    repository,
    lock,
    context: guarded,
    name,
    writer: new ObjectWriter(
      storage,
      name,
      createEncoder(recipients, packing.compressionLevel),
      { inventory, known, suspects },
      recipients.length === 0 ? createDecoder('none', []) : undefined,
    ),
    base:
      purpose === 'incremental'
        ? await findBase(packing, predecessors.base, inventory, damaged, guarded.signal)
        : undefined,
    outlines:
      purpose === 'capture' ? Promise.resolve() : completeBeside(repository, found, resources, guarded),
    date: findClockError(lock, storage.location, context.log),
  };
}

/** Completes the cache of outlines beside the backup, and stops when the backup ends. */
function completeBeside(
  repository: Repository,
  { listing, predecessors }: Surroundings,
  resources: AsyncDisposableStack,
  { log, signal }: Context,
): Promise<void> {
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const outlines = completeOutlines(repository, listing, predecessors.outlines, log, until);
  resources.defer(async () => {
    ended.abort();
    await outlines;
  });
  return outlines;
}

/**
 * Does the work, and throws the error of the probe rather than that of the work: the probe explains better
 * why a storage cannot be written, or is no storage.
 */
async function unlessRefused<Result>(
  probing: Promise<unknown>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    const result = await work();
    await probing;
    return result;
  } catch (error) {
    await probing;
    throw error;
  }
}

/** What a run finds in the repository before it writes */
interface Surroundings {
  /** Manifests by the id of the backup */
  readonly listing: ReadonlyMap<string, StoredValue>;
  readonly damaged: SuspectObjects;
  readonly marks: readonly GarbageMark[];
  readonly predecessors: Predecessors;
}

/** A run that got its lock later than this waited for another one, which may have changed what was read. */
const unwaitedMs = 5000;

/** Acquires the lock, and reads the state of the repository meanwhile. */
async function enter(
  { packing, purpose }: DestinationRequest,
  repository: Repository,
  resources: AsyncDisposableStack,
  context: Context,
): Promise<Surroundings & { readonly repository: Repository; readonly lock: Lock }> {
  const operation = purpose === 'capture' ? 'capture' : 'backup';
  const startedAt = performance.now();
  let waited = 0;
  const [lock, seen] = await runTogether<[Lock, Surroundings]>(context.signal, [
    async (signal) => {
      const held = await lockShared(repository, operation, { ...context, signal });
      waited = performance.now() - startedAt;
      // Released even if the other task fails
      return resources.adopt(held, () => held.release());
    },
    (signal) => lookAround(packing, repository, { ...context, signal }),
  ]);
  return {
    repository,
    lock,
    ...(waited > unwaitedMs ? await lookAround(packing, repository, context) : seen),
  };
}

async function lookAround(
  packing: PackingInputs,
  repository: Repository,
  { log, signal }: Context,
): Promise<Surroundings> {
  const warn = (error: IntegrityError) => log.warn(error.message);
  const tell = (error: IntegrityError) => log.warn(`${error.message}; the backup does not build on it`);
  const [damaged, marks, { listing, predecessors }] = await runTogether<
    [SuspectObjects, readonly GarbageMark[], Pick<Surroundings, 'listing' | 'predecessors'>]
  >(signal, [
    () => readSuspects(repository, warn),
    (stop) => readMarkFiles(repository, warn, stop),
    async (stop) => {
      const manifests = await listManifests(repository);
      return { listing: manifests, predecessors: await readPredecessors(repository, manifests, tell, stop) };
    },
  ]);
  refuseWeaker(packing, predecessors.newest, log);
  return { damaged, marks, listing, predecessors };
}

/**
 * Refuses an unencrypted backup where the newest one is encrypted: the variable with the recipients may have
 * been lost. Warns when a recipient of the newest backup is missing: the holder of its identity cannot open
 * this backup.
 *
 * @throws ConfigurationError unless `allow-unencrypted` is set
 */
function refuseWeaker(packing: PackingInputs, newest: Predecessors['newest'], log: Context['log']): void {
  if (newest?.encryption.scheme !== 'age') return;
  const { id, encryption } = newest;
  const given = new Set(packing.encryptionRecipients);
  if (given.size === 0 && !packing.allowUnencrypted) {
    throw new ConfigurationError(
      say`${nameInput('encryption-recipients')}: is empty, and the newest backup of this repository, ${id}, is encrypted`,
      say`Set its recipients (is the variable that holds them set?). ${nameInput('allow-unencrypted', 'true')} stores the backup unencrypted anyway.`,
    );
  }
  const lost = encryption.recipients.filter((recipient) => !given.has(recipient));
  if (given.size > 0 && lost.length > 0) {
    log.warn(
      `this backup is not encrypted for ${lost.map((recipient) => recipient.slice(0, 80)).join(', ')}, as the newest one, ${id}, is: somebody who has only that identity cannot decrypt it`,
    );
  }
}

/**
 * Acquires the shared lock, which keeps cleanups from removing anything while the backup runs. Backups do not
 * exclude one another.
 */
function lockShared(repository: Repository, operation: string, context: Context): Promise<Lock> {
  return acquireLock(repository, {
    operation,
    mode: 'shared',
    holder: identifyHolder(context.env),
    now: () => context.now(),
    random: () => context.random(),
    signal: context.signal,
    log: context.log,
    waitSeconds: lockWaitSeconds,
  });
}

/**
 * Returns a function that dates the backup. A machine whose clock is wrong would date it before older ones,
 * or into the future; its times are then converted to the storage's clock. A difference within the precision
 * of a storage's times is ignored.
 */
function findClockError({ skewSeconds }: Lock, location: string, log: Context['log']): (time: Date) => Date {
  if (Math.abs(skewSeconds) * 1000 <= clockToleranceMs) return (time) => time;
  const direction = skewSeconds > 0 ? 'behind' : 'ahead of';
  log.warn(
    `the clock of this machine is ${Math.round(Math.abs(skewSeconds))} seconds ${direction} that of ${location}; the backup uses the time of the storage`,
  );
  return (time) => new Date(time.getTime() + skewSeconds * 1000);
}

/** A cleanup holds the exclusive lock while it removes objects. */
const lockWaitSeconds = 15 * 60;
