import { IntegrityError } from '../errors.ts';
import type { BackupInputs } from '../inputs.ts';
import { listBackupIds, readManifest } from '../repository/backups.ts';
import type { Doubted } from '../repository/doubts.ts';
import type { Manifest, StoredObject } from '../repository/manifest.ts';
import { objectKey } from '../repository/objects.ts';
import type { Repository } from '../repository/repository.ts';
import type { StoredValue } from '../storage/storage.ts';
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
  const stored = await findObjects(repository, manifest);
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

/** What is there of the objects of one backup, by key: one listing, instead of a question for each. */
async function findObjects(repository: Repository, manifest: Manifest): Promise<Map<string, StoredValue>> {
  const wanted = new Set(manifest.objects.map((object) => objectKey(object.name)));
  const found = new Map<string, StoredValue>();
  for await (const value of repository.storage.list('objects/')) {
    if (wanted.has(value.key)) found.set(value.key, value);
  }
  return found;
}
