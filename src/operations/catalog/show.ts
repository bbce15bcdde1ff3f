import type { ShowInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { chooseManifest } from '../../repository/backups/choose.ts';
import { openRepository } from '../../repository/open.ts';
import { readRecords } from '../../repository/records.ts';
import type { World } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import { describeManifest } from './show-report.ts';

/** Tells all that is known of one backup: what its manifest says, and what records say of it. Changes nothing. */
export async function show(inputs: ShowInputs, world: World): Promise<Outcome> {
  await using storage = await openStorage(inputs.storage, inputs, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await chooseManifest(repository, inputs.backupId, world);
  const onDamaged = (error: Error) => world.log.warn(error.message);
  return describeManifest(manifest, {
    pins: await readRecords(repository, 'pins', onDamaged, { signal: world.signal }),
    validations: await readRecords(repository, 'validations', onDamaged, { signal: world.signal }),
    restores: await readRecords(repository, 'restores', onDamaged, { signal: world.signal }),
    drills: await readRecords(repository, 'drills', onDamaged, { signal: world.signal }),
  });
}
