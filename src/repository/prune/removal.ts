import { append } from '../../runtime/lists.ts';
import { type Purge, RetainedError, type RetainedValue } from '../../storage/storage.ts';
import { day } from '../../values/duration.ts';
import { listBackupIds, manifestKey } from '../backups/manifests.ts';
import type { Repository } from '../open.ts';

/** Keys of one call to `delete`: what an S3 request takes. A lost lock stops the sweep before the next call. */
export const deleteBatch = 1000;

/** Manifests that go at once: the oldest first, so that it is the newest of them that are left when a run ends early. */
const manifestBatch = 100;

/** Keys of probes: of a bucket, and of a folder */
const probePattern = /^probe(\/[0-9a-f-]+|-[0-9a-f-]{36})$/;

/** A probe takes seconds. */
const probeLifetimeMs = day;

/** Something that the storage did not let go */
export interface Retained extends RetainedValue {
  /** Whether it confirmed that it is gone, and shows it all the same */
  readonly confirmed?: boolean;
}

/** Removes keys for good, as far as the storage lets these credentials do that, and tells what became of the others. */
export async function removeKeys({ storage }: Repository, keys: readonly string[]): Promise<Purge> {
  if (keys.length === 0) return { hidden: [], retained: [], versions: 0 };
  if (storage.purge) return storage.purge(keys);
  try {
    await storage.delete(keys);
    return { hidden: [], retained: [], versions: 0 };
  } catch (error) {
    if (!(error instanceof RetainedError)) throw error;
    const retained = error.keys.map((key) => ({ key, until: undefined }));
    return { hidden: [], retained, versions: 0 };
  }
}

/** What became of manifests or segments that were to go. */
export interface Removal {
  /** Ids of backups, or keys of segments */
  readonly removed: readonly string[];
  /** Of these, the keys whose bytes the storage keeps as versions */
  readonly hidden: readonly string[];
  readonly retained: readonly Retained[];
  /** How many versions that the storage kept of them are gone */
  readonly versions: number;
}

/**
 * Deletes manifests in the order given, and with them the backups; their objects stay.
 *
 * @param onRemoved told of each part as soon as it is done: whatever ends the rest, what is gone is known
 */
export async function removeBackups(
  repository: Repository,
  ids: readonly string[],
  signal: AbortSignal,
  onRemoved: (removal: Removal) => void,
): Promise<void> {
  for (let at = 0; at < ids.length; at += manifestBatch) {
    signal.throwIfAborted();
    const batch = ids.slice(at, at + manifestBatch);
    let purge: Purge;
    try {
      purge = await removeKeys(repository, batch.map(manifestKey));
    } catch (error) {
      const listed = new Set(await listBackupIds(repository));
      onRemoved({ removed: batch.filter((id) => !listed.has(id)), hidden: [], retained: [], versions: 0 });
      throw error;
    }
    const listed = new Set(await listBackupIds(repository));
    const kept = new Set(purge.retained.map(({ key }) => key));
    const undone = batch.filter((id) => listed.has(id) && !kept.has(manifestKey(id)));
    onRemoved({
      removed: batch.filter((id) => !listed.has(id)),
      hidden: purge.hidden,
      versions: purge.versions,
      retained: [...purge.retained, ...undone.map((id) => describeUndone(manifestKey(id)))],
    });
  }
}

/** What a storage has confirmed to be gone, and shows all the same */
export function describeUndone(key: string): Retained {
  return { key, until: undefined, confirmed: true };
}

/** Deletes headers of segments; their objects stay. */
export async function removeSegments(
  repository: Repository,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Removal> {
  const hidden: string[] = [];
  const retained: Retained[] = [];
  let versions = 0;
  for (let at = 0; at < keys.length; at += deleteBatch) {
    signal.throwIfAborted();
    const purge = await removeKeys(repository, keys.slice(at, at + deleteBatch));
    append(hidden, purge.hidden);
    append(retained, purge.retained);
    versions += purge.versions;
  }
  const kept = new Set(retained.map(({ key }) => key));
  return { removed: keys.filter((key) => !kept.has(key)), hidden, retained, versions };
}

/** Removes what probes have left that were killed, or could not delete it. */
export async function removeProbes(repository: Repository, storeNow: Date): Promise<void> {
  const left: string[] = [];
  for await (const { key, modifiedAt } of repository.storage.list('probe')) {
    if (probePattern.test(key) && storeNow.getTime() - modifiedAt.getTime() > probeLifetimeMs) left.push(key);
  }
  await removeKeys(repository, left);
}
