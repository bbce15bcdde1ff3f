import { zstdCompressSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/format/manifest.ts';
import { readCatalog } from '../../../src/repository/backups/catalog.ts';
import { listManifests, manifestKey, writeManifest } from '../../../src/repository/backups/manifests.ts';
import { completeOutlines } from '../../../src/repository/backups/outlines.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { sealContent } from '../../../src/repository/signature.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { ScriptedStorage } from '../../support/scripted-storage.ts';
import { createRepository, makeManifest } from '../example.ts';

const file = 'outlines.json';
const { signal } = new AbortController();
const log = { debug: () => {} };
let storage: ScriptedStorage;
let repository: Repository;
let damaged: string[];
beforeEach(async () => {
  storage = new ScriptedStorage();
  repository = await createRepository(storage);
  damaged = [];
});

const idAt = (minute: number) =>
  `20261120T${String(Math.floor(minute / 60)).padStart(2, '0')}${String(minute % 60).padStart(2, '0')}00Z-0000`;
const read = () => readCatalog(repository, { onDamaged: (error) => damaged.push(error.message) });

/** As a backup does it, and the next one */
async function add(minute: number, overrides: Partial<Manifest> = {}): Promise<void> {
  await writeManifest(repository, makeManifest({ id: idAt(minute), ...overrides }));
  await complete();
}

const complete = async () =>
  completeOutlines(repository, await listManifests(repository), new Map(), log, signal);

async function addAll(amount: number): Promise<void> {
  for (let minute = 0; minute < amount; minute++) await add(minute);
}

/** Keys that were read meanwhile */
async function readsOf(work: () => Promise<unknown>): Promise<string[]> {
  storage.calls.length = 0;
  await work();
  return storage.calls.filter(({ method }) => method === 'get').map(({ key }) => key);
}

describe('the outlines of all backups', () => {
  it.each([1, 40])(
    'of %i backups are read in one file, by as many calls whatever their number',
    async (amount) => {
      await addAll(amount);
      expect(await readsOf(read)).toEqual([file]);
      expect(storage.calls).toHaveLength(5);
      expect((await read()).backups).toHaveLength(amount);
    },
  );

  it('tell what the manifests would', async () => {
    await add(1, { kind: 'incremental', base: idAt(0), pin: true, label: 'Umzug – "ü" 🎉' });
    await add(2);
    const catalog = await read();
    await storage.delete([file]);
    expect(catalog).toEqual(await read());
  });

  it('are made whole by a backup when they are missing, or another run has replaced them', async () => {
    await addAll(3);
    await storage.delete([file]);
    await add(3);
    expect(await readsOf(read)).toEqual([file]);
  });

  it('forget a backup that is gone', async () => {
    await addAll(2);
    await storage.delete([manifestKey(idAt(0))]);
    expect((await read()).backups.map(({ id }) => id)).toEqual([idAt(1)]);
  });

  it('count for nothing where a manifest was written since: it is read, and found damaged', async () => {
    await addAll(3);
    const whole = await storage.read(manifestKey(idAt(1)));
    whole[100] = (whole[100] as number) ^ 1;
    await storage.age('backups/', 5000);
    await add(3);
    await storage.put(manifestKey(idAt(1)), whole);
    const keys = await readsOf(async () => {
      const catalog = await read();
      expect(catalog.damaged.map(({ id }) => id)).toEqual([idAt(1)]);
      expect(catalog.backups).toHaveLength(3);
    });
    expect(new Set(keys)).toEqual(new Set([file, manifestKey(idAt(1))]));
    expect(damaged).toEqual([expect.stringContaining(manifestKey(idAt(1)))]);
  });

  it('count for nothing in a copy whose files have other times', async () => {
    await addAll(3);
    await storage.age('backups/', 60_000);
    expect(await readsOf(read)).toHaveLength(4);
    expect((await read()).backups).toHaveLength(3);
    expect(damaged).toEqual([]);
  });

  it.each([
    ['no JSON', () => Buffer.from('{}')],
    ['of another kind', () => sealContent(repository, 'manifest', makeManifest())],
    [
      'of another repository with the same key',
      () => sealContent({ ...repository, id: 'f'.repeat(32) }, 'outlines', content('f'.repeat(32), '[]')),
    ],
    ['of no outlines', () => sealContent(repository, 'outlines', content(repository.id, '[{"size":1}]'))],
    [
      'of no zstd',
      () => sealContent(repository, 'outlines', { ...content(repository.id, ''), outlines: 'AAAA' }),
    ],
  ])('are told and passed over when the file is %s', async (_what, forge) => {
    await addAll(2);
    const sound = await read();
    await storage.put(file, forge());
    expect(await read()).toEqual(sound);
    expect(damaged).toEqual([expect.stringMatching(/^outlines\.json: /)]);
    await add(2);
    expect(await readsOf(read)).toEqual([file]);
  });

  it('of format 1, as they were kept before there was format 2, tell the purpose all the same', async () => {
    const [safety, own] = [ofFormat1(1, 'before restore of 20261120T021700Z-7f3a'), ofFormat1(2, 'v1')];
    for (const { id, bytes } of [safety, own]) await storage.put(manifestKey(id), bytes);
    const listing = await listManifests(repository);
    const entries = [safety, own].map(({ id, outline }) => ({ ...listing.get(id), outline }));
    const kept = content(repository.id, JSON.stringify(entries));
    await storage.put(file, sealContent(repository, 'outlines', kept));
    expect(await readsOf(read)).toEqual([file]);
    const catalog = await read();
    expect(catalog.backups.map(({ id, purpose }) => [id, purpose]).sort()).toEqual([
      [safety.id, 'safety'],
      [own.id, 'ordinary'],
    ]);
    await storage.delete([file]);
    expect(await read()).toEqual(catalog);
    await add(3);
    expect(await readsOf(read)).toEqual([file]);
    expect((await read()).backups.map(({ purpose }) => purpose).sort()).toEqual([
      'ordinary',
      'ordinary',
      'safety',
    ]);
    expect(damaged).toEqual([]);
  });

  it('of a damaged manifest are not kept', async () => {
    await add(1);
    await storage.put(manifestKey(idAt(2)), Buffer.from('{}'));
    await add(3);
    expect((await read()).damaged.map(({ id }) => id)).toEqual([idAt(2)]);
    expect((await listManifests(repository)).size).toBe(3);
  });

  it('end no backup when the storage does not take them', async () => {
    await add(1);
    storage.before = ({ method, key }) => {
      if (method === 'put' && key === file) throw new StorageError('it is retained', 'Wait.');
    };
    await add(2);
    expect((await read()).backups).toHaveLength(2);
  });
});

/** A manifest as it was before there was format 2, and what was kept of it. */
function ofFormat1(minute: number, label: string): { id: string; bytes: Buffer; outline: object } {
  const { purpose: _, ...fields } = makeManifest({ id: idAt(minute), label, pin: true });
  const manifest = { ...fields, format: 1 };
  const {
    tool: _tool,
    notCarried,
    durations,
    objects,
    archive,
    supplement,
    tables,
    facts,
    ...outline
  } = manifest;
  return { id: manifest.id, bytes: sealContent(repository, 'manifest', manifest), outline };
}

function content(id: string, text: string): object {
  return { format: 1, repository: id, outlines: zstdCompressSync(Buffer.from(text)).toString('base64') };
}
