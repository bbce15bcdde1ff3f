import type { PinInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { readStandings } from '../../repository/backups/catalog.ts';
import { chooseBackup, readIfPresent } from '../../repository/backups/manifests.ts';
import { listLocks } from '../../repository/locks/locks.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { appendRecord } from '../../repository/records.ts';
import type { World } from '../../runtime/context.ts';
import { StorageError } from '../../runtime/errors.ts';
import { openStorage } from '../../storage/open.ts';

/** Pins a backup, or leaves it to retention again. The manifest stays as it is: a record overrules it. */
export async function pin(inputs: PinInputs, world: World): Promise<Outcome> {
  await using storage = await openStorage(inputs.storage, inputs, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await chooseBackup(repository, inputs.backupId, (error) =>
    world.log.warn(`${error.message}; passed over`),
  );
  const standings = await readStandings(repository, (error) => world.log.warn(error.message), world.signal);
  const { pinned = manifest.pin, pinnedAt } = standings.get(manifest.id) ?? {};
  const wanted = inputs.operation === 'pin';
  if (pinned === wanted) {
    return describe(manifest.id, wanted ? 'is pinned already' : 'is not pinned', 'Nothing was written.');
  }
  await appendRecord(repository, 'pins', chooseTime(world.now(), pinnedAt), {
    backup: manifest.id,
    pinned: wanted,
  });
  if (wanted) await watchForCleanup(repository, manifest.id, world);
  return wanted
    ? describe(manifest.id, 'is pinned', 'It stays whatever a retention policy says, until `unpin`.')
    : describe(
        manifest.id,
        'is no longer pinned',
        'The next cleanup keeps it only if the retention policy does.',
      );
}

/** After the record that it is to overrule, even when that was written by a machine whose clock is ahead. */
function chooseTime(now: Date, earlier: Date | undefined): Date {
  return earlier === undefined || earlier < now ? now : new Date(earlier.getTime() + 1);
}

/**
 * A cleanup that starts from here on finds the record. One that is under way may have read the records before.
 *
 * @throws StorageError when the backup is gone
 */
async function watchForCleanup(repository: Repository, id: string, { log }: World): Promise<void> {
  const cleanup = (await listLocks(repository)).find(({ content }) => content?.operation === 'cleanup');
  if ((await readIfPresent(repository, id)) === undefined) {
    throw new StorageError(
      `backup ${id} was removed from ${repository.storage.location} while it was being pinned`,
      'Pin another one; `list` shows what is left.',
    );
  }
  if (cleanup) {
    log.warn(
      `a cleanup (${cleanup.content?.holder}) may be under way that does not know of this pin yet; see with \`list\` that ${id} is there when it has ended`,
    );
  }
}

function describe(id: string, what: string, consequence: string): Outcome {
  return {
    exitCode: 0,
    outputs: { 'backup-id': id },
    report: [
      { kind: 'heading', text: `Backup ${id} ${what}` },
      { kind: 'paragraph', text: consequence },
    ],
  };
}
