import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import zlib from 'node:zlib';
import type { Manifest } from '../src/format/manifest.ts';
import { writeManifest } from '../src/repository/backups/manifests.ts';
import type { Encode } from '../src/repository/objects/codec.ts';
import { Inventory } from '../src/repository/objects/inventory.ts';
import { createNaming, ObjectWriter } from '../src/repository/objects/store.ts';
import { openForBackup, type Repository } from '../src/repository/open.ts';
import { runWorkers } from '../src/runtime/workers.ts';
import { FileStorage } from '../src/storage/file.ts';
import { storageLanes } from '../src/storage/storage.ts';
import { onlyMaker, source } from '../test/repository/example.ts';
import { presentContext } from '../test/support/context.ts';
import { makeManifest, type ShelfSize } from './shelf.ts';

/** Of text in an object, which takes half as much when it is compressed: a file of the smallest size that a disk knows */
const plainBytes = 800;

const hour = 3_600_000;

/**
 * Makes a repository of many full backups of many small objects, all of which are there: content of its own in each,
 * compressed, named, stored and sealed by what stores a backup's. Nothing is flushed, which would take most of the
 * time.
 */
export async function writeMirrored(folder: string, { backups, objects }: ShelfSize): Promise<void> {
  const storage = new UnflushedFolder(folder);
  const repository = await openForBackup(storage, undefined, source, new Date(), onlyMaker);
  const { signal } = new AbortController();
  // Of an empty place, so that no object is asked for.
  const inventory = await Inventory.take(storage, 1, signal);
  for (let age = backups; age >= 1; age--) {
    const at = new Date(Date.now() - age * hour);
    const stored = await storeObjects(repository, inventory, objects);
    await writeManifest(repository, makeManifest(at, source, stored));
  }
}

async function storeObjects(
  { storage, key }: Repository,
  inventory: Inventory,
  count: number,
): Promise<Manifest['objects']> {
  const contents = { inventory, known: new Map(), suspects: new Map() };
  const writer = new ObjectWriter(storage, createNaming(key, []), encode, contents);
  const objects: Manifest['objects'] = [];
  const queue = Array.from({ length: count }).keys();
  await runWorkers(storageLanes, new AbortController().signal, async () => {
    for (const _ of queue)
      objects.push(await writer.store(Buffer.from(randomBytes(plainBytes / 2).toString('hex'))));
  });
  return objects;
}

/** As the encoder of a backup has it, on this thread: a million times, the way to another one takes most of the time. */
const encode: Encode = async (plaintext) =>
  zlib.zstdCompressSync(plaintext, {
    chunkSize: 4096,
    params: { [zlib.constants.ZSTD_c_compressionLevel]: 1, [zlib.constants.ZSTD_c_checksumFlag]: 1 },
    pledgedSrcSize: plaintext.length,
  });

/** A folder whose values are written as any program writes a file. */
class UnflushedFolder extends FileStorage {
  readonly #folder: string;
  readonly #made = new Set<string>();

  constructor(folder: string) {
    super(folder, presentContext);
    this.#folder = folder;
  }

  override async put(key: string, value: Uint8Array): Promise<void> {
    this.#write(key, value, 'w');
  }

  override async create(key: string, value: Uint8Array): Promise<boolean> {
    try {
      this.#write(key, value, 'wx');
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  #write(key: string, value: Uint8Array, flag: 'w' | 'wx'): void {
    const path = join(this.#folder, key);
    if (!this.#made.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    this.#made.add(dirname(path));
    writeFileSync(path, value, { flag, mode: 0o600 });
  }
}

/** The objects in a folder, by a look at the names alone. */
export function countObjects(folder: string): number {
  const objects = join(folder, 'objects');
  try {
    return readdirSync(objects).reduce((sum, name) => sum + readdirSync(join(objects, name)).length, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
