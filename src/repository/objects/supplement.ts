import { constants } from 'node:buffer';
import type { Manifest } from '../../format/manifest.ts';
import { parseSupplement, type Supplement } from '../../format/supplement.ts';
import { IntegrityError, messageOf } from '../../runtime/errors.ts';
import type { ObjectReader } from './store.ts';

/**
 * Reads the supplement of a backup.
 *
 * @throws IntegrityError when it does not match this format
 */
export async function readSupplement(manifest: Manifest, reader: ObjectReader): Promise<Supplement> {
  const objects = manifest.supplement.objects.map((index) => {
    const object = manifest.objects[index];
    if (!object) throw new Error(`the manifest has no object ${index}`);
    return object;
  });
  const size = objects.reduce((sum, { bytes }) => sum + bytes, 0);
  if (size > constants.MAX_STRING_LENGTH) {
    throw new IntegrityError(
      `backup ${manifest.id}: its supplement has ${size} bytes; the limit is ${constants.MAX_STRING_LENGTH}`,
      'Restore another backup; `validate` shows which are intact.',
    );
  }
  const pieces: Buffer[] = [];
  for (const object of objects) pieces.push(await reader.read(object));
  try {
    return parseSupplement(Buffer.concat(pieces));
  } catch (cause) {
    throw new IntegrityError(
      `backup ${manifest.id}: its supplement cannot be read: ${messageOf(cause)}`,
      'Restore another backup; `validate` shows which are intact.',
      cause,
    );
  }
}
