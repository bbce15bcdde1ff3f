import type { PinInputs } from '../../interface/inputs/types.ts';
import { readRecordedStates } from '../../repository/backups/catalog.ts';
import { chooseManifest } from '../../repository/backups/choose.ts';
import { readIfPresent } from '../../repository/backups/manifests.ts';
import { listLocks } from '../../repository/locks/locks.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { appendRecord } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { StorageError } from '../../runtime/errors.ts';
import { openStorage } from '../../storage/open.ts';
import type { Pinning } from './result.ts';

/**
 * Pins a backup, or returns it to the retention policy. The manifest stays unchanged: a record overrides it.
 *
 * @throws StorageError when the backup was removed meanwhile
 */
export async function setPin(
  inputs: Omit<PinInputs, 'operation'>,
  wanted: boolean,
  context: Context,
): Promise<Pinning> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await chooseManifest(repository, inputs.backupId, context);
  const states = await readRecordedStates(
    repository,
    (error) => context.log.warn(error.message),
    context.signal,
  );
  const { pinned = manifest.pin, pinnedAt } = states.get(manifest.id) ?? {};
  if (pinned === wanted) return { id: manifest.id, pinned, isNew: false };
  await appendRecord(repository, 'pins', chooseTime(context.now(), pinnedAt), {
    backup: manifest.id,
    pinned: wanted,
  });
  if (wanted) await watchForCleanup(repository, manifest.id, context);
  return { id: manifest.id, pinned: wanted, isNew: true };
}

/** Returns a time after the record to override, even if a machine whose clock is ahead wrote that record. */
function chooseTime(now: Date, earlier: Date | undefined): Date {
  return earlier === undefined || earlier < now ? now : new Date(earlier.getTime() + 1);
}

/**
 * Warns of a cleanup that is under way: it may have read the records before the pin was written. A cleanup
 * that starts later finds the record.
 *
 * @throws StorageError when the backup is gone
 */
async function watchForCleanup(repository: Repository, id: string, { log }: Context): Promise<void> {
  const cleanup = (await listLocks(repository)).find(({ content }) => content?.operation === 'cleanup');
  if ((await readIfPresent(repository, id)) === undefined) {
    throw new StorageError(
      `backup ${id} was removed from ${repository.storage.location} while it was being pinned`,
      'Pin another one; `list` shows the remaining backups.',
    );
  }
  if (cleanup) {
    log.warn(
      `a cleanup (${cleanup.content?.holder}) may be running that does not know about this pin yet. When it has ended, check with \`list\` that ${id} is still there`,
    );
  }
}
