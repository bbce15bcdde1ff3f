import type { IntegrityError } from '../../runtime/errors.ts';
import type { Repository } from '../open.ts';
import { readRecords } from '../records.ts';
import type { GarbageMark } from './garbage-marks.ts';

/** Names of suspect objects, and since when by the storage's clock. One stored later is trusted again. */
export type SuspectObjects = ReadonlyMap<string, Date>;

/** How many of the newest validations are read; they have also seen damage that is older. */
const askedValidations = 20;

/** Reads which objects a validation found missing or damaged. */
export async function readSuspects(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
): Promise<SuspectObjects> {
  const suspects = new Map<string, Date>();
  const options = { newest: askedValidations };
  for (const { storedAt, content } of await readRecords(repository, 'validations', onDamaged, options)) {
    for (const name of content.retracted?.objects ?? []) suspects.delete(name);
    for (const name of content.damagedObjects) suspects.set(name, storedAt);
  }
  return suspects;
}

/**
 * Returns the objects that no backup needed when a cleanup looked. An object that a listed backup needs by
 * now is left out: it will not be removed, and stored anew and encrypted it would not match the manifest of
 * that backup.
 *
 * @param isNeeded whether a listed backup needs an object
 */
export function suspectMarked(
  marks: readonly GarbageMark[],
  isNeeded: (name: string) => boolean,
): SuspectObjects {
  const suspects = new Map<string, Date>();
  for (const { names, markedAt } of marks) {
    for (const name of names) if (!isNeeded(name)) suspects.set(name, markedAt);
  }
  return suspects;
}
