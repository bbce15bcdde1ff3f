import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { isKnownError } from '../../src/runtime/errors.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { ScriptedStorage, writes } from '../support/scripted-storage.ts';
import { operate } from './in-process.ts';
import { keyOf, type StoredManifest } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/**
 * The end of the process at every single call of the storage, before it takes effect and after. kill-sweep.test.ts does the same to the
 * bundle at moments by the clock; here no call is left out, and the two do not depend on each other's timing.
 */

const stage = vi.hoisted(() => ({ storage: undefined as unknown }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

const minute = 60_000;
const hour = 60 * minute;
type Words = Partial<Record<InputName, string>>;

let cluster: Cluster;
let source: string;

beforeAll(async () => {
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'crash');
  // Tables of a schema share an object, so that there are three of rows and one of definitions.
  await query(
    source,
    `CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA three;
     CREATE TABLE one.t AS SELECT n, md5('one' || n) AS text FROM generate_series(1, 500) n;
     CREATE TABLE two.t AS SELECT n, md5('two' || n) AS text FROM generate_series(1, 500) n;
     CREATE TABLE three.t AS SELECT n, md5('three' || n) AS text FROM generate_series(1, 500) n;`,
  );
});
afterAll(() => cluster?.stop());

function run(storage: ScriptedStorage, words: Words) {
  stage.storage = storage;
  return operate(storage, words);
}

const backup = (type: string): Words => ({
  operation: 'backup',
  'database-url': source,
  'backup-type': type,
  jobs: '2',
  'rollback-token': 'false',
});
const cleanup: Words = { operation: 'cleanup', retention: 'last=1 verified=1' };
const manifests = (storage: ScriptedStorage) => storage.keys('backups/');

async function expectSound(storage: ScriptedStorage, where: string): Promise<void> {
  if ((await storage.keys('repository.json')).length === 0) {
    await expect(run(storage, { operation: 'validate' }), where).rejects.toThrow('there is no repository');
    return;
  }
  const backups = (await manifests(storage)).length;
  expect(await run(storage, { operation: 'validate' }), where).toMatchObject({
    exitCode: 0,
    outputs: { backups, damaged: 0 },
  });
  const listed = await run(storage, { operation: 'list' });
  expect(listed, where).toMatchObject({ exitCode: 0, outputs: { backups: expect.anything() } });
}

/** Nothing is left that no backup needs. */
async function expectTidy(storage: ScriptedStorage, where: string): Promise<void> {
  const needed = new Set<string>();
  for (const key of await manifests(storage)) {
    const { objects } = JSON.parse((await storage.read(key)).toString()) as StoredManifest;
    for (const { name } of objects) needed.add(keyOf(name));
  }
  expect(await storage.keys('objects/'), where).toEqual([...needed].sort());
  expect(await storage.keys('garbage/'), where).toEqual([]);
}

/** Everything that was written to objects since the storage was forked. */
const uploads = (storage: ScriptedStorage) =>
  storage.calls.filter(({ method, key }) => writes.has(method) && key.startsWith('objects/'));

/** What lies in a storage, without the names that are drawn at random or hold a time: equal texts have an equal future. */
async function describeState(storage: ScriptedStorage): Promise<string> {
  const counts = Map.groupBy(await storage.keys(), (key) => key.split('/')[0]);
  return [...counts].map(([folder, { length }]) => `${folder} ${length}`).join(', ');
}

/**
 * Lets an operation die at each of its calls, on copies of `before`, until it is through. What it leaves is checked once for each of the
 * states that it leaves, for most calls change nothing.
 */
async function sweep(
  before: ScriptedStorage,
  words: Words,
  check: (crashed: ScriptedStorage, where: string) => Promise<void>,
): Promise<number> {
  let points = 0;
  const seen = new Set<string>();
  for (let call = 1; ; call++) {
    for (const when of ['before', 'after'] as const) {
      const storage = await before.fork();
      storage.death = { call, when };
      const ended = await run(storage, words).catch((error: unknown) => error);
      const at = storage.calls[call - 1];
      if (at === undefined) return points;
      const where = `${words.operation} that dies ${when} call ${call}: ${at.method} ${at.key}`;
      if (when === 'after' && !writes.has(at.method)) continue;
      expect(storage.isDead, where).toBe(true);
      // A lock that cannot be given back is reported and fails nothing; whatever else is lost does.
      if (ended instanceof Error) expect(isKnownError(ended), `${where}: ${ended.stack}`).toBe(true);
      else expect(at.key, where).toMatch(/^locks\//);
      points++;
      storage.death = undefined;
      const state = await describeState(storage);
      if (!seen.has(state)) await check(await storage.fork(), where);
      seen.add(state);
    }
  }
}

describe('a backup that dies at any call of the storage', () => {
  test.each([
    ['full, the first', 'full', 0],
    ['incremental', 'incremental', 1],
  ])(
    '%s: what is listed is whole, the next one builds on what is there, and cleanup goes on',
    async (_, type, earlier) => {
      const before = new ScriptedStorage();
      for (let made = 0; made < earlier; made++) {
        await run(before, backup('full'));
        await query(
          source,
          `UPDATE one.t SET text = md5(text); UPDATE two.t SET text = md5(text) WHERE n = 1`,
        );
      }
      const points = await sweep(before, backup(type), async (crashed, where) => {
        await expectSound(crashed, where);
        const there = new Set(await crashed.keys('objects/'));
        const count = (await manifests(crashed)).length;
        // A manifest is there as soon as its call has taken effect, and never before.
        const isLast = / create backups\/| delete locks\//.test(where) && there.size > 0;
        expect(count - earlier, where).toBe(isLast && !/before call \d+: create backups/.test(where) ? 1 : 0);

        crashed.calls.length = 0;
        // Whoever died while he made the repository is waited for, half a minute.
        if (there.size === 0) crashed.ahead += minute;
        await run(crashed, backup(type));
        expect(await manifests(crashed), where).toHaveLength(count + 1);
        expect(
          uploads(crashed).filter(({ key }) => there.has(key)),
          where,
        ).toEqual([]);

        // The lock of the one that died has expired by then.
        for (let days = 0; days < 2; days++) {
          crashed.ahead += 25 * hour;
          expect(await run(crashed, cleanup), where).toMatchObject({ exitCode: 0 });
        }
        await expectSound(crashed, where);
        await expectTidy(crashed, where);
      });
      expect(points).toBeGreaterThan(15);
    },
    120_000,
  );
});

describe('a cleanup that dies at any call of the storage', () => {
  /** Two backups that differ, both proven. */
  async function fill(): Promise<ScriptedStorage> {
    const storage = new ScriptedStorage();
    for (let made = 0; made < 2; made++) {
      await query(source, 'UPDATE one.t SET text = md5(text)');
      await run(storage, backup('full'));
    }
    await expectSound(storage, 'filled');
    storage.ahead += 48 * hour;
    return storage;
  }

  test.each([
    ['which removes backups', async () => {}],
    [
      'which removes what they needed',
      async (storage: ScriptedStorage) => {
        await run(storage, cleanup);
        storage.ahead += 25 * hour;
      },
    ],
  ])(
    '%s: what is listed is whole, backups go on, and the next one ends the work',
    async (_, prepare) => {
      const before = await fill();
      await prepare(before);
      const points = await sweep(before, cleanup, async (crashed, where) => {
        await expectSound(crashed, where);
        crashed.ahead += hour;
        await run(crashed, backup('incremental'));
        for (let days = 0; days < 2; days++) {
          expect(await run(crashed, cleanup), where).toMatchObject({ outputs: { backups: 2, retained: 0 } });
          crashed.ahead += 25 * hour;
        }
        await expectSound(crashed, where);
        await expectTidy(crashed, where);
      });
      expect(points).toBeGreaterThan(15);
    },
    120_000,
  );
});

describe('a first backup that died just before its manifest', () => {
  const died = async (words: Words) => {
    const whole = new ScriptedStorage();
    await run(whole, words);
    const crashed = new ScriptedStorage();
    const commit = whole.calls.findIndex(
      ({ method, key }) => method === 'create' && key.startsWith('backups/'),
    );
    crashed.death = { call: commit + 1, when: 'before' };
    await expect(run(crashed, words)).rejects.toThrow('the process has ended');
    crashed.death = undefined;
    expect(await manifests(crashed)).toEqual([]);
    return { whole, crashed: await crashed.fork() };
  };

  test.each([
    ['in the clear', false],
    ['encrypted', true],
  ])('%s has stored all of it: the next one sends no object of rows', async (_, encrypted) => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    const words = { ...backup('full'), ...(encrypted ? { 'encryption-recipients': recipient } : {}) };
    const { whole, crashed } = await died(words);
    expect(await crashed.keys('objects/')).toHaveLength((await whole.keys('objects/')).length);
    const outcome = await run(crashed, words);
    const sent = crashed.calls.filter(({ method }) => method === 'put' || method === 'create');
    // The one that may differ is the archive: pg_dump writes the time into it.
    const [commit = ''] = await manifests(crashed);
    const { archive, objects } = JSON.parse((await crashed.read(commit)).toString()) as StoredManifest;
    const archived = archive.objects.map((index) => keyOf(objects[index]?.name ?? ''));
    const others = sent.map(({ key }) => key).filter((key) => !archived.includes(key));
    expect(others.filter((key) => !key.startsWith('locks/'))).toEqual([commit]);
    const bytes = sent.filter(({ key }) => archived.includes(key)).reduce((sum, call) => sum + call.bytes, 0);
    expect(outcome.outputs['new-bytes']).toBe(bytes);
    await expectSound(crashed, 'resumed');
  });

  test('is not followed by one that relies on what was cut short', async () => {
    const { crashed } = await died(backup('full'));
    const keys = await crashed.keys('objects/');
    for (const key of keys) await crashed.put(key, (await crashed.read(key)).subarray(0, 20));
    const damaged = await crashed.fork();
    await run(damaged, backup('full'));
    expect(uploads(damaged)).toHaveLength(keys.length);
    await expectSound(damaged, 'resumed');
  });
});
