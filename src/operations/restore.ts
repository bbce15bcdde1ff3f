import type { RestoreInputs } from '../inputs.ts';
import { describeConnection, parseConnection } from '../postgres/settings.ts';
import { readManifest } from '../repository/backups.ts';
import { createReader } from '../repository/objects.ts';
import { openRepository } from '../repository/repository.ts';
import { openStorage } from '../storage/open.ts';
import type { World } from '../world.ts';
import { chooseBackup } from './choose-backups.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';
import { prepareRestore } from './restore-into.ts';
import { describePlan, describeRestore } from './restore-report.ts';

/**
 * Restores a backup, or the chosen part of one, into an empty database, and compares the result with the facts of the backup.
 * The identity, the archive and the target are all checked before the target is touched.
 */
export async function restore(inputs: RestoreInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  const settings = parseConnection('target-url', inputs.targetUrl, world.env, inputs.sslrootcert);
  await using resources = new AsyncDisposableStack();
  const storage = resources.adopt(await openStorage(inputs.storage, inputs), (opened) => opened.close());
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await readManifest(repository, await chooseBackup(repository, inputs.backupId, world));
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  world.log.info(
    `Restoring backup ${manifest.id} of ${manifest.source.snapshotAt} into ${describeConnection(settings)}`,
  );
  const prepared = await prepareRestore({ ...inputs, manifest, reader, settings }, world, clock);
  if (inputs.dryRun) return describePlan(prepared.scope, clock);
  return describeRestore(prepared.scope, await prepared.run(), clock);
}
