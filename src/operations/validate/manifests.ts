import type { Manifest } from '../../format/manifest.ts';
import { chooseBackup } from '../../repository/backups/choose.ts';
import { listManifests, readIfPresent } from '../../repository/backups/manifests.ts';
import { refuseUnknownId, resolveChoice } from '../../repository/backups/named.ts';
import type { Repository } from '../../repository/open.ts';
import { SealedReading } from '../../repository/signature.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';

/** How many manifests are read at once. */
const readers = 16;

/**
 * Reads the manifests that a validation covers, oldest first.
 *
 * @param choice an id or its beginning, `latest` or `all`
 * @param onDamaged called for each manifest that cannot be trusted
 */
export async function readManifests(
  repository: Repository,
  choice: string,
  onDamaged: (id: string, error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Manifest[]> {
  if (choice === 'latest') {
    return [await chooseBackup(repository, choice, (error, id) => onDamaged(id, error))];
  }
  if (choice !== 'all') return readChosen(repository, choice, onDamaged);
  const listing = await listManifests(repository);
  const ids = [...listing.keys()].sort();
  const manifests = new Map<string, Manifest>();
  const reading = new SealedReading();
  const queue = ids.values();
  await runWorkers(Math.min(readers, ids.length), signal, async (stop) => {
    for (const id of queue) {
      stop.throwIfAborted();
      try {
        const size = listing.get(id)?.size;
        // A cleanup may have removed the manifest since the listing.
        const manifest = await reading.next('manifest', size, () => readIfPresent(repository, id));
        if (manifest) manifests.set(id, manifest);
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        onDamaged(id, error);
      }
    }
  });
  return ids.flatMap((id) => manifests.get(id) ?? []);
}

async function readChosen(
  repository: Repository,
  choice: string,
  onDamaged: (id: string, error: IntegrityError) => void,
): Promise<Manifest[]> {
  const id = await resolveChoice(repository, choice);
  try {
    const manifest = await readIfPresent(repository, id);
    if (manifest) return [manifest];
    throw await refuseUnknownId(repository, id);
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    onDamaged(id, error);
    return [];
  }
}
