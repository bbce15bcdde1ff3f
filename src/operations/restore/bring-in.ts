import { clockOf } from '../../management/connect.ts';
import type { Parity } from '../../parity/compare.ts';
import { describeConnection } from '../../postgres/session/settings.ts';
import { type CheckResult, explainChecks } from '../../restorer/trial/checks.ts';
import { writeParity } from '../../restorer/trial/parity-files.ts';
import { askChecks } from '../../restorer/trial/user-checks.ts';
import type { Context } from '../../runtime/context.ts';
import {
  type ConfigurationError,
  isKnownError,
  type KnownError,
  messageOf,
  StorageError,
  type TargetError,
} from '../../runtime/errors.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { emptyTarget, giveBack } from './clearing.ts';
import { refuse } from './guard.ts';
import type { Done, RestoreJob } from './job.ts';
import { prepareUntouched } from './preparation.ts';
import { type Judgement, recordRestore } from './record.ts';
import type { Restored } from './result.ts';
import { bringRootKey, toKeyRequest } from './root-key.ts';
import { MarkedTarget, toMark } from './unfinished-target.ts';

/**
 * Restores a backup into the target, compares the two, and runs the user's checks. The result is recorded,
 * also when the restore stopped.
 *
 * @throws ConfigurationError when the restore may not begin; nothing of the target is touched then
 * @throws the error that stopped the restore; its message says when the target is incomplete
 */
export async function restoreInto(job: RestoreJob, context: Context): Promise<Restored> {
  const { inputs, manifest, settings, state } = job;
  refuse(inputs, manifest, state);
  context.log.info(
    `Restoring backup ${manifest.id} of ${manifest.source.snapshotAt} into ${describeConnection(settings)}${job.recovery === undefined ? '' : `, and what was committed after it until ${job.recovery.until}`}`,
  );
  const target = new MarkedTarget(settings, context);
  const done: Done = {
    safetyBackup: null,
    safety: undefined,
    lacksRootKey: false,
    left: [],
    held: state.mark?.part?.held ?? [],
    ungiven: [],
    incomplete: false,
  };
  return inScratchFolder(context, async (scratch) => {
    const planned = await prepareUntouched(job, scratch);
    try {
      const prepared = planned ?? (await emptyTarget(job, done, target, scratch));
      await target.leave(toMark(job, done));
      done.incomplete = true;
      const rootKey = await bringRootKey(
        toKeyRequest(job, prepared, done, context),
        clockOf(context),
        context,
      );
      if (rootKey.kind === 'set') job.clock.end('root key');
      const parity = await prepared.run(target.note);
      done.ungiven = await giveBack(done.held, settings, target, context);
      await target.remove();
      done.incomplete = false;
      const usableAfter = job.clock.elapsed() - (job.clock.milliseconds().parity ?? 0);
      const checks = await askChecks(settings, inputs.checks, context);
      if (checks.length > 0) job.clock.end('checks');
      if (parity !== undefined)
        await writeParity(inputs.reportFolder, prepared.scope, parity, context, checks);
      await recordRestore(job, done, judge(parity, checks), context);
      return gather(job, done, { scope: prepared.scope, rootKey, parity, checks, usableAfter });
    } catch (error) {
      await recordRestore(job, done, { outcome: 'failed', why: messageOf(error) }, context);
      throw done.incomplete && isKnownError(error) ? explainStop(error, job) : error;
    }
  });
}

function judge(parity: Parity | undefined, checks: readonly CheckResult[]): Judgement {
  const failed = explainChecks(checks);
  if (parity?.equal === false) return { outcome: 'different', why: null };
  if (failed !== undefined) return { outcome: 'failed', why: failed };
  return { outcome: parity === undefined ? 'unverified' : 'equal', why: null };
}

function gather(
  { inputs, manifest, state, attempts, clock }: RestoreJob,
  { safetyBackup, left, ungiven }: Done,
  found: Pick<Restored, 'scope' | 'rootKey' | 'parity' | 'checks' | 'usableAfter'>,
): Restored {
  const storage = inputs.safetyStorage ?? inputs.storage;
  return {
    kind: 'restored',
    ...{ manifest, state, attempts, left, ungiven },
    ...found,
    safetyBackup: safetyBackup === null ? undefined : { id: safetyBackup, storage },
    phases: clock.milliseconds(),
    elapsed: clock.elapsed(),
  };
}

/** Adds to an error how far the restore came, and the ways to go on. */
function explainStop(error: KnownError, { manifest, state, clock }: RestoreJob): KnownError {
  const phases = Object.keys(clock.milliseconds()).filter((phase) => phase !== 'total');
  const message = say`${error.told.message}; the restore stopped after ${phases.join(', ')}, and the target is incomplete`;
  const next =
    state.part?.isInUse === true
      ? say`Only the selected objects were touched. Keep the database, fix the cause, and run the same command again with ${nameInput('backup-id', manifest.id)} and ${nameInput('clean', 'true')}.`
      : say`${error.told.next} Then start over with ${nameInput('backup-id', manifest.id)} and ${nameInput('clean', 'true')}, or restore into a new database.`;
  if (error instanceof StorageError) {
    const { configuration, missing } = error;
    return new StorageError(message, next, { cause: error, configuration, missing });
  }
  const Kind = error.constructor as typeof TargetError | typeof ConfigurationError;
  return new Kind(message, next, error);
}
