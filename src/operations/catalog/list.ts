import type { ListInputs } from '../../interface/inputs/types.ts';
import { readCatalog } from '../../repository/backups/catalog.ts';
import { readRecoverable } from '../../repository/changes/windows.ts';
import { DamageWarnings } from '../../repository/damage-warnings.ts';
import { openRepository } from '../../repository/open.ts';
import { planRetention } from '../../repository/retention/policy.ts';
import { keepBases } from '../../repository/retention/reachable.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import type { BackupList } from './result.ts';

/**
 * Reads which backups exist, what is known of each, and what a cleanup with the same retention would keep.
 * Changes nothing.
 */
export async function listBackups(
  inputs: Omit<ListInputs, 'operation'>,
  context: Context,
): Promise<BackupList> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  using damage = new DamageWarnings(context.log, '');
  const catalog = await readCatalog(repository, {
    onDamaged: damage.warn,
    signal: context.signal,
  });
  const now = context.now();
  const sound = catalog.backups.filter(
    ({ damagedAt, purpose }) => damagedAt === null && purpose !== 'safety',
  );
  const recoverable = await readRecoverable(repository, sound, context);
  const planned = planRetention(catalog.backups, inputs.retention, { now, timeZone: inputs.timeZone });
  const { keepChanges } = inputs;
  const decisions = keepBases(planned, recoverable.changes, { now, keepChanges });
  return { location: storage.location, decisions, damaged: catalog.damaged, recoverable };
}
