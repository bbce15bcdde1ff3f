import { describeHolder, nameActor } from '../../github/run.ts';
import { redactReason } from '../../report/redact.ts';
import { type RecordContent, recordIfPossible } from '../../repository/records.ts';
import { isWhole } from '../../restorer/request.ts';
import { explainFailure } from '../../restorer/trial/attempt.ts';
import type { Context } from '../../runtime/context.ts';
import type { Done, RestoreJob } from './job.ts';

/** The result of a restore, as it is recorded. */
export type Judgement = Pick<RecordContent<'restores'>, 'outcome' | 'why'>;

/**
 * Records a restore. Credentials that may only read are enough to restore, so a failure to write the record
 * is a warning.
 *
 * @param done what is told of the backup of the target
 */
export async function recordRestore(
  job: RestoreJob,
  { safetyBackup, safety }: Pick<Done, 'safetyBackup' | 'safety'>,
  result: Judgement,
  context: Context,
): Promise<void> {
  const { inputs, repository, manifest, state, clock, attempts = [] } = job;
  await recordIfPossible(repository, 'restores', 'restore', context, {
    backup: manifest.id,
    target: state.target,
    actor: nameActor(context),
    run: describeHolder(context.env),
    whole: isWhole(inputs),
    kind: state.kind,
    environment: inputs.environment ?? null,
    confirmed: inputs.confirmed,
    safetyBackup,
    ...(safety === undefined ? {} : { safety }),
    staging: attempts.map((attempt) => ({
      backup: attempt.backup,
      why: redactReason(explainFailure(attempt), context.redact),
    })),
    ...{ ...result, why: redactReason(result.why, context.redact) },
    phases: clock.milliseconds(),
    recoveredTo: job.recovery?.until ?? null,
  });
}
