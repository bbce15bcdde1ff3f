import type { DrillInputs } from '../../interface/inputs/types.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { fitJobs } from '../../postgres/session/room.ts';
import { chooseBackups } from '../../repository/backups/choose.ts';
import { warnOfBackupsElsewhere } from '../../repository/copies/elsewhere.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { chooseRecovery } from '../../restorer/choose.ts';
import { makeReportFolder } from '../../restorer/trial/parity-files.ts';
import { type TrialCandidate, tryInTurn } from '../../restorer/trial/trial.ts';
import type { Context } from '../../runtime/context.ts';
import { openWithCopies } from '../../storage/copies.ts';
import { refuseInside } from '../../storage/folder-path.ts';
import { type Drill, judgeDrill } from './result.ts';

/**
 * Restores a backup into a scratch database, compares and checks it there, and drops the database. When a
 * backup fails, older ones are tried, so that the answer names a backup that works. Each attempt is recorded.
 */
export async function tryBackups(inputs: DrillInputs, context: Context): Promise<Drill> {
  await refuseInside(inputs.reportFolder, 'report-folder', [
    inputs.storage,
    ...inputs.copies.map((copy) => copy.storage),
  ]);
  const server = await reachDatabase('target-url', inputs.targetUrl, inputs.sslrootcert, context);
  await using storage = await openWithCopies(inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  if (inputs.backupId === 'latest') await warnOfBackupsElsewhere(repository, storage.copies, context);
  const candidates = await chooseDrilled(repository, inputs, context);
  await makeReportFolder(inputs.reportFolder);
  const jobs = await fitJobs(server, inputs.jobs, context);
  const trial = { ...inputs, jobs, include: [], exclude: [] };
  const attempts = await tryInTurn(candidates, repository, server, trial, context);
  return { ...judgeDrill(attempts, inputs.rtoTarget), readFrom: storage.answers };
}

/** Lists the backups that a drill tries, in turn: the one that is asked for, and then older ones. */
export function chooseDrilled(
  repository: Repository,
  inputs: Pick<DrillInputs, 'backupId' | 'recoveryTargetTime' | 'fallback' | 'encryptionIdentity'>,
  context: Context,
): Promise<TrialCandidate[]> {
  const { recoveryTargetTime, fallback } = inputs;
  if (recoveryTargetTime === undefined) {
    return chooseBackups(repository, inputs.backupId, context).then((backups) =>
      backups.slice(0, 1 + fallback),
    );
  }
  return chooseRecovery(repository, { ...inputs, recoveryTargetTime }, 1 + fallback, context);
}
