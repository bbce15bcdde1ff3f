import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Manifest } from '../repository/manifest.ts';
import type { ObjectReader } from '../repository/objects.ts';
import type { World } from '../world.ts';

/** Writes the archive to a file, because pg_restore moves about in it. It is removed with the temporary folder. */
export async function fetchArchive(manifest: Manifest, reader: ObjectReader, world: World): Promise<string> {
  const file = path.join(world.temporaryFolder, `${manifest.id}.dump`);
  await using handle = await open(file, 'wx', 0o600);
  for (const index of manifest.archive.objects) {
    const object = manifest.objects[index];
    if (!object) throw new Error(`the manifest has no object ${index}`);
    await handle.writeFile(await reader.read(object));
  }
  return file;
}
