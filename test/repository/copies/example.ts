import { randomBytes } from 'node:crypto';
import type { Manifest } from '../../../src/format/manifest.ts';
import { writeManifest } from '../../../src/repository/backups/manifests.ts';
import type { Segment } from '../../../src/repository/changes/segments.ts';
import { writeSegment } from '../../../src/repository/changes/segments.ts';
import { createEncoder } from '../../../src/repository/objects/codec.ts';
import { Inventory } from '../../../src/repository/objects/inventory.ts';
import { createNaming, ObjectWriter } from '../../../src/repository/objects/store.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { ForeignValueError, type Storage } from '../../../src/storage/storage.ts';
import { makeChain } from '../changes-example.ts';
import { makeManifest } from '../example.ts';

/** Stores objects with random rows in a repository. */
export async function storeObjects(repository: Repository, count: number): Promise<Manifest['objects']> {
  const contents = {
    inventory: Inventory.askEach(repository.storage),
    known: new Map(),
    suspects: new Map(),
  };
  const naming = createNaming(repository.key, []);
  const writer = new ObjectWriter(repository.storage, naming, createEncoder([], 1), contents);
  const objects: Manifest['objects'] = [];
  for (let index = 0; index < count; index++) objects.push(await writer.store(randomBytes(300)));
  return objects;
}

/** Stores a backup whose objects are there, and whose tables are of no interest. */
export async function storeBackup(
  repository: Repository,
  id: string,
  objects: Manifest['objects'],
): Promise<Manifest> {
  const added = objects.reduce((sum, { stored }) => sum + stored, 0);
  const manifest = makeManifest({
    ...{ id, objects, tables: [], archive: { bytes: 0, objects: [] } },
    totals: { rows: 0, bytes: 0, stored: added, added },
  });
  await writeManifest(repository, manifest);
  return manifest;
}

/** Stores a segment of captured changes for each hour. */
export async function storeChanges(repository: Repository, hours: readonly number[]): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const segment of makeChain(hours)) {
    const whole = { ...segment, objects: await storeObjects(repository, 1) };
    await writeSegment(repository, whole);
    segments.push(whole);
  }
  return segments;
}

/** Everything that is stored, by key, without what is of one place alone. */
export async function contentOf(storage: Storage): Promise<Map<string, string>> {
  const found: [string, string][] = [];
  for await (const { key } of storage.list('')) {
    if (/^(locks|probe|garbage)\//.test(key)) continue;
    found.push([key, await readOrWhy(storage, key)]);
  }
  return new Map(found.sort(([one], [other]) => (one < other ? -1 : 1)));
}

async function readOrWhy(storage: Storage, key: string): Promise<string> {
  try {
    return (await storage.get(key, 1_000_000)).toString('base64');
  } catch (error) {
    if (error instanceof ForeignValueError) return error.how;
    throw error;
  }
}

/** Changes one byte of a value. */
export async function spoil(storage: Storage, key: string): Promise<void> {
  const bytes = await storage.get(key, 1_000_000);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await storage.put(key, bytes);
}
