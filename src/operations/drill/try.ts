import type { DrillInputs } from '../../interface/inputs/types.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { fitJobs } from '../../postgres/session/room.ts';
import { chooseBackups } from '../../repository/backups/choose.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { chooseRecovery } from '../../restorer/choose.ts';
import { makeReportFolder } from '../../restorer/trial/parity-files.ts';
import { type Candidate, tryInTurn } from '../../restorer/trial/trial.ts';
import type { World } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import { type Drill, judgeDrill } from './result.ts';

/**
 * Restores a backup into a scratch database, compares and checks it there, and drops the database. When a
 * backup fails, older ones are tried, so that the answer names a backup that works. Each attempt is recorded.
 */
export async function tryBackups(inputs: DrillInputs, world: World): Promise<Drill> {
  const server = await reachDatabase('target-url', inputs.targetUrl, inputs.sslrootcert, world);
  await using storage = await openStorage(inputs.storage, inputs, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const candidates = await chooseDrilled(repository, inputs, world);
  await makeReportFolder(inputs.reportFolder);
  const jobs = await fitJobs(server, inputs.jobs, world);
  const trial = { ...inputs, jobs, include: [], exclude: [] };
  return judgeDrill(await tryInTurn(candidates, repository, server, trial, world), inputs.rtoTarget);
}

function chooseDrilled(repository: Repository, inputs: DrillInputs, world: World): Promise<Candidate[]> {
  const { recoveryTargetTime, fallback } = inputs;
  if (recoveryTargetTime === undefined) {
    return chooseBackups(repository, inputs.backupId, world).then((backups) =>
      backups.slice(0, 1 + fallback),
    );
  }
  return chooseRecovery(repository, { ...inputs, recoveryTargetTime }, 1 + fallback, world);
}
