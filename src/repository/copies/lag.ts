import { IntegrityError } from '../../runtime/errors.ts';
import { drain, runWorkers } from '../../runtime/workers.ts';
import { readOutline } from '../backups/manifests.ts';
import type { Repository } from '../open.ts';
import type { CopyLag } from './outcome.ts';
import { backupOf, type MirrorPlan } from './plan.ts';

/** How many manifests are read at once. */
const readers = 4;

/** The most manifests that are read for what a copy lacks; of more, the bytes are not told. */
const mostRead = 50;

/**
 * Measures how far a copy is behind: by what a plan found, and what was copied since.
 *
 * @param copied keys that the copy got after the plan was made
 */
export async function measureLag(
  source: Repository,
  { missing, present }: Pick<MirrorPlan, 'missing' | 'present'>,
  copied: ReadonlySet<string> = new Set(),
): Promise<CopyLag> {
  const left = missing.backups.filter((key) => !copied.has(key)).map(backupOf);
  const there = [...present, ...missing.backups.filter((key) => copied.has(key)).map(backupOf)].sort();
  return {
    newest: there.at(-1),
    missingBackups: left.length,
    missingChanges: missing.changes.filter((key) => !copied.has(key)).length,
    missingBytes: left.length > mostRead ? undefined : await sumAdded(source, left),
    oldestMissing: left.toSorted()[0],
  };
}

/** The stored bytes that backups added when they were taken. A damaged manifest tells none. */
async function sumAdded(source: Repository, ids: readonly string[]): Promise<number> {
  const queue = [...ids];
  let bytes = 0;
  await runWorkers(Math.min(readers, queue.length), new AbortController().signal, async () => {
    for (const id of drain(queue)) {
      try {
        bytes += (await readOutline(source, id))?.totals.added ?? 0;
      } catch (error) {
        // It is among what was refused.
        if (!(error instanceof IntegrityError)) throw error;
      }
    }
  });
  return bytes;
}
