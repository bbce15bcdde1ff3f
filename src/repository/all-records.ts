import type { IntegrityError } from '../runtime/errors.ts';
import type { Repository } from './open.ts';
import { type NamedRecord, type RecordKind, readRecords } from './records.ts';

/** The records of each kind, oldest first */
export type AllRecords = { readonly [Kind in RecordKind]: readonly NamedRecord<Kind>[] };

/**
 * Reads the records of all kinds, one kind after the other.
 *
 * @param options as `readRecords` has them, for each kind
 * @throws StorageError when a record cannot be read at all
 */
export async function readAllRecords(
  repository: Repository,
  onDamaged: (error: IntegrityError, key: string) => void,
  options: NonNullable<Parameters<typeof readRecords>[3]>,
): Promise<AllRecords> {
  const read = <Kind extends RecordKind>(kind: Kind): Promise<NamedRecord<Kind>[]> =>
    readRecords(repository, kind, onDamaged, options);
  return {
    validations: await read('validations'),
    pins: await read('pins'),
    drills: await read('drills'),
    restores: await read('restores'),
    runs: await read('runs'),
    prunes: await read('prunes'),
  };
}
