import type { IntegrityError } from '../../runtime/errors.ts';
import type { Repository } from '../open.ts';
import { readRecords } from '../records.ts';
import type { Mark } from './garbage-marks.ts';

/** Names of suspect objects, and since when by the storage's clock. One stored later is trusted again. */
export type Doubted = ReadonlyMap<string, Date>;

/** How many of the newest validations are read; they have also seen damage that is older. */
const askedValidations = 20;

/** Reads which objects a validation found missing or damaged. */
export async function readDamaged(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
): Promise<Doubted> {
  const doubted = new Map<string, Date>();
  const options = { newest: askedValidations };
  for (const { storedAt, content } of await readRecords(repository, 'validations', onDamaged, options)) {
    for (const name of content.retracted?.objects ?? []) doubted.delete(name);
    for (const name of content.damagedObjects) doubted.set(name, storedAt);
  }
  return doubted;
}

/**
 * Returns the objects that no backup needed when a cleanup looked. An object that a listed backup needs by
 * now is left out: it will not be removed, and stored anew and encrypted it would not match the manifest of
 * that backup.
 *
 * @param isNeeded whether a listed backup needs an object
 */
export function doubtMarked(marks: readonly Mark[], isNeeded: (name: string) => boolean): Doubted {
  const doubted = new Map<string, Date>();
  for (const { names, markedAt } of marks) {
    for (const name of names) if (!isNeeded(name)) doubted.set(name, markedAt);
  }
  return doubted;
}
