import { open, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Manifest } from '../../format/manifest.ts';
import type { Context } from '../../runtime/context.ts';
import { StorageError } from '../../runtime/errors.ts';
import type { ObjectReader } from './store.ts';

/** Writes the archive to a file, because pg_restore seeks. It is removed with the temporary folder. */
export async function fetchArchive(
  manifest: Manifest,
  reader: ObjectReader,
  context: Context,
): Promise<string> {
  await assertRoom(manifest, context.temporaryFolder);
  const file = path.join(context.temporaryFolder, `${manifest.id}.dump`);
  await using handle = await open(file, 'wx', 0o600);
  for (const index of manifest.archive.objects) {
    const object = manifest.objects[index];
    if (!object) throw new Error(`the manifest has no object ${index}`);
    await handle.writeFile(await reader.read(object));
  }
  return file;
}

/**
 * Checks for free space first: a full disk harms everything else on the machine, and the author of the backup
 * determines the size of the archive.
 */
async function assertRoom({ id, archive }: Manifest, folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (archive.bytes < bavail * bsize) return;
  throw new StorageError(
    `the archive of backup ${id} needs ${archive.bytes} bytes in ${folder}, but only ${bavail * bsize} are free`,
    'Free space there, or set RUNNER_TEMP or TMPDIR to a folder with more space.',
  );
}
