import type { Manifest, StoredObject } from '../../format/manifest.ts';
import { parseRootKey, type RootKey, rootKeySize } from '../../format/root-key.ts';
import type { ObjectReader } from './store.ts';

/*
 * Objects of a backup to which neither the archive, nor the supplement, nor a table refers (docs/format.md). A
 * copy has them, a cleanup keeps them with the backup, and a reader that does not know them passes over them.
 */

/** Lists the indexes of such objects in `objects`. */
export function listExtras({ objects, archive, supplement, tables }: Manifest): number[] {
  const used = new Set([...archive.objects, ...supplement.objects]);
  for (const { ranges } of tables) {
    for (const { pieces } of ranges) for (const { object } of pieces) used.add(object);
  }
  return [...objects.keys()].filter((index) => !used.has(index));
}

/**
 * Reads Vault's root key.
 *
 * @returns undefined when the backup does not carry it
 * @throws IntegrityError when its object is missing or damaged
 */
export async function readCarriedRootKey(
  manifest: Manifest,
  reader: ObjectReader,
): Promise<RootKey | undefined> {
  // In the clear there is none, whatever such an object holds.
  if (manifest.encryption.scheme === 'none') return undefined;
  for (const index of listExtras(manifest)) {
    const object = manifest.objects[index] as StoredObject;
    const key = object.bytes > rootKeySize ? undefined : parseRootKey(await reader.read(object));
    if (key !== undefined) return key;
  }
  return undefined;
}
