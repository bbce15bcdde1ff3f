import { createHash } from 'node:crypto';
import { objectSize, storedSize } from '../../format/limits.ts';
import { formatBytes, formatCount, formatRate } from '../../report/quantity.ts';
import type { Log } from '../../runtime/context.ts';
import { IntegrityError, messageOf, StorageError } from '../../runtime/errors.ts';
import type { PhaseClock } from '../../runtime/phase-clock.ts';
import { ByteBudget, runWorkers } from '../../runtime/workers.ts';
import { DeniedValueError, ForeignValueError, type Storage, storageLanes } from '../../storage/storage.ts';
import { objectKey } from '../objects/store.ts';
import { isUnread, readAgain } from '../reading.ts';
import type { DescribedObject, ObjectTable } from './object-table.ts';
import type { Refusal } from './outcome.ts';

/** bytes of objects in memory at once: four times the largest */
const heldBytes = 4 * objectSize;

/** What carrying objects from one place to another needs. */
export interface Carriage {
  readonly source: Storage;
  readonly target: Storage;
  readonly objects: ObjectTable;
  /** How an object is written: only where there is none, or in place of what is there */
  readonly writing: 'create' | 'replace';
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'progress'>;
  readonly clock: PhaseClock;
}

export interface Carried {
  readonly count: number;
  readonly bytes: number;
  readonly refused: readonly Refusal[];
}

/** Names of objects, and how many they are */
export interface Names {
  readonly names: Iterable<string>;
  readonly total: number;
}

/**
 * Carries the objects that the target lacks, each with the bytes that are stored, hashed on the way, and notes in the
 * table which. An object that is damaged or gone in the source is refused, and the others go on.
 *
 * @throws StorageError when the target does not take one, or the source cannot be reached
 */
export async function carryObjects(carriage: Carriage, { names, total }: Names): Promise<Carried> {
  const { objects, signal, log, clock } = carriage;
  const refused: Refusal[] = [];
  const budget = new ByteBudget(heldBytes);
  // Shared by all workers. One that throws ends it for the others, which is as it should be.
  const queue = names[Symbol.iterator]() as IterableIterator<string>;
  let [count, bytes] = [0, 0];
  await runWorkers(Math.min(storageLanes, total), signal, async (stop) => {
    for (const name of queue) {
      stop.throwIfAborted();
      const described = objects.describe(name);
      const size = Math.max(...described.map(({ stored }) => stored));
      try {
        const object = await budget.hold(size, () => carryObject(carriage, name, described));
        objects.carry(name, object.stored);
        count += 1;
        bytes += object.stored;
      } catch (error) {
        if (!isAboutObject(error)) throw error;
        objects.unlist(name);
        refused.push({ key: objectKey(name), why: messageOf(error) });
      }
      log.progress(
        `${formatCount(count)} of ${formatCount(total)} objects, ${formatBytes(bytes)}, ${formatRate(bytes, clock.elapsed())}`,
      );
    }
  });
  return { count, bytes, refused };
}

/**
 * Carries objects, and proves each where it is now. What is not as it was sent is sent once more.
 *
 * @param isChosen as `proveObjects` has it
 * @throws StorageError when the target keeps other bytes twice
 */
export async function carryProven(
  carriage: Carriage,
  names: Names,
  isChosen: () => boolean,
): Promise<Carried & { readonly checked: Pick<Proof, 'byStore' | 'byReading'> }> {
  const carried = await carryObjects(carriage, names);
  const place = { ...carriage, storage: carriage.target };
  const { objects } = carriage;
  const sent = { names: objects.names('carried'), total: carried.count };
  const { byStore, byReading, wrongNames } = await proveObjects(place, sent, isChosen);
  const done = { ...carried, checked: { byStore, byReading } };
  if (wrongNames.length === 0) return done;
  const wrong = { names: wrongNames, total: wrongNames.length };
  await carryObjects({ ...carriage, writing: 'replace' }, wrong);
  const left = wrongNames.filter((name) => objects.isPresent(name));
  const [first] = (await proveObjects(place, { names: left, total: left.length }, () => true)).wrong;
  if (first === undefined) return done;
  throw new StorageError(
    `${carriage.target.location} confirmed ${first.key}, and twice gave back other bytes than it was sent (${first.why})`,
    'Do not rely on this storage until its operator has explained this. No backup that needs it was copied.',
  );
}

async function carryObject(
  { source, target, writing, objects }: Carriage,
  name: string,
  described: readonly DescribedObject[],
): Promise<DescribedObject> {
  const key = objectKey(name);
  const { bytes, object } = await fetchObject(source, name, described);
  // What is there with another length is no object of any backup.
  const isThere = writing === 'replace' || objects.sizeListed(name) !== undefined;
  if (isThere) await target.put(key, bytes);
  else await target.create(key, bytes);
  return object;
}

/**
 * Reads the stored bytes of an object, and which of its descriptions they are.
 *
 * @throws IntegrityError when they are none of them, or there are none
 */
export function fetchObject(
  storage: Storage,
  name: string,
  described: readonly DescribedObject[],
): Promise<{ readonly bytes: Buffer; readonly object: DescribedObject }> {
  const key = objectKey(name);
  return readAgain(async (options) => {
    try {
      const bytes = await storage.get(key, storedSize, options);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const object = described.find((one) => one.sha256 === sha256 && one.stored === bytes.length);
      if (object === undefined)
        throw damaged(key, `its SHA-256 is not the recorded one (${bytes.length} bytes)`, undefined);
      return { bytes, object };
    } catch (error) {
      if (error instanceof ForeignValueError) throw damaged(key, error.how, error);
      if (error instanceof StorageError && error.missing) throw damaged(key, 'it is missing', error);
      throw error;
    }
  }, storage.places);
}

function damaged(key: string, how: string, cause: unknown): IntegrityError {
  return new IntegrityError(`object ${key}: ${how}`, 'Run `validate` to see which backups need it.', cause);
}

/** Whether an error concerns one object, and others may be carried. */
function isAboutObject(error: unknown): error is IntegrityError | StorageError {
  return error instanceof IntegrityError || (error instanceof StorageError && isUnread(error));
}

/** Makes a choice at random that takes a share of what it is asked of, and always the first. */
export function chooseShare(share: number, random: () => number): () => boolean {
  let isFirst = true;
  return () => {
    const isChosen = isFirst || share >= 1 || random() < share;
    isFirst = false;
    return isChosen;
  };
}

/** How the objects of a place were proven. */
export interface Proof {
  readonly byStore: number;
  readonly byReading: number;
  /** Names of objects that are damaged or missing there */
  readonly wrong: readonly Refusal[];
  /** Names of the same objects */
  readonly wrongNames: readonly string[];
}

/**
 * Proves objects where they are: by the SHA-256 that the store keeps, which transfers nothing, and of those
 * without one a share by reading them.
 *
 * @param isChosen whether an object without a checksum is read
 */
export async function proveObjects(
  {
    storage,
    objects,
    signal,
    log,
  }: { storage: Storage; objects: ObjectTable } & Pick<Carriage, 'signal' | 'log'>,
  { names, total }: Names,
  isChosen: () => boolean,
): Promise<Proof> {
  const wrong = new Map<string, Refusal>();
  const counts = { byStore: 0, byReading: 0 };
  const budget = new ByteBudget(heldBytes);
  const queue = names[Symbol.iterator]() as IterableIterator<string>;
  await runWorkers(Math.min(storageLanes, total), signal, async (stop) => {
    for (const name of queue) {
      stop.throwIfAborted();
      const described = objects.describe(name);
      try {
        const kept = await storage.checksum?.(objectKey(name));
        if (kept !== undefined && described.some(({ sha256 }) => sha256 === kept)) counts.byStore += 1;
        else if (kept !== undefined || isChosen()) {
          const size = Math.max(...described.map(({ stored }) => stored));
          await budget.hold(size, () => fetchObject(storage, name, described));
          counts.byReading += 1;
        }
      } catch (error) {
        if (!isAboutObject(error) && !(error instanceof StorageError && error.missing)) throw error;
        if (error instanceof IntegrityError && error.cause instanceof DeniedValueError) throw error;
        wrong.set(name, { key: objectKey(name), why: messageOf(error) });
      }
      log.progress(
        `${formatCount(counts.byStore + counts.byReading)} of ${formatCount(total)} objects checked`,
      );
    }
  });
  return { ...counts, wrong: [...wrong.values()], wrongNames: [...wrong.keys()] };
}
