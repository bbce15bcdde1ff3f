import { createReader } from '../../repository/objects/store.ts';
import { type PreparedRestore, prepareRestore } from '../../restorer/execute.ts';
import type { World } from '../../runtime/context.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import type { Job } from './job.ts';
import { isOccupied, isSourceOf } from './target-state.ts';

export function prepare(job: Job, occupied: 'refuse' | 'accept', world: World): Promise<PreparedRestore> {
  const { inputs, settings, repository, manifest, recovery, state, clock } = job;
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  const live = inputs.environment?.toLowerCase() === 'production' || isSourceOf(manifest, state);
  const request = { ...inputs, manifest, reader, recovery, settings, targetKind: state.kind, occupied, live };
  return prepareRestore(request, world, clock);
}

/**
 * Makes sure that the backup and the target fit before anything is touched.
 *
 * @returns undefined when the target has to be emptied first: what is planned for a full one does not hold for the empty one
 */
export async function prepareUntouched(job: Job, world: World): Promise<PreparedRestore | undefined> {
  // What is not chosen of a part, stays.
  if (!isOccupied(job.state)) return prepare(job, job.state.part === undefined ? 'refuse' : 'accept', world);
  await prepareQuietly(job, world);
  return undefined;
}

/** For what a plan tells of the target as it is now; what it says to people is not what will happen. */
export function prepareQuietly(job: Job, world: World): Promise<PreparedRestore> {
  const { log } = world;
  const quiet = { ...log, info: log.debug, warn: log.debug };
  return inScratchFolder({ ...world, log: quiet }, (scratch) => prepare(job, 'accept', scratch));
}
