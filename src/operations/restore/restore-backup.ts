import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { fitJobs } from '../../postgres/session/room.ts';
import { warnOfBackupsElsewhere } from '../../repository/copies/elsewhere.ts';
import { openRepository } from '../../repository/open.ts';
import { isWhole } from '../../restorer/request.ts';
import { type Attempt, explainFailure, hasPassed } from '../../restorer/trial/attempt.ts';
import { makeReportFolder } from '../../restorer/trial/parity-files.ts';
import { tryInTurn } from '../../restorer/trial/trial.ts';
import type { Context } from '../../runtime/context.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import { openWithCopies } from '../../storage/copies.ts';
import type { FallbackStorage } from '../../storage/fallback.ts';
import { restoreInto } from './bring-in.ts';
import { chooseCandidates } from './candidates.ts';
import { findRefusals, needsSafetyBackup, refuse, refuseContradictions } from './guard.ts';
import type { RestoreJob } from './job.ts';
import { prepare, prepareQuietly } from './preparation.ts';
import { findReasons } from './reasons.ts';
import { recordRestore } from './record.ts';
import type { NonePassed, PlannedRestore, RestoreResult } from './result.ts';
import { foreseeRootKey, toKeyRequest } from './root-key.ts';
import { inspectTarget } from './target-look.ts';

/**
 * Restores a backup, or the chosen part of one, and compares the result with the facts of the backup. All
 * requirements are checked before anything begins; then follow, each where it applies, the trial on staging,
 * the safety backup and the emptying of the target. Nothing of the target is touched before the identity, the
 * archive and the target are known to fit. The result is recorded.
 *
 * @throws ConfigurationError when the restore may not begin; nothing of the target is touched then
 */
export async function restoreBackup(inputs: RestoreInputs, context: Context): Promise<RestoreResult> {
  refuseContradictions(inputs);
  await using storage = await openWithCopies(inputs, context);
  return { ...(await restoreFrom(storage, inputs, context)), readFrom: storage.answers };
}

async function restoreFrom(
  storage: FallbackStorage,
  inputs: RestoreInputs,
  context: Context,
): Promise<RestoreResult> {
  const clock = new PhaseClock();
  const settings = await reachDatabase('target-url', inputs.targetUrl, inputs.sslrootcert, context);
  const staging =
    inputs.stagingUrl === undefined
      ? undefined
      : await reachDatabase('staging-url', inputs.stagingUrl, inputs.sslrootcert, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  if (inputs.backupId === 'latest') await warnOfBackupsElsewhere(repository, storage.copies, context);
  const { candidates, manifest } = await chooseCandidates(repository, inputs, context);
  const state = await inspectTarget(settings, inputs, context);
  const recoveryOf = (id: string) => candidates.find((candidate) => candidate.id === id)?.recovery;
  const recovery = recoveryOf(manifest.id);
  const found: RestoreJob = {
    inputs,
    settings,
    repository,
    manifest,
    recovery,
    state,
    clock,
    attempts: undefined,
  };
  const job = await lookAtPart(found, context);
  if (inputs.dryRun) return await previewPlan(job, context);
  refuse(inputs, manifest, job.state);
  await makeReportFolder(inputs.reportFolder);
  if (staging === undefined) return await restoreInto(await fitToTarget(job, context), context);

  const jobs = await fitJobs(staging, inputs.jobs, context);
  const trial = { ...inputs, jobs, command: undefined };
  const attempts = await tryInTurn(candidates, repository, staging, trial, context);
  clock.end('staging');
  const works = attempts.find(hasPassed)?.manifest;
  if (works === undefined) return await leaveAlone(job, attempts, context);
  const other = { ...found, manifest: works, recovery: recoveryOf(works.id), attempts };
  return await restoreInto(await fitToTarget(await lookAtPart(other, context), context), context);
}

/** Finds what a part of the backup meets in the target. The archive tells what belongs to the part. */
async function lookAtPart(job: RestoreJob, context: Context): Promise<RestoreJob> {
  if (isWhole(job.inputs)) return job;
  const { part } = await prepareQuietly(job, context);
  return { ...job, state: { ...job.state, part } };
}

/** Reduces the jobs to the sessions that the target has available. */
async function fitToTarget(job: RestoreJob, context: Context): Promise<RestoreJob> {
  const jobs = await fitJobs(job.settings, job.inputs.jobs, context);
  return { ...job, inputs: { ...job.inputs, jobs } };
}

/** Plans the restore for a dry run, and collects what is missing for it to begin. */
function previewPlan(job: RestoreJob, context: Context): Promise<PlannedRestore> {
  const { inputs, manifest, state, recovery, clock } = job;
  return inScratchFolder(context, async (scratch) => {
    const prepared = await prepare(job, 'accept', scratch);
    const { scope, foreseen } = prepared;
    const rootKey = await foreseeRootKey(toKeyRequest(job, prepared, undefined, context), context);
    return {
      kind: 'planned',
      ...{ manifest, state, scope, foreseen, rootKey, recovery },
      reasons: findReasons(inputs, manifest, state),
      isStaged: inputs.stagingUrl !== undefined,
      safetyStorage: needsSafetyBackup(inputs, state) ? (inputs.safetyStorage ?? inputs.storage) : undefined,
      refusals: findRefusals(inputs, manifest, state),
      elapsed: clock.elapsed(),
    };
  });
}

/** Ends a restore for which no backup passed on staging. The target is not touched. */
async function leaveAlone(
  job: RestoreJob,
  attempts: readonly Attempt[],
  context: Context,
): Promise<NonePassed> {
  const { manifest, state, clock } = job;
  const last = attempts.map(explainFailure).findLast((reason) => reason !== undefined);
  const why = `no backup passed on staging (${last}); the target was not touched`;
  const untouched = { safetyBackup: null, safety: undefined };
  await recordRestore({ ...job, attempts }, untouched, { outcome: 'failed', why }, context);
  return { kind: 'none-passed', manifest, state, attempts, elapsed: clock.elapsed() };
}
