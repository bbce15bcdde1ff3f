import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { readCatalog } from '../../src/repository/backups/catalog.ts';
import { openRepository } from '../../src/repository/open.ts';
import { DeniedValueError } from '../../src/storage/storage.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { ScriptedStorage } from '../support/scripted-storage.ts';
import { operate } from './in-process.ts';
import { createDatabase, query } from './shop.ts';

/** What one look at a storage shows may be wrong: nothing is called damaged, and nothing is removed, before another has shown it too. */

const stage = vi.hoisted(() => ({ storage: undefined as unknown }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

const hour = 3_600_000;
type Words = Partial<Record<InputName, string>>;

let cluster: Cluster;
let source: string;
let storage: ScriptedStorage;

beforeAll(async () => {
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'second_look');
  await query(
    source,
    `CREATE SCHEMA one; CREATE SCHEMA two;
     CREATE TABLE one.t AS SELECT n, md5('one' || n) AS text FROM generate_series(1, 500) n;
     CREATE TABLE two.t AS SELECT n, md5('two' || n) AS text FROM generate_series(1, 500) n;`,
  );
});
afterAll(() => cluster?.stop());
beforeEach(() => {
  storage = new ScriptedStorage();
  stage.storage = storage;
});

const run = (words: Words, messages: string[] = []) => operate(storage, words, { messages });
const backup = () => run({ operation: 'backup', 'database-url': source, 'backup-type': 'full' });
const validate = () => run({ operation: 'validate', 'backup-id': 'all' });
const cleanup: Words = { operation: 'cleanup', retention: 'last=10 verified=1' };
const change = () => query(source, 'UPDATE one.t SET text = md5(text)');
const ids = async () => (await storage.keys('backups/')).map((key) => key.slice(8, -5));
const textOf = ({ report }: Outcome) => JSON.stringify(report);

/** The readings of some keys are changed on the way, so many times. */
function spoil(fits: (key: string) => boolean, times: number): { left: () => number } {
  const get = storage.get.bind(storage);
  let left = times;
  storage.get = async (key, limit) => {
    const bytes = await get(key, limit);
    if (left === 0 || !fits(key)) return bytes;
    left -= 1;
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };
  return { left: () => left };
}

const isObject = (key: string) => key.startsWith('objects/');

async function damagedIds(): Promise<string[]> {
  const catalog = await readCatalog(await openRepository(storage, undefined), {
    onDamaged: ({ message }) => expect.fail(message),
  });
  return catalog.backups.filter(({ damagedAt }) => damagedAt !== null).map(({ id }) => id);
}

/** A backup that was recorded as damaged because of what was changed on the way, with a newer one that is verified. */
async function recordFalseDamage(): Promise<string> {
  await backup();
  const [hurt = ''] = await ids();
  await change();
  const older = new Set(await storage.keys('objects/'));
  await backup();
  const newer = (await storage.keys('objects/')).filter((key) => !older.has(key));
  const get = storage.get.bind(storage);
  const manifest = JSON.parse((await storage.read(`backups/${hurt}.json`)).toString());
  const other = JSON.parse(
    (await storage.read(`backups/${(await ids()).find((id) => id !== hurt)}.json`)).toString(),
  );
  const shared = new Set(other.objects.map(({ name }: { name: string }) => name));
  const own = manifest.objects
    .map(({ name }: { name: string }) => name)
    .filter((name: string) => !shared.has(name));
  expect(own.length).toBeGreaterThan(0);
  expect(newer.length).toBeGreaterThan(0);
  spoil((key) => own.some((name: string) => key.endsWith(name)), Number.POSITIVE_INFINITY);
  expect(await validate()).toMatchObject({ exitCode: 3, outputs: { damaged: 1 } });
  storage.get = get;
  expect(await damagedIds()).toEqual([hurt]);
  return hurt;
}

describe('one wrong byte on the way', () => {
  test('is no damage of what is stored: it is read again', async () => {
    await backup();
    for (const [fits, times] of [
      [isObject, 2],
      [(key: string) => key.startsWith('backups/'), 2],
      [(key: string) => key === 'repository.json', 1],
    ] as const) {
      const wrong = spoil(fits, times);
      expect(await validate()).toMatchObject({ exitCode: 0, outputs: { damaged: 0 } });
      expect(wrong.left()).toBe(0);
    }
    expect(await damagedIds()).toEqual([]);
  });

  test('does not end a restore', async () => {
    await backup();
    const wrong = spoil(isObject, 2);
    const target = await createDatabase(cluster.superuserUrl(), 'target');
    expect(await run({ operation: 'restore', 'target-url': target })).toMatchObject({
      exitCode: 0,
      outputs: { parity: 'equal' },
    });
    expect(wrong.left()).toBe(0);
  });
});

describe('a backup that a validation has called damaged', () => {
  test('and that is whole when it is read once more is not removed, and the record is taken back', async () => {
    const hurt = await recordFalseDamage();
    const before = await storage.fork();
    const messages: string[] = [];
    const done = await run(cleanup, messages);
    expect(done).toMatchObject({ exitCode: 0, outputs: { removed: 0, backups: 2 } });
    expect(textOf(done)).toContain(`not damaged when it was looked at again: ${hurt}`);
    expect(messages.join('\n')).toMatch(new RegExp(`${hurt} was recorded as damaged and is not: \\d object`));
    expect(await damagedIds()).toEqual([]);
    // A dry run says so too, and writes nothing.
    storage = before;
    stage.storage = before;
    expect(textOf(await run({ ...cleanup, 'dry-run': 'true' }))).toContain(`looked at again: ${hurt}`);
    expect(await damagedIds()).toEqual([hurt]);
  });

  test('and that is damaged still goes, as before', async () => {
    const hurt = await recordFalseDamage();
    const get = storage.get.bind(storage);
    spoil(isObject, Number.POSITIVE_INFINITY);
    expect(await run(cleanup)).toMatchObject({ exitCode: 0, outputs: { removed: 1, backups: 1 } });
    storage.get = get;
    expect(await ids()).not.toContain(hurt);
  });
});

describe('an object that may not be read', () => {
  test('is named with its tables, is no damage, and the others are checked', async () => {
    await backup();
    const [id = ''] = await ids();
    const manifest = JSON.parse((await storage.read(`backups/${id}.json`)).toString());
    const table = manifest.tables.find(({ schema }: { schema: string }) => schema === 'one');
    const { name } = manifest.objects[table.ranges[0].pieces[0].object];
    const get = storage.get.bind(storage);
    storage.get = async (key, limit) => {
      if (key.endsWith(name)) throw new DeniedValueError(key, storage.location, 'this user cannot read it');
      return get(key, limit);
    };
    const done = await validate();
    expect(done).toMatchObject({ exitCode: 3, outputs: { damaged: 0 } });
    expect(done.outputs['objects-checked']).toBe(manifest.objects.length);
    expect(textOf(done)).toContain('Validation: not everything could be read');
    expect(textOf(done)).toMatch(/table one\.t.*this user cannot read it/);
    expect(textOf(done)).not.toMatch(/may write/);
    storage.get = get;
    // Neither proven nor damaged.
    const catalog = await readCatalog(await openRepository(storage, undefined), { onDamaged: () => {} });
    expect(catalog.backups).toMatchObject([{ damagedAt: null, verifiedAt: null }]);
  });
});

describe('a listing that lacks backups', () => {
  const hide = (hidden: (key: string) => boolean) => {
    const list = storage.list.bind(storage);
    storage.list = async function* (prefix: string) {
      for await (const value of list(prefix)) if (!hidden(value.key)) yield value;
    };
    return () => {
      storage.list = list;
    };
  };

  test('stops a cleanup when it lacks them all: it marks nothing, and says where to look', async () => {
    await backup();
    await change();
    await backup();
    const before = await storage.keys();
    const show = hide((key) => key.startsWith('backups/'));
    for (let runs = 0; runs < 2; runs++) {
      const done = await run(cleanup);
      expect(done).toMatchObject({ exitCode: 3, outputs: { removed: 0, 'marked-objects': 0 } });
      expect(textOf(done)).toMatch(/lists no backup, although it holds objects.*Look below backups\//);
      await storage.age('', 25 * hour);
    }
    expect(textOf(await run({ ...cleanup, 'dry-run': 'true' }))).toMatch(/lists no backup, although/);
    show();
    expect(await storage.keys()).toEqual(before);
    expect(await validate()).toMatchObject({ exitCode: 0, outputs: { backups: 2 } });
  });

  test('is told when it lacks some that no cleanup has removed, and no object goes in that run', async () => {
    await backup();
    await change();
    await backup();
    const [first = '', second = ''] = await ids();
    await run(cleanup);
    await run({ ...cleanup, retention: 'last=10 verified=1' });
    const show = hide((key) => key.includes(first));
    expect(textOf(await run(cleanup))).toContain(first);
    const told = await run({ operation: 'status' });
    // The cleanup has taken it as it is; a status before it would have told.
    expect(textOf(told)).not.toContain(`no cleanup removed them: ${first}`);
    await storage.age('', 25 * hour);
    show();
    expect(await validate()).toMatchObject({ exitCode: 0, outputs: { backups: 2 } });
    const again = hide((key) => key.includes(second));
    expect(textOf(await run({ operation: 'status' }))).toContain(`no cleanup removed them: ${second}`);
    again();
  });
});
