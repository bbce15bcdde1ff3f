import { createReader } from '../../repository/objects/store.ts';
import { type PreparedRestore, prepareRestore } from '../../restorer/execute.ts';
import type { Context } from '../../runtime/context.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import type { RestoreJob } from './job.ts';
import { holdsObjects, isSourceOf } from './target-state.ts';

export function prepare(
  job: RestoreJob,
  occupied: 'refuse' | 'accept',
  context: Context,
): Promise<PreparedRestore> {
  const { inputs, settings, repository, manifest, recovery, state, clock } = job;
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  const live = inputs.environment?.toLowerCase() === 'production' || isSourceOf(manifest, state);
  const request = { ...inputs, manifest, reader, recovery, settings, targetKind: state.kind, occupied, live };
  return prepareRestore(request, context, clock);
}

/**
 * Checks that the backup and the target fit each other, before the target is touched.
 *
 * @returns undefined when the target has to be emptied first: a plan for the full target does not hold for
 * the empty one
 */
export async function prepareUntouched(
  job: RestoreJob,
  context: Context,
): Promise<PreparedRestore | undefined> {
  // A restore of a part leaves other objects in the target.
  if (!holdsObjects(job.state))
    return prepare(job, job.state.part === undefined ? 'refuse' : 'accept', context);
  await prepareQuietly(job, context);
  return undefined;
}

/**
 * Plans for the target as it is now. The plan's messages go to the debug log only, because they do not
 * describe the restore that follows.
 */
export function prepareQuietly(job: RestoreJob, context: Context): Promise<PreparedRestore> {
  const { log } = context;
  const quiet = { ...log, info: log.debug, warn: log.debug };
  return inScratchFolder({ ...context, log: quiet }, (scratch) => prepare(job, 'accept', scratch));
}
