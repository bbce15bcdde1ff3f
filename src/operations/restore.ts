import { userInfo } from 'node:os';
import { isKnownError, messageOf } from '../errors.ts';
import type { RestoreInputs } from '../inputs.ts';
import { describeConnection, parseConnection } from '../postgres/settings.ts';
import { describeHolder } from '../repository/locks.ts';
import { createReader } from '../repository/objects.ts';
import { appendRecord } from '../repository/records.ts';
import { openRepository, type Repository } from '../repository/repository.ts';
import { openStorage } from '../storage/open.ts';
import type { Parity } from '../target/parity.ts';
import type { World } from '../world.ts';
import { chooseManifest } from './choose-backups.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';
import { prepareRestore } from './restore-into.ts';
import { describePlan, describeRestore, type RestoreScope } from './restore-report.ts';

/**
 * Restores a backup, or the chosen part of one, into an empty database, and compares the result with the facts of the backup.
 * The identity, the archive and the target are all checked before the target is touched. What was done is recorded.
 */
export async function restore(inputs: RestoreInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  const settings = parseConnection('target-url', inputs.targetUrl, world.env, inputs.sslrootcert);
  await using resources = new AsyncDisposableStack();
  const storage = resources.adopt(await openStorage(inputs.storage, inputs), (opened) => opened.close());
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await chooseManifest(repository, inputs.backupId, world);
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  world.log.info(
    `Restoring backup ${manifest.id} of ${manifest.source.snapshotAt} into ${describeConnection(settings)}`,
  );
  const { scope, run } = await prepareRestore({ ...inputs, manifest, reader, settings }, world, clock);
  if (inputs.dryRun) return describePlan(scope, clock);
  let parity: Parity | undefined;
  try {
    parity = await run();
  } catch (error) {
    await record(repository, inputs, scope, { outcome: 'failed', why: messageOf(error) }, clock, world);
    throw error;
  }
  const outcome = parity === undefined ? 'unverified' : parity.equal ? 'equal' : 'different';
  await record(repository, inputs, scope, { outcome, why: null }, clock, world);
  return describeRestore(scope, parity, clock);
}

/** Credentials that may only read are enough for a restore: that it cannot be recorded is told and no failure. */
async function record(
  repository: Repository,
  inputs: RestoreInputs,
  { manifest, target }: RestoreScope,
  result: { outcome: 'equal' | 'different' | 'unverified' | 'failed'; why: string | null },
  clock: PhaseClock,
  world: World,
): Promise<void> {
  try {
    await appendRecord(repository, 'restores', world.now(), {
      backup: manifest.id,
      target,
      actor: world.env.GITHUB_ACTOR ?? userInfo().username,
      run: describeHolder(world.env),
      whole: inputs.include.length === 0 && inputs.exclude.length === 0,
      ...result,
      phases: clock.milliseconds(),
    });
  } catch (error) {
    if (!isKnownError(error)) throw error;
    world.log.warn(`the restore could not be recorded: ${error.message}`);
  }
}
