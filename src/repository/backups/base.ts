import type { Manifest, StoredObject } from '../../format/manifest.ts';
import type { PackingInputs } from '../../interface/inputs/shared-types.ts';
import type { Inventory } from '../objects/inventory.ts';
import { objectKey } from '../objects/store.ts';
import type { SuspectObjects } from '../prune/suspects.ts';

/** The manifest that an incremental backup builds upon, or the reason why there is none. */
export type Base =
  | { readonly manifest: Manifest; readonly isStored: (object: StoredObject) => boolean }
  | { readonly manifest: undefined; readonly why: string };

/**
 * Decides whether a backup can be built upon, and which of its objects are still stored in their full length:
 * ranges of lost objects are read again, so no new backup inherits a hole.
 *
 * @param manifest of the newest intact backup with rows
 */
export async function findBase(
  inputs: Pick<PackingInputs, 'encryptionRecipients'>,
  manifest: Manifest | undefined,
  inventory: Inventory,
  damaged: SuspectObjects,
  signal: AbortSignal,
): Promise<Base> {
  if (manifest === undefined) return { manifest, why: 'there is no backup to build on' };
  const { encryption, objects } = manifest;
  const recipients = encryption.scheme === 'age' ? encryption.recipients : [];
  if (recipients.toSorted().join(' ') !== inputs.encryptionRecipients.toSorted().join(' ')) {
    return { manifest: undefined, why: `backup ${manifest.id} is encrypted for others` };
  }
  const stored = await inventory.lookForAll(
    objects.map(({ name }) => objectKey(name)),
    signal,
  );
  return {
    manifest,
    isStored({ name, stored: size }) {
      const found = stored.get(objectKey(name));
      const damagedAt = damaged.get(name);
      return found?.size === size && (damagedAt === undefined || found.modifiedAt > damagedAt);
    },
  };
}
