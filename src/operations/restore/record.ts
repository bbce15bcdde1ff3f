import { describeHolder, nameActor } from '../../github/run.ts';
import { maskReason } from '../../report/redact.ts';
import { type RecordContent, recordIfPossible } from '../../repository/records.ts';
import { isWhole } from '../../restorer/request.ts';
import { explainFailure } from '../../restorer/trial/attempt.ts';
import type { World } from '../../runtime/context.ts';
import type { Job } from './job.ts';

/** The result of a restore, as it is recorded. */
export type Judgement = Pick<RecordContent<'restores'>, 'outcome' | 'why'>;

/**
 * Records a restore. Credentials that may only read are enough to restore, so a failure to write the record
 * is a warning.
 *
 * @param safetyBackup id of the backup of the target; null without one
 */
export async function recordRestore(
  job: Job,
  safetyBackup: string | null,
  result: Judgement,
  world: World,
): Promise<void> {
  const { inputs, repository, manifest, state, clock, attempts = [] } = job;
  await recordIfPossible(repository, 'restores', 'restore', world, {
    backup: manifest.id,
    target: state.target,
    actor: nameActor(world),
    run: describeHolder(world.env),
    whole: isWhole(inputs),
    kind: state.kind,
    environment: inputs.environment ?? null,
    confirmed: inputs.confirmed,
    safetyBackup,
    staging: attempts.map((attempt) => ({
      backup: attempt.backup,
      why: maskReason(explainFailure(attempt), world.mask),
    })),
    ...{ ...result, why: maskReason(result.why, world.mask) },
    phases: clock.milliseconds(),
    recoveredTo: job.recovery?.until ?? null,
  });
}
