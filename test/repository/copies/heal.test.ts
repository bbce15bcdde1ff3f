import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey } from '../../../src/repository/backups/manifests.ts';
import { type HealOptions, healFrom } from '../../../src/repository/copies/heal.ts';
import { mirrorTo } from '../../../src/repository/copies/mirror.ts';
import { objectKey } from '../../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../../src/repository/open.ts';
import { appendRecord } from '../../../src/repository/records.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { FallbackStorage } from '../../../src/storage/fallback.ts';
import { createContext } from '../../support/context.ts';
import { ScriptedStorage } from '../../support/scripted-storage.ts';
import { createRepository } from '../example.ts';
import { contentOf, storeBackup, storeChanges, storeObjects } from './example.ts';

const ids = ['20261120T021700Z-0001', '20261121T021700Z-0001'] as const;

let storage: ScriptedStorage;
let repository: Repository;
let copies: ScriptedStorage[];
let before: Map<string, string>;

/** A repository of two backups and two segments, and two whole copies of it. */
beforeEach(async () => {
  storage = new ScriptedStorage();
  repository = await createRepository(storage);
  const objects = await storeObjects(repository, 6);
  await storeBackup(repository, ids[0], objects.slice(0, 4));
  await storeBackup(repository, ids[1], objects.slice(2));
  await storeChanges(repository, [1, 2]);
  await appendRecord(repository, 'pins', new Date(), { backup: ids[0], pinned: true });
  copies = [new ScriptedStorage(), new ScriptedStorage()];
  for (const copy of copies) {
    const options = { whole: true, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } };
    await mirrorTo(repository, { name: 'copy', storage: copy }, options, context());
  }
  before = await contentOf(storage);
});

const context = () => createContext({ now: storage.now });
const heal = (options: Partial<HealOptions> = {}) => {
  const [first, second] = copies.map((copy, index) => ({ name: `copy ${index + 1}`, storage: copy }));
  if (first === undefined || second === undefined) throw new Error('there are two copies');
  const all = { repositoryKey: undefined, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } };
  return healFrom(
    storage,
    new FallbackStorage([first, second], context().log),
    { ...all, ...options },
    context(),
  );
};

async function keysOf(prefix: string): Promise<string[]> {
  return storage.keys(prefix);
}

/** Flips a byte, as a disk does. */
async function rot(place: ScriptedStorage, key: string): Promise<void> {
  const bytes = Buffer.from(await place.read(key));
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await place.rot(key, bytes);
}

describe('a storage', () => {
  it('that is whole is left as it is, every object of it proven', async () => {
    storage.calls.length = 0;
    const healing = await heal();
    expect(healing).toMatchObject({ isConfigHealed: false, bytes: 0, lost: [], objects: 8 });
    expect(healing.checked).toEqual({ byStore: 0, byReading: 8 });
    const written = storage.calls.filter(
      ({ method, key }) => method !== 'get' && /^(obj|back|chan|rec)/.test(key),
    );
    expect(written.filter(({ method }) => method !== 'list')).toEqual([]);
    expect(await contentOf(storage)).toEqual(before);
  });

  it('of which anything at all is damaged or lost is healed, byte for byte', async () => {
    const objects = await keysOf('objects/');
    const [manifest] = await keysOf('backups/');
    const [header, other] = await keysOf('changes/');
    const [record] = await keysOf('records/');
    for (const key of [objects[0], manifest, header, record]) await rot(storage, key as string);
    for (const key of [objects[1], objects[2], other, manifestKey(ids[1])])
      await storage.remove(key as string);
    await storage.rot(objects[3] as string, Buffer.from('short'));
    const healing = await heal();
    expect(healing).toMatchObject({ lost: [], healed: { objects: 4, backups: 2, changes: 2, records: 1 } });
    expect(await contentOf(storage)).toEqual(before);
    expect(await storage.keys('locks/')).toEqual([]);
  });

  it('that is gone altogether, or only its repository.json, is healed', async () => {
    await rot(storage, 'repository.json');
    expect(await heal()).toMatchObject({ isConfigHealed: true, bytes: 0 });
    expect(await contentOf(storage)).toEqual(before);
    for (const key of await storage.keys()) await storage.remove(key);
    expect(await heal()).toMatchObject({
      isConfigHealed: true,
      lost: [],
      healed: { objects: 8, backups: 2 },
    });
    expect(await contentOf(storage)).toEqual(before);
  });

  it('takes from the second copy what is damaged or lost in the first, too', async () => {
    const objects = await keysOf('objects/');
    for (const key of objects.slice(0, 2)) await storage.remove(key);
    await rot(copies[0] as ScriptedStorage, objects[0] as string);
    await copies[0]?.remove(objects[1] as string);
    await copies[0]?.remove(manifestKey(ids[0]));
    await storage.remove(manifestKey(ids[0]));
    expect(await heal()).toMatchObject({ lost: [], healed: { objects: 2, backups: 1 } });
    expect(await contentOf(storage)).toEqual(before);
  });

  it('keeps what no copy has whole as it is, which is told', async () => {
    const [key] = await keysOf('objects/');
    for (const place of [storage, ...copies]) await rot(place, key as string);
    const rotten = await storage.read(key as string);
    const healing = await heal();
    expect(healing).toMatchObject({ healed: { objects: 0 }, lost: [{ key }] });
    expect(healing.lost[0]?.why).toMatch(/its SHA-256 is not the recorded one .*\(read 6 times\)$/);
    expect((await storage.read(key as string)).equals(rotten)).toBe(true);
  });

  it('does not get back what its cleanup has removed', async () => {
    await storage.remove(manifestKey(ids[0]));
    await appendRecord(repository, 'prunes', new Date(), {
      ...{
        retention: { daily: 1 },
        timeZone: 'UTC',
        objects: { removed: 0, bytes: 0 },
        marked: 0,
        retained: 0,
      },
      removed: [{ id: ids[0], why: 'no rule keeps it' }],
    });
    expect(await heal()).toMatchObject({ healed: { backups: 0 }, lost: [] });
    expect(await keysOf('backups/')).toEqual([manifestKey(ids[1])]);
  });

  it('of another repository is refused, and nothing is changed', async () => {
    storage = new ScriptedStorage();
    await createRepository(storage);
    const others = await contentOf(storage);
    await expect(heal()).rejects.toThrow(ConfigurationError);
    expect(await contentOf(storage)).toEqual(others);
  });

  it('of another repository is refused even where its repository.json is lost or damaged', async () => {
    storage = new ScriptedStorage();
    const other = await createRepository(storage);
    await storeBackup(other, '20261119T021700Z-0001', await storeObjects(other, 1));
    for (const lose of [() => rot(storage, 'repository.json'), () => storage.remove('repository.json')]) {
      await lose();
      const others = await contentOf(storage);
      await expect(heal()).rejects.toThrow(ConfigurationError);
      expect(await contentOf(storage)).toEqual(others);
    }
  });

  it('keeps its repository.json where that of a copy has another key', async () => {
    const [copy] = copies as [ScriptedStorage];
    const forged = JSON.parse((await copy.read('repository.json')).toString());
    forged.key.value = randomBytes(32).toString('hex');
    await copy.rot('repository.json', Buffer.from(`${JSON.stringify(forged)}\n`));
    await storage.remove(manifestKey(ids[0]));
    const intact = await contentOf(storage);
    await expect(heal()).rejects.toThrow(
      'is not that of scripted, whose backups are sealed with its own key',
    );
    // Where none is left to tell by, the manifests of the copy say that its key is wrong.
    await storage.remove(manifestKey(ids[1]));
    await storage.remove('repository.json');
    await expect(heal()).rejects.toThrow(
      'no backup in scripted is sealed with the key in its repository.json',
    );
    intact.delete(manifestKey(ids[1]));
    intact.delete('repository.json');
    expect(await contentOf(storage)).toEqual(intact);
  });

  it('gets back a backup, a segment or a record in whose place another one lies', async () => {
    const kinds = ['backups/', 'changes/', 'records/pins/'];
    await appendRecord(repository, 'pins', new Date(), { backup: ids[1], pinned: true });
    for (const copy of copies) {
      const options = { whole: true, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } };
      await mirrorTo(repository, { name: 'copy', storage: copy }, options, context());
    }
    before = await contentOf(storage);
    for (const kind of kinds) {
      const [one, other] = (await keysOf(kind)) as [string, string];
      await storage.rot(one, await storage.read(other));
      // The first copy has it the other way round.
      await copies[0]?.rot(one, await storage.read(other));
    }
    expect(await heal()).toMatchObject({ lost: [], healed: { backups: 1, changes: 1, records: 1 } });
    expect(await contentOf(storage)).toEqual(before);
  });

  it('that is a copy of itself, by another name, is refused', async () => {
    copies = [new ScriptedStorage(), storage];
    await mirrorTo(
      repository,
      { name: 'copy', storage: copies[0] as ScriptedStorage },
      { whole: true, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } },
      context(),
    );
    await expect(heal()).rejects.toThrow('are one place under two names');
    expect(await storage.keys('locks/')).toEqual([]);
  });
});

describe('a dry run', () => {
  it('tells what would be healed, and writes nothing', async () => {
    const [one, other] = await keysOf('objects/');
    await storage.remove(one as string);
    await rot(storage, other as string);
    await rot(storage, manifestKey(ids[1]));
    const damaged = await contentOf(storage);
    storage.calls.length = 0;
    const healing = await heal({ dryRun: true });
    expect(healing).toMatchObject({ healed: { objects: 2, backups: 1 }, lost: [] });
    expect(storage.calls.filter(({ method }) => !['get', 'list', 'stat'].includes(method))).toEqual([]);
    expect(await contentOf(storage)).toEqual(damaged);
    expect(healing.bytes).toBeGreaterThan(0);
  });
});

it('a share of the objects finds what has another length without reading all', async () => {
  const keys = await keysOf('objects/');
  await storage.rot(keys[0] as string, Buffer.from('short'));
  const healing = await heal({ share: 0.000001 });
  expect(healing).toMatchObject({ healed: { objects: 1 }, checked: { byReading: 1 } });
  expect((await openRepository(storage, undefined)).id).toBe(repository.id);
  expect((await storage.read(keys[0] as string)).length).toBeGreaterThan(200);
  expect(keys).toContain(objectKey((keys[0] as string).slice(-64)));
});
