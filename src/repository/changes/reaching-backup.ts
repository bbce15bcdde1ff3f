import type { Context } from '../../runtime/context.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import { listBackupIds, readOutline } from '../backups/manifests.ts';
import type { Repository } from '../open.ts';
import { readReplayable } from './damage.ts';
import { findReach } from './recoverable.ts';
import { recentSegments, type Segment } from './segments.ts';

/** Finds the newest backup that can be rolled forward to the end of all captures; undefined when none can. */
export async function findReachingBase(
  repository: Repository,
  context: Context,
): Promise<string | undefined> {
  const { log, signal } = context;
  const onDamaged = (error: IntegrityError) => log.warn(error.message);
  const options = { onRecord: onDamaged, signal };
  const some = await readReplayable(repository, onDamaged, { ...options, newest: recentSegments });
  const found = await findBase(repository, some, context);
  if (found !== undefined || some.length < recentSegments) return found;
  return findBase(repository, await readReplayable(repository, onDamaged, options), context);
}

async function findBase(
  repository: Repository,
  segments: readonly Segment[],
  { log, signal }: Context,
): Promise<string | undefined> {
  const [first, last] = [segments[0], segments.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  for (const id of (await listBackupIds(repository)).toReversed()) {
    signal.throwIfAborted();
    try {
      const base = await readOutline(repository, id);
      if (base === undefined || base.kind === 'schema') continue;
      const reach = findReach(base, segments);
      if (reach !== undefined && parseTimestamp(reach.to) >= parseTimestamp(last.through)) return id;
      // A backup from before the first segment's chain has no changes to replay, nor has any older one.
      if (base.source.snapshotAt < first.chain.startedAt) return undefined;
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      log.warn(`${error.message}; it is skipped`);
    }
  }
  return undefined;
}
