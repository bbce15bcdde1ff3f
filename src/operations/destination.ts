import { ConfigurationError } from '../errors.ts';
import type { BackupInputs } from '../inputs.ts';
import { readKnownObjects, readNewestOutline } from '../repository/backups.ts';
import { createOpen, createSeal } from '../repository/codec.ts';
import { type Doubted, readDamaged, readMarked } from '../repository/doubts.ts';
import { acquireLock, describeHolder, type Lock } from '../repository/locks.ts';
import { createNaming, type NameObject, ObjectWriter } from '../repository/objects.ts';
import { openForBackup, type Repository, type RepositorySource } from '../repository/repository.ts';
import type { World } from '../world.ts';
import { type Base, findBase } from './base.ts';
import { openPlace } from './place.ts';

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
  /** What a time of this machine's clock is by a clock that can be trusted */
  date(time: Date): Date;
}

/**
 * Proves that the storage can be written, opens its repository or makes one, and locks it.
 *
 * @param resources get what has to be given back
 */
export async function openDestination(
  inputs: BackupInputs,
  source: RepositorySource,
  now: Date,
  resources: AsyncDisposableStack,
  world: World,
  operation: 'backup' | 'capture' = 'backup',
): Promise<Destination> {
  const storage = await openPlace(inputs, resources, world);
  await storage.probe();
  const repository = await openForBackup(storage, inputs.repositoryKey, source, now, {
    holder: describeHolder(world.env),
    signal: world.signal,
    log: world.log,
    now: () => world.now(),
  });
  await refuseWeaker(inputs, repository, world.log);
  const lock = resources.adopt(await lockShared(repository, operation, world), (held) => held.release());
  const guarded = { ...world, signal: AbortSignal.any([world.signal, lock.signal]) };
  const name = createNaming(repository.key, inputs.encryptionRecipients);
  const damaged = await readDamaged(repository, (error) => world.log.warn(error.message));
  return {
    repository,
    lock,
    world: guarded,
    name,
    writer: await createWriter(inputs, repository, name, damaged, world),
    base:
      inputs.backupType === 'incremental' ? await findBase(inputs, repository, damaged, guarded) : undefined,
    date: findClockError(lock, storage.location, world.log),
  };
}

/**
 * Refuses a backup that anybody could read among such as only few can: the variable with the recipients may have been lost. One for other
 * people is told: those of before may hold identities that do not open it.
 *
 * @throws ConfigurationError
 */
async function refuseWeaker(inputs: BackupInputs, repository: Repository, log: World['log']): Promise<void> {
  const newest = await readNewestOutline(repository);
  if (newest?.encryption.scheme !== 'age') return;
  const { id, encryption } = newest;
  const given = new Set(inputs.encryptionRecipients);
  if (given.size === 0 && !inputs.allowUnencrypted) {
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
    holder: describeHolder(world.env),
    now: () => world.now(),
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
  if (Math.abs(skewSeconds) <= tolerableSkewSeconds) return (time) => time;
  const direction = skewSeconds > 0 ? 'behind' : 'ahead of';
  log.warn(
    `the clock of this machine is ${Math.round(Math.abs(skewSeconds))} seconds ${direction} that of ${location}; the backup is dated by the latter`,
  );
  return (time) => new Date(time.getTime() + skewSeconds * 1000);
}

const tolerableSkewSeconds = 300;

/** A cleanup holds the repository for itself while it removes objects. */
const lockWaitSeconds = 15 * 60;

/** A writer that knows what the repository holds. */
async function createWriter(
  inputs: BackupInputs,
  repository: Repository,
  name: NameObject,
  damaged: Doubted,
  world: World,
): Promise<ObjectWriter> {
  const known = await readKnownObjects(repository, (error) =>
    world.log.warn(`${error.message}; it is not built upon`),
  );
  const marked = await readMarked(
    repository,
    (object) => known.has(object),
    (error) => world.log.warn(error.message),
  );
  const recipients = inputs.encryptionRecipients;
  return new ObjectWriter(
    repository.storage,
    name,
    createSeal(recipients, inputs.compressionLevel),
    known,
    new Map([...marked, ...damaged]),
    recipients.length === 0 ? createOpen('none', []) : undefined,
  );
}
