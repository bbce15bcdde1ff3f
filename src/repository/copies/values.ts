import { IntegrityError, messageOf, StorageError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import { ForeignValueError, type Storage, storageLanes } from '../../storage/storage.ts';
import type { Repository } from '../open.ts';
import { isUnread, readAgain } from '../reading.ts';
import type { ObjectTable } from './object-table.ts';
import type { Refusal } from './outcome.ts';
import { describedObjects, readValue, type ValueKind } from './sealed-value.ts';

export interface ValueCarriage {
  readonly source: Repository;
  readonly target: Storage;
  readonly objects: ObjectTable;
  /** How a value is written: only where there is none, or in place of what is there */
  readonly writing: 'create' | 'replace';
  readonly signal: AbortSignal;
  /** Called before each value is written; throws when the lock is lost */
  readonly prove: () => Promise<void>;
}

export interface CarriedValues {
  readonly keys: readonly string[];
  readonly bytes: number;
  readonly refused: readonly Refusal[];
}

/**
 * Carries values of one kind. A manifest or header is written only where all its objects are, so that no place ever
 * has a backup without them; one by one, in the order given, so that what was carried is what came first.
 */
export async function carryValues(
  carriage: ValueCarriage,
  kind: ValueKind,
  keys: readonly string[],
): Promise<CarriedValues> {
  const carried: string[] = [];
  const refused: Refusal[] = [];
  const queue = keys.values();
  let bytes = 0;
  const lanes = kind === 'backups' || kind === 'changes' ? 1 : Math.min(storageLanes, keys.length);
  await runWorkers(lanes, carriage.signal, async (stop) => {
    for (const key of queue) {
      stop.throwIfAborted();
      try {
        const size = await carryValue(carriage, kind, key);
        if (size === undefined) continue;
        carried.push(key);
        bytes += size;
      } catch (error) {
        if (!(error instanceof IntegrityError) && !(error instanceof StorageError && isUnread(error)))
          throw error;
        refused.push({ key, why: messageOf(error) });
      }
    }
  });
  return { keys: carried, bytes, refused };
}

/** @returns its bytes; undefined when it is gone in the source, which a cleanup may have removed meanwhile */
async function carryValue(
  { source, target, objects, writing, prove }: ValueCarriage,
  kind: ValueKind,
  key: string,
): Promise<number | undefined> {
  const bytes = await readValue(source, kind, key);
  if (bytes === undefined) return undefined;
  if (kind === 'backups' || kind === 'changes') {
    const lost = firstAbsent(key, bytes, objects);
    if (lost !== undefined)
      throw new IntegrityError(
        `${key}: it needs object ${lost}, which could not be copied`,
        'Repair the object with `repair`, if another copy has it intact.',
      );
    await prove();
  }
  if (writing === 'replace') await target.put(key, bytes);
  else await target.create(key, bytes);
  if (kind === 'backups' || kind === 'changes') await assertStored(target, key, bytes);
  return bytes.length;
}

function firstAbsent(key: string, bytes: Buffer, objects: ObjectTable): string | undefined {
  for (const { name } of describedObjects(key, bytes)) if (!objects.isPresent(name)) return name;
  return undefined;
}

/** Reads back what makes a backup exist, whatever the store answered to the write. */
async function assertStored(target: Storage, key: string, bytes: Buffer): Promise<void> {
  const other = () =>
    new IntegrityError(
      `${key}: ${target.location} has other bytes under this key than were copied`,
      'Check who can write there. `repair` with this location as the storage restores the right ones.',
    );
  await readAgain(async (options) => {
    try {
      if (!(await target.get(key, bytes.length, options)).equals(bytes)) throw other();
    } catch (error) {
      if (error instanceof ForeignValueError) throw other();
      throw error;
    }
  });
}
