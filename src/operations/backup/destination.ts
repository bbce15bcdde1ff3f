import { identifyHolder } from '../../github/run.ts';
import type { BackupType, PackingInputs, PlaceInputs } from '../../interface/inputs/types.ts';
import { type Base, findBase } from '../../repository/backups/base.ts';
import { listManifests } from '../../repository/backups/manifests.ts';
import { completeOutlines } from '../../repository/backups/outlines.ts';
import { type Predecessors, readPredecessors } from '../../repository/backups/predecessors.ts';
import type { Lock } from '../../repository/locks/held-lock.ts';
import { acquireLock } from '../../repository/locks/locks.ts';
import { createOpen, createSeal } from '../../repository/objects/codec.ts';
import { Inventory } from '../../repository/objects/inventory.ts';
import { createNaming, type NameObject, ObjectWriter } from '../../repository/objects/store.ts';
import { openForBackup, type Repository, type RepositorySource } from '../../repository/open.ts';
import { type Mark, readMarkFiles } from '../../repository/prune/garbage-marks.ts';
import { type Doubted, doubtMarked, readDamaged } from '../../repository/prune/suspects.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, type IntegrityError } from '../../runtime/errors.ts';
import { runTogether } from '../../runtime/workers.ts';
import { openStorage } from '../../storage/open.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { clockToleranceMs } from '../../values/clock-tolerance.ts';

/** A repository that a backup may write to, for as long as it holds the lock. */
export interface Destination {
  readonly repository: Repository;
  readonly lock: Lock;
  /** The world, whose signal is aborted too when the lock is lost */
  readonly world: World;
  readonly name: NameObject;
  readonly writer: ObjectWriter;
  /** What an incremental backup may build upon; undefined for the others */
  readonly base: Base | undefined;
  /** Settled when the cache of outlines has all backups before this one; never rejected */
  readonly outlines: Promise<void>;
  /** What a time of this machine's clock is by a clock that can be trusted */
  date(time: Date): Date;
}

/** Where it is, how it is written, and what for */
export interface DestinationRequest {
  readonly place: PlaceInputs;
  readonly packing: PackingInputs;
  readonly purpose: BackupType | 'capture';
}

/**
 * Proves that the storage can be written, opens its repository or makes one, and locks it. On a distant storage each answer takes its time:
 * what does not depend on another is asked side by side.
 *
 * @param resources get what has to be given back
 */
export async function openDestination(
  request: DestinationRequest,
  source: RepositorySource,
  now: Date,
  resources: AsyncDisposableStack,
  world: World,
): Promise<Destination> {
  const { place, packing, purpose } = request;
  const storage = resources.use(await openStorage(place.storage, place, world));
  const probing = storage.probe();
  // Heard by `unlessRefused`, when the rest has ended.
  probing.catch(() => undefined);
  const { repository, lock, ...found } = await unlessRefused(probing, async () => {
    const opened = await openForBackup(storage, place.repositoryKey, source, now, {
      holder: identifyHolder(world.env),
      signal: world.signal,
      log: world.log,
      now: () => world.now(),
      random: () => world.random(),
      proven: () => probing,
    });
    return enter(request, opened, resources, world);
  });
  const recipients = packing.encryptionRecipients;
  const name = createNaming(repository.key, recipients);
  const guarded = { ...world, signal: AbortSignal.any([world.signal, lock.signal]) };
  const { damaged, predecessors, marks } = found;
  const { known } = predecessors;
  // What is looked at under the lock stays. A capture stores what nobody has stored before.
  const inventory =
    purpose === 'capture'
      ? Inventory.askEach(storage)
      : await Inventory.take(storage, known.size, guarded.signal);
  const doubted = new Map([...doubtMarked(marks, (object) => known.has(object)), ...damaged]);
  return {
    repository,
    lock,
    world: guarded,
    name,
    writer: new ObjectWriter(
      storage,
      name,
      createSeal(recipients, packing.compressionLevel),
      { inventory, known, doubted },
      recipients.length === 0 ? createOpen('none', []) : undefined,
    ),
    base:
      purpose === 'incremental'
        ? await findBase(packing, predecessors.base, inventory, damaged, guarded.signal)
        : undefined,
    outlines:
      purpose === 'capture' ? Promise.resolve() : completeBeside(repository, found, resources, guarded),
    date: findClockError(lock, storage.location, world.log),
  };
}

/** Completes the cache of outlines beside the backup; nothing of it goes on when that ends. */
function completeBeside(
  repository: Repository,
  { listing, predecessors }: Surroundings,
  resources: AsyncDisposableStack,
  { log, signal }: World,
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

/** A storage that cannot be written, or is none, says by itself what is wrong with it, better than what fails there. */
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

/** What one finds who looks around in a repository */
interface Surroundings {
  /** Manifests by the id of the backup */
  readonly listing: ReadonlyMap<string, StoredValue>;
  readonly damaged: Doubted;
  readonly marks: readonly Mark[];
  readonly predecessors: Predecessors;
}

/** Who got his lock later than this has waited for somebody, who may have changed what was seen meanwhile */
const unwaitedMs = 5000;

/** Gets the lock, and looks around meanwhile. */
async function enter(
  { packing, purpose }: DestinationRequest,
  repository: Repository,
  resources: AsyncDisposableStack,
  world: World,
): Promise<Surroundings & { readonly repository: Repository; readonly lock: Lock }> {
  const operation = purpose === 'capture' ? 'capture' : 'backup';
  const startedAt = performance.now();
  let waited = 0;
  const [lock, seen] = await runTogether<[Lock, Surroundings]>(world.signal, [
    async (signal) => {
      const held = await lockShared(repository, operation, { ...world, signal });
      waited = performance.now() - startedAt;
      // Given back whatever becomes of the other
      return resources.adopt(held, () => held.release());
    },
    (signal) => lookAround(packing, repository, { ...world, signal }),
  ]);
  return { repository, lock, ...(waited > unwaitedMs ? await lookAround(packing, repository, world) : seen) };
}

async function lookAround(
  packing: PackingInputs,
  repository: Repository,
  { log, signal }: World,
): Promise<Surroundings> {
  const warn = (error: IntegrityError) => log.warn(error.message);
  const tell = (error: IntegrityError) => log.warn(`${error.message}; it is not built upon`);
  const [damaged, marks, { listing, predecessors }] = await runTogether<
    [Doubted, readonly Mark[], Pick<Surroundings, 'listing' | 'predecessors'>]
  >(signal, [
    () => readDamaged(repository, warn),
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
 * Refuses a backup that anybody could read among such as only few can: the variable with the recipients may have been lost. One for other
 * people is told: those of before may hold identities that do not open it.
 *
 * @throws ConfigurationError
 */
function refuseWeaker(packing: PackingInputs, newest: Predecessors['newest'], log: World['log']): void {
  if (newest?.encryption.scheme !== 'age') return;
  const { id, encryption } = newest;
  const given = new Set(packing.encryptionRecipients);
  if (given.size === 0 && !packing.allowUnencrypted) {
    throw new ConfigurationError(
      `encryption-recipients: is empty, and the newest backup of this repository, ${id}, is encrypted`,
      'Give its recipients (is the variable with them set?). `allow-unencrypted: true` stores the backup as it is all the same.',
    );
  }
  const lost = encryption.recipients.filter((recipient) => !given.has(recipient));
  if (given.size > 0 && lost.length > 0) {
    log.warn(
      `this backup is not encrypted for ${lost.map((recipient) => recipient.slice(0, 80)).join(', ')}, as the newest one, ${id}, is: whoever has only that identity cannot open it`,
    );
  }
}

/** Keeps cleanups from removing anything while the backup runs. Backups do not keep each other out. */
function lockShared(repository: Repository, operation: string, world: World): Promise<Lock> {
  return acquireLock(repository, {
    operation,
    mode: 'shared',
    holder: identifyHolder(world.env),
    now: () => world.now(),
    random: () => world.random(),
    signal: world.signal,
    log: world.log,
    waitSeconds: lockWaitSeconds,
  });
}

/**
 * A machine whose clock is wrong would date its backups before older ones, or into the future: then the storage's clock is taken. What is
 * within the exactness of a storage's times is left alone.
 */
function findClockError({ skewSeconds }: Lock, location: string, log: World['log']): (time: Date) => Date {
  if (Math.abs(skewSeconds) * 1000 <= clockToleranceMs) return (time) => time;
  const direction = skewSeconds > 0 ? 'behind' : 'ahead of';
  log.warn(
    `the clock of this machine is ${Math.round(Math.abs(skewSeconds))} seconds ${direction} that of ${location}; the backup is dated by the latter`,
  );
  return (time) => new Date(time.getTime() + skewSeconds * 1000);
}

/** A cleanup holds the repository for itself while it removes objects. */
const lockWaitSeconds = 15 * 60;
