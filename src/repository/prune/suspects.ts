import type { IntegrityError } from '../../runtime/errors.ts';
import type { Repository } from '../open.ts';
import { readRecords } from '../records.ts';
import type { Mark } from './garbage-marks.ts';

/** Names of objects not to be relied upon as they were at a time, by the storage's clock: stored anew since, they are sound again. */
export type Doubted = ReadonlyMap<string, Date>;

/** So many of the newest validations are asked; what was damaged before them has been seen by them too. */
const askedValidations = 20;

/** The objects that a validation found missing or damaged. */
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
 * The objects that no backup needed when a cleanup looked. One that a listed backup needs by now is left out: it will not be removed,
 * and stored anew, encrypted, it would not be what the manifest of that backup describes.
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
