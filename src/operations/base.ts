import { IntegrityError } from '../errors.ts';
import type { BackupInputs } from '../inputs.ts';
import { listBackupIds, readManifest } from '../repository/backups.ts';
import type { Doubted } from '../repository/doubts.ts';
import type { Manifest, StoredObject } from '../repository/manifest.ts';
import { objectKey } from '../repository/objects.ts';
import type { Repository } from '../repository/repository.ts';
import type { StoredValue } from '../storage/storage.ts';
import { drain, runWorkers } from '../workers.ts';
import type { World } from '../world.ts';

/** What an incremental backup builds upon, or why there is nothing. */
export type Base =
  | { readonly manifest: Manifest; readonly isStored: (object: StoredObject) => boolean }
  | { readonly manifest: undefined; readonly why: string };

/**
 * Finds the newest backup with rows whose manifest is intact, and sees which of its objects are still stored in their full length: what
 * was lost is read again, so that no new backup inherits a hole.
 */
export async function findBase(
  inputs: BackupInputs,
  repository: Repository,
  damaged: Doubted,
  world: World,
): Promise<Base> {
  const manifest = await findNewest(repository, world);
  if (manifest === undefined) return { manifest, why: 'there is no backup to build upon' };
  const { encryption } = manifest;
  const recipients = encryption.scheme === 'age' ? encryption.recipients : [];
  if (recipients.toSorted().join(' ') !== inputs.encryptionRecipients.toSorted().join(' ')) {
    return { manifest: undefined, why: `backup ${manifest.id} is encrypted for others` };
  }
  const stored = await findObjects(repository, manifest, world.signal);
  return {
    manifest,
    isStored({ name, stored: size }) {
      const found = stored.get(objectKey(name));
      const damagedAt = damaged.get(name);
      return found?.size === size && (damagedAt === undefined || found.modifiedAt > damagedAt);
    },
  };
}

async function findNewest(repository: Repository, world: World): Promise<Manifest | undefined> {
  for (const id of (await listBackupIds(repository)).toReversed()) {
    try {
      const manifest = await readManifest(repository, id);
      if (manifest.kind !== 'schema') return manifest;
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      world.log.warn(`${error.message}; it is not built upon`);
    }
  }
  return undefined;
}

/** Questions asked at once */
const askers = 32;

/**
 * What is there of the objects of one backup, by key. A listing tells a thousand at a time, so it is asked first; where a repository
 * holds far more than this backup, the rest is asked for one by one.
 */
async function findObjects(
  repository: Repository,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Map<string, StoredValue>> {
  const { storage } = repository;
  const missing = new Set(manifest.objects.map((object) => objectKey(object.name)));
  const found = new Map<string, StoredValue>();
  let left = 10_000 + 4 * missing.size;
  for await (const value of storage.list('objects/')) {
    if (missing.delete(value.key)) found.set(value.key, value);
    if (missing.size === 0 || --left === 0) break;
  }
  if (left > 0) return found;
  const queue = [...missing];
  await runWorkers(Math.min(askers, queue.length), signal, async (stop) => {
    for (const key of drain(queue)) {
      stop.throwIfAborted();
      const value = await storage.stat(key);
      if (value !== undefined) found.set(key, value);
    }
  });
  return found;
}
