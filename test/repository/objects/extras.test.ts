import { randomBytes } from 'node:crypto';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Manifest, StoredObject } from '../../../src/format/manifest.ts';
import { parseRootKey, writeRootKey } from '../../../src/format/root-key.ts';
import { gatherUses } from '../../../src/operations/validate/object-uses.ts';
import { manifestKey, readManifest, writeManifest } from '../../../src/repository/backups/manifests.ts';
import { mirrorTo } from '../../../src/repository/copies/mirror.ts';
import { createEncoder } from '../../../src/repository/objects/codec.ts';
import { listExtras, readCarriedRootKey } from '../../../src/repository/objects/extras.ts';
import { Inventory } from '../../../src/repository/objects/inventory.ts';
import {
  createNaming,
  createReader,
  ObjectWriter,
  objectKey,
} from '../../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../../src/repository/open.ts';
import { lockForRemoval, markGarbage } from '../../../src/repository/prune/prune.ts';
import { removeBackups } from '../../../src/repository/prune/removal.ts';
import { IntegrityError } from '../../../src/runtime/errors.ts';
import { createContext } from '../../support/context.ts';
import { rootKeys } from '../../support/fake-management.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { ScriptedStorage } from '../../support/scripted-storage.ts';
import { spoil } from '../copies/example.ts';
import { createRepository, makeManifest } from '../example.ts';

const key = { project: 'abcdefghijklmnopqrst', value: rootKeys.own };
let identity: string;
let recipient: string;
let storage: MemoryStorage;
let repository: Repository;
beforeAll(async () => {
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});
beforeEach(async () => {
  storage = new MemoryStorage();
  repository = await createRepository(storage);
});

/** Stores contents; those of `extras` nothing refers to. */
async function store(id: string, archived: readonly Buffer[], extras: readonly Buffer[]): Promise<Manifest> {
  const contents = { inventory: Inventory.askEach(storage), known: new Map(), suspects: new Map() };
  const naming = createNaming(repository.key, [recipient]);
  const writer = new ObjectWriter(storage, naming, createEncoder([recipient], 1), contents);
  const objects: StoredObject[] = [];
  for (const content of [...archived, ...extras]) objects.push(await writer.store(content));
  const bytes = archived.reduce((sum, { length }) => sum + length, 0);
  const manifest = makeManifest({
    ...{ id, objects, tables: [], archive: { bytes, objects: [...archived.keys()] } },
    encryption: { scheme: 'age', recipients: [recipient] },
  });
  await writeManifest(repository, manifest);
  return readManifest(repository, id);
}

const read = (manifest: Manifest, from = repository) =>
  readCarriedRootKey(manifest, createReader(from, manifest, [identity]));

const ids = ['20261120T021700Z-0001', '20261121T021700Z-0001'] as const;
const archive = randomBytes(2000);
const newer = Buffer.from('{"kind":"of a later version"}\n');

describe("Vault's root key in a backup", () => {
  it('is read back as it was written, and nothing else is taken for it', () => {
    const letters = fc.string({ minLength: 20, maxLength: 20, unit: fc.constantFrom(...'abcxyz') });
    const values = fc.base64String({ minLength: 16, maxLength: 200 });
    fc.assert(
      fc.property(letters, values, (project, value) => {
        expect(parseRootKey(writeRootKey({ project, value }))).toEqual({ project, value });
      }),
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => parseRootKey(Buffer.from(bytes)) === undefined));
  });

  it('is the object that nothing refers to, beside others of later versions', async () => {
    const manifest = await store(ids[0], [archive], [newer, writeRootKey(key)]);
    expect(listExtras(manifest)).toEqual([1, 2]);
    expect(await read(manifest)).toEqual(key);
    expect(await read(await store(ids[1], [archive, writeRootKey(key)], [newer]))).toBeUndefined();
  });

  it('is none where the backup is said to be in the clear', async () => {
    const manifest = await store(ids[0], [archive], [writeRootKey(key)]);
    const reader = createReader(repository, manifest, [identity]);
    expect(await readCarriedRootKey({ ...manifest, encryption: { scheme: 'none' } }, reader)).toBeUndefined();
  });

  it('goes into a copy, which has it when the first place is gone', async () => {
    await store(ids[0], [archive], [writeRootKey(key)]);
    const copy = new ScriptedStorage();
    const options = { whole: true, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } };
    await mirrorTo(repository, { name: 'second', storage: copy }, options, createContext({ now: copy.now }));
    const opened = await openRepository(copy, undefined);
    expect(await read(await readManifest(opened, ids[0]), opened)).toEqual(key);
  });

  it('stays as long as a backup has it, and is garbage then', async () => {
    const first = await store(ids[0], [archive], [writeRootKey(key)]);
    await store(ids[1], [archive], []);
    const { signal } = new AbortController();
    const context = {
      ...createContext({ now: () => new Date() }),
      ...{ holder: { id: 'a test', name: 'a test' }, gracePeriod: 0, sweepWaitSeconds: 0 },
    };
    const prune = async (removed: readonly string[]) => {
      const lock = await lockForRemoval(repository, context);
      await removeBackups(repository, removed, signal, () => undefined);
      const { marked } = await markGarbage(repository, context);
      await lock.release();
      return marked.reduce((sum, { objects }) => sum + objects, 0);
    };
    expect(await prune([])).toBe(0);
    expect(await prune([first.id])).toBe(1);
    expect(await storage.stat(manifestKey(first.id))).toBeUndefined();
  });

  it('is damage of its backup when its object is damaged, and is named', async () => {
    const manifest = await store(ids[0], [archive], [writeRootKey(key)]);
    const name = manifest.objects[1]?.name ?? '';
    expect([...gatherUses([manifest], []).values()].map(({ parts }) => parts[0]?.part)).toEqual([
      'schema archive',
      'extra object',
    ]);
    await spoil(storage, objectKey(name));
    await expect(read(manifest)).rejects.toThrow(IntegrityError);
  });
});
