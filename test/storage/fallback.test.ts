import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey, readManifest } from '../../src/repository/backups/manifests.ts';
import { mirrorTo } from '../../src/repository/copies/mirror.ts';
import { createReader, objectKey } from '../../src/repository/objects/store.ts';
import { openRepository, type Repository } from '../../src/repository/open.ts';
import { appendRecord, readRecords } from '../../src/repository/records.ts';
import { ConfigurationError, StorageError } from '../../src/runtime/errors.ts';
import { FallbackStorage } from '../../src/storage/fallback.ts';
import { BrokenBodyError, DeniedValueError } from '../../src/storage/storage.ts';
import { storeBackup, storeObjects } from '../repository/copies/example.ts';
import { createRepository } from '../repository/example.ts';
import { CollectingLog, createContext } from '../support/context.ts';
import { ScriptedStorage } from '../support/scripted-storage.ts';

const id = '20261120T021700Z-0001';

let places: ScriptedStorage[];
let source: Repository;
let log: CollectingLog;
let all: FallbackStorage;

beforeEach(async () => {
  places = [new ScriptedStorage(), new ScriptedStorage(), new ScriptedStorage()];
  const [first, ...copies] = places as [ScriptedStorage, ...ScriptedStorage[]];
  source = await createRepository(first);
  await storeBackup(source, id, await storeObjects(source, 3));
  await appendRecord(source, 'pins', new Date(), { backup: id, pinned: true });
  for (const copy of copies) {
    const options = { whole: true, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } };
    await mirrorTo(source, { name: 'copy', storage: copy }, options, createContext({ now: first.now }));
  }
  log = new CollectingLog();
  const [second, third] = copies.map((storage, index) => ({ name: `copy ${index + 1}`, storage }));
  if (second === undefined || third === undefined) throw new Error('there are two copies');
  all = new FallbackStorage([{ name: 'first', storage: first }, second, third], log);
});

/** Reads all of the backup, by whatever place gives it. */
async function readAll(): Promise<void> {
  const repository = await openRepository(all, undefined);
  const manifest = await readManifest(repository, id);
  const reader = createReader(repository, manifest, []);
  for (const object of manifest.objects) expect(await reader.prove(object)).toHaveLength(300);
  const fail = (error: Error) => expect.fail(error.message);
  expect(await readRecords(repository, 'pins', fail)).toHaveLength(1);
}

const at = (index: number): ScriptedStorage => places[index] as ScriptedStorage;
const down = (index: number): void => {
  at(index).before = () => {
    throw new StorageError(`place ${index} is down`, 'Wait.');
  };
};
async function rot(index: number, key: string): Promise<void> {
  const bytes = Buffer.from(await at(index).read(key));
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  await at(index).rot(key, bytes);
}

describe('a storage with copies', () => {
  it('asks no copy while the first place gives everything', async () => {
    for (const place of places) place.calls.length = 0;
    await readAll();
    expect(all.answers).toEqual([]);
    expect(log.warnings).toEqual([]);
    expect([...at(1).calls, ...at(2).calls]).toEqual([]);
  });

  it('reads everything from the first copy when the first place is down, and asks it once', async () => {
    down(0);
    at(0).calls.length = 0;
    await readAll();
    expect(all.answers).toMatchObject([{ name: 'copy 1', readings: { missing: 0, damaged: 0 } }]);
    expect(all.answers[0]?.readings.unreachable).toBeGreaterThan(5);
    expect(log.warnings).toEqual([
      'scripted could not be read (place 0 is down); it is read from the copy copy 1 (scripted)',
    ]);
    // `repository.json` is read twice at once.
    expect(at(0).calls).toHaveLength(2);
  });

  it('goes on to the second copy when the first one is down, too', async () => {
    down(0);
    down(1);
    await readAll();
    expect(all.answers.map(({ name }) => name)).toEqual(['copy 2']);
  });

  it('throws what is wrong with the first place when none answers', async () => {
    for (const index of [0, 1, 2]) down(index);
    await expect(readAll()).rejects.toThrow('place 0 is down');
  });

  it.each(['objects/', 'backups/', 'records/', 'repository.json'])(
    'reads a damaged %s from a copy',
    async (prefix) => {
      const [key] = await at(0).keys(prefix);
      await rot(0, key as string);
      await readAll();
      expect(all.answers).toMatchObject([{ name: 'copy 1', readings: { unreachable: 0, missing: 0 } }]);
      expect(log.warnings).toEqual([
        `${key} in scripted is damaged; it is read from the copy copy 1 (scripted)`,
      ]);
    },
  );

  it('reads what is damaged in the first place and in the first copy from the second', async () => {
    const [key] = await at(0).keys('objects/');
    await rot(0, key as string);
    await rot(1, key as string);
    await readAll();
    // The first copy gave bytes three times, which were wrong, too.
    expect(all.answers).toMatchObject([
      { name: 'copy 1', readings: { damaged: 3 } },
      { name: 'copy 2', readings: { damaged: 1 } },
    ]);
  });

  it('reads what is missing from a copy, a whole repository that was emptied included', async () => {
    const [key] = await at(0).keys('objects/');
    await at(0).remove(key as string);
    await readAll();
    expect(all.answers).toMatchObject([{ readings: { missing: 1, damaged: 0 } }]);
    for (const each of await at(0).keys()) await at(0).remove(each);
    await readAll();
    expect(log.warnings[0]).toBe(`scripted lacks ${key}; it is read from the copy copy 1 (scripted)`);
  });

  it('says of damage in all places how often it was read', async () => {
    const [key] = await at(0).keys('objects/');
    for (const index of [0, 1, 2]) await rot(index, key as string);
    await expect(readAll()).rejects.toThrow(/its SHA-256 is not the recorded one \(read 9 times\)$/);
  });

  it('writes to the first place alone', async () => {
    await all.put('records/x', Buffer.from('1'));
    expect(await all.create('records/y', Buffer.from('1'))).toBe(true);
    await all.delete(['records/x']);
    expect(await at(0).keys('records/y')).toEqual(['records/y']);
    expect([...(await at(1).keys('records/y')), ...(await at(2).keys('records/y'))]).toEqual([]);
    down(0);
    await expect(all.put('records/z', Buffer.from('1'))).rejects.toThrow('place 0 is down');
  });

  it('takes a listing from a copy when it breaks off, and names each key once', async () => {
    const more = Array.from({ length: 5 }, (_, index) => objectKey(`${index}`.padStart(64, 'a')));
    for (const key of more) for (const place of places) await place.put(key, Buffer.from('x'));
    const expected = await at(0).keys('objects/');
    const whole = at(0).list.bind(at(0));
    at(0).list = async function* (prefix: string) {
      let left = 3;
      for await (const value of whole(prefix)) {
        if (left-- === 0) throw new StorageError('the listing broke off', 'Wait.');
        yield value;
      }
    };
    const keys: string[] = [];
    for await (const { key } of all.list('objects/')) keys.push(key);
    expect(keys.sort()).toEqual(expected);
  });

  it('finds by stat what the first place lacks, and nothing that no place has', async () => {
    await at(0).remove(manifestKey(id));
    expect(await all.stat(manifestKey(id))).toMatchObject({ key: manifestKey(id) });
    expect(await all.stat('backups/none')).toBeUndefined();
    expect(all.answers).toMatchObject([{ name: 'copy 1' }]);
  });
});

describe('a storage with copies whose first place', () => {
  const answerOf = (index: number, method: string, throws: (key: string) => Error | undefined) => {
    at(index).before = (call) => {
      const error = call.method === method ? throws(call.key) : undefined;
      if (error !== undefined) throw error;
    };
  };
  const never = () => new Promise<never>(() => {});

  it('refuses one value gives all others, and the report does not call it damaged', async () => {
    const [key] = await at(0).keys('objects/');
    answerOf(0, 'get', (each) =>
      each === key ? new DeniedValueError(each, 'scripted', 'access is denied') : undefined,
    );
    await readAll();
    expect(all.answers).toMatchObject([
      { name: 'copy 1', readings: { unreachable: 0, missing: 0, damaged: 0, withheld: 1 } },
    ]);
    expect(log.warnings).toEqual([
      `scripted does not return ${key}; it is read from the copy copy 1 (scripted)`,
    ]);
  });

  it('cuts an answer short gives all others', async () => {
    const [key] = await at(0).keys('objects/');
    const cause = new BrokenBodyError('it ended early');
    answerOf(0, 'get', (each) =>
      each === key ? new StorageError('cut short', 'Wait.', { cause }) : undefined,
    );
    await readAll();
    expect(all.answers).toMatchObject([{ readings: { unreachable: 0, withheld: 1 } }]);
  });

  it.each([
    [
      'has credentials that were revoked',
      new StorageError('access is denied', 'Look.', { configuration: true }),
    ],
    ['is a folder with a link inside', new ConfigurationError('storage: it is a symbolic link', 'Look.')],
  ])('%s is not asked again', async (_, error) => {
    at(0).before = () => {
      throw error;
    };
    await readAll();
    expect(all.answers).toMatchObject([{ name: 'copy 1', readings: { missing: 0, damaged: 0 } }]);
    expect(log.warnings).toEqual([
      `scripted could not be read (${error.message}); it is read from the copy copy 1 (scripted)`,
    ]);
  });

  it('loses its rights half-way leaves the rest to a copy', async () => {
    let left = 4;
    at(0).before = () => {
      if (left-- <= 0) throw new StorageError('the token has expired', 'Ask for another.');
    };
    await readAll();
    expect(all.answers[0]?.readings.unreachable).toBeGreaterThan(2);
  });

  it('may read and not list has its listing from a copy, and is then left alone', async () => {
    answerOf(0, 'list', () => new StorageError('listing is denied', 'Allow it.'));
    const keys: string[] = [];
    for await (const { key } of all.list('backups/')) keys.push(key);
    expect(keys).toEqual([manifestKey(id)]);
    expect(log.warnings[0]).toContain('listing is denied');
  });

  describe('hangs', () => {
    beforeEach(() => {
      const [first, second, third] = places as [ScriptedStorage, ScriptedStorage, ScriptedStorage];
      const copies = [second, third].map((storage, index) => ({ name: `copy ${index + 1}`, storage }));
      all = new FallbackStorage([{ name: 'first', storage: first }, ...copies], log, { patienceMs: 10 });
    });

    it('is waited for once, and everything comes from a copy', async () => {
      at(0).before = never;
      at(0).calls.length = 0;
      await readAll();
      expect(all.answers[0]?.readings.unreachable).toBeGreaterThan(5);
      expect(log.warnings).toEqual([
        'scripted could not be read (scripted did not answer within 10 ms); it is read from the copy copy 1 (scripted)',
      ]);
      expect(at(0).calls).toHaveLength(2);
    });

    it('in the middle of a listing is not waited for', async () => {
      const whole = at(0).list.bind(at(0));
      at(0).list = async function* (prefix: string) {
        for await (const value of whole(prefix)) {
          yield value;
          await never();
        }
      };
      const keys: string[] = [];
      for await (const { key } of all.list('objects/')) keys.push(key);
      expect(keys.sort()).toEqual(await at(1).keys('objects/'));
    });

    it('and is only slow still gives what no copy has', async () => {
      const [key] = await at(0).keys('objects/');
      for (const index of [1, 2]) await at(index).remove(key as string);
      at(0).before = () => new Promise((resolve) => setTimeout(resolve, 40));
      expect(await all.get(key as string)).toEqual(await at(0).read(key as string));
      expect(all.answers).toEqual([]);
    });

    it('like all others is waited for no longer than it takes', async () => {
      down(1);
      down(2);
      at(0).before = () => new Promise((resolve) => setTimeout(resolve, 30));
      await readAll();
      expect(all.answers).toEqual([]);
    });
  });

  it('was down and is back gives what the copies lack', async () => {
    const key = objectKey('f'.repeat(64));
    await at(0).put(key, Buffer.from('new'));
    down(0);
    await readAll();
    at(0).before = () => {};
    expect(String(await all.get(key))).toBe('new');
    expect(String(await all.get(key))).toBe('new');
  });

  it('is down says so of what the copies lack, and is asked no more than three times', async () => {
    down(0);
    await readAll();
    at(0).calls.length = 0;
    for (let time = 0; time < 5; time++) {
      await expect(all.get('outlines.json')).rejects.toMatchObject({
        missing: true,
        message: expect.stringMatching(
          /outlines.json.* the copies could not be searched \(place 0 is down\)$/,
        ),
      });
    }
    expect(at(0).calls).toHaveLength(3);
  });
});
