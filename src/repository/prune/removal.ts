import { append } from '../../runtime/lists.ts';
import { type Purge, RetainedError, type RetainedValue } from '../../storage/storage.ts';
import { day } from '../../values/duration.ts';
import { stampOf } from '../../values/timed-id.ts';
import { listBackupIds, manifestKey } from '../backups/manifests.ts';
import { listRecords } from '../listed-records.ts';
import type { Repository } from '../open.ts';

/**
 * Keys per call of `delete`, as many as an S3 request takes. A sweep that loses its lock stops in between.
 */
export const deleteBatch = 1000;

/** How many manifests are deleted at once, oldest first: when a run ends early, the newest ones are left. */
const manifestBatch = 100;

/** Keys of probes: of a bucket, and of a folder */
const probePattern = /^probe(\/[0-9a-f-]+|-[0-9a-f-]{36})$/;

/** A probe takes seconds. */
const probeLifetimeMs = day;

/** A value that the storage did not delete */
export interface Retained extends RetainedValue {
  /** Whether the storage confirmed the deletion and still lists the value */
  readonly confirmed?: boolean;
}

/**
 * Removes keys permanently, as far as the storage permits it with these credentials, and returns what became
 * of the others.
 */
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

/** The result of removing manifests or segments. */
export interface Removal {
  /** Ids of backups, or keys of segments */
  readonly removed: readonly string[];
  /** The keys of those whose bytes the storage keeps as versions */
  readonly hidden: readonly string[];
  readonly retained: readonly Retained[];
  /** How many versions that the storage kept of them were removed */
  readonly versions: number;
}

/**
 * Deletes manifests in the given order, and with them the backups; their objects stay.
 *
 * @param onRemoved receives each part as soon as it is done, so the removals are known even when a later part
 * fails
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
      retained: [...purge.retained, ...undone.map((id) => toRetained(manifestKey(id)))],
    });
  }
}

/** Describes a value whose deletion the storage confirmed and that it still lists. */
export function toRetained(key: string): Retained {
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

/** Removes the files of probes that were killed, or could not delete them. */
export async function removeProbes(repository: Repository, storeNow: Date): Promise<void> {
  const left: string[] = [];
  for await (const { key, modifiedAt } of repository.storage.list('probe')) {
    if (probePattern.test(key) && storeNow.getTime() - modifiedAt.getTime() > probeLifetimeMs) left.push(key);
  }
  await removeKeys(repository, left);
}

/** How many months the records of runs are kept: an audit asks for those of a year. */
const keptMonths = 13;

/** Removes the records of runs that are too old. Those that the storage retains are tried again next time. */
export async function removeOldRuns(repository: Repository, now: Date): Promise<void> {
  const before = new Date(now);
  before.setUTCMonth(before.getUTCMonth() - keptMonths);
  const oldest = stampOf(before);
  const runs = await listRecords(repository, 'runs');
  const outdated = runs.filter(({ id }) => id < oldest).map(({ id }) => `records/runs/${id}.json`);
  for (let at = 0; at < outdated.length; at += deleteBatch) {
    await removeKeys(repository, outdated.slice(at, at + deleteBatch));
  }
}
