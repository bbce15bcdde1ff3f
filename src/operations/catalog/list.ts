import type { ListInputs } from '../../interface/inputs/types.ts';
import { readShelf } from '../../repository/backups/catalog.ts';
import { readRecoverable } from '../../repository/changes/windows.ts';
import { openRepository } from '../../repository/open.ts';
import { planRetention } from '../../repository/retention/policy.ts';
import { keepBases } from '../../repository/retention/reachable.ts';
import type { World } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import type { BackupList } from './result.ts';

/**
 * Reads which backups exist, what is known of each, and what a cleanup with the same retention would keep.
 * Changes nothing.
 */
export async function listBackups(inputs: Omit<ListInputs, 'operation'>, world: World): Promise<BackupList> {
  await using storage = await openStorage(inputs.storage, inputs, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const shelf = await readShelf(repository, {
    onDamaged: (error) => world.log.warn(error.message),
    signal: world.signal,
  });
  const now = world.now();
  const sound = shelf.backups.filter(({ damagedAt, purpose }) => damagedAt === null && purpose !== 'safety');
  const recoverable = await readRecoverable(repository, sound, world);
  const planned = planRetention(shelf.backups, inputs.retention, { now, timeZone: inputs.timeZone });
  const { keepChanges } = inputs;
  const decisions = keepBases(planned, recoverable.segments, { now, keepChanges });
  return { location: storage.location, decisions, damaged: shelf.damaged, recoverable };
}
