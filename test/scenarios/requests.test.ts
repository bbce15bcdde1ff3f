import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Call, ScriptedStorage } from '../support/scripted-storage.ts';
import { operate } from './in-process.ts';
import { createDatabase, query } from './shop.ts';

/**
 * How often a storage is asked, and how many questions go side by side: on a distant one that is the time that everything takes. Calls are
 * counted, and nothing is timed.
 */

const stage = vi.hoisted(() => ({ storage: undefined as unknown }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

type Words = Partial<Record<InputName, string>>;

/** Each of a schema of its own, whose rows share no object */
const tables = 40;

let cluster: Cluster;
let source: string;
let storage: ScriptedStorage;

beforeAll(async () => {
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'requests');
  await query(
    source,
    `DO $$ BEGIN
       FOR t IN 1..${tables} LOOP
         EXECUTE format('CREATE SCHEMA s%1$s; CREATE TABLE s%1$s.t AS SELECT n, %1$s AS s FROM generate_series(1, 200) n', t);
       END LOOP;
     END $$`,
  );
});
afterAll(() => cluster?.stop());
beforeEach(() => {
  storage = new ScriptedStorage();
  stage.storage = storage;
});

async function succeed(inputs: Words): Promise<Awaited<ReturnType<typeof operate>>> {
  const outcome = await operate(storage, inputs);
  expect(outcome.exitCode).toBe(0);
  return outcome;
}

const backup = (inputs: Words = {}) =>
  succeed({ operation: 'backup', 'database-url': source, jobs: '2', ...inputs });

async function callsOf(work: () => Promise<unknown>): Promise<readonly Call[]> {
  storage.calls.length = 0;
  await work();
  return [...storage.calls];
}

/** The most calls that were under way at once below a prefix, of a storage that takes its time */
async function countAtOnce(
  method: Call['method'],
  prefix: string,
  work: () => Promise<unknown>,
): Promise<number> {
  let underWay = 0;
  let most = 0;
  storage.before = async (call) => {
    if (call.method !== method || !call.key.startsWith(prefix)) return;
    underWay += 1;
    most = Math.max(most, underWay);
    await sleep(20);
    underWay -= 1;
  };
  await work();
  storage.before = () => {};
  return most;
}

test('a first backup takes one call for each object, and a few more', async () => {
  const calls = await callsOf(() => backup());
  const objects = await storage.keys('objects/');
  expect(objects.length).toBeGreaterThan(tables);
  const about = calls.filter(({ key }) => key.startsWith('objects/') && key !== 'objects/');
  expect(about.map(({ method }) => method)).toEqual(objects.map(() => 'create'));
  expect(calls.length - objects.length).toBeLessThan(30);
});

test('a backup of what is stored already takes no call for any object, whatever their number', async () => {
  await backup();
  const calls = await callsOf(() => backup());
  const added = calls.filter(({ method, key }) => method === 'create' && key.startsWith('objects/'));
  // The archive and what belongs to it may have changed by the backup before, which left its token.
  expect(added.length).toBeLessThan(4);
  expect(calls.length).toBeLessThan(34);
});

test('an incremental backup of nothing new takes a few calls', async () => {
  await backup();
  await backup({ 'backup-type': 'incremental' });
  const calls = await callsOf(() => backup({ 'backup-type': 'incremental' }));
  expect(calls.length).toBeLessThan(32);
  // Nothing but the lock comes after the manifest.
  const writes = calls.filter(({ method }) => ['put', 'create', 'delete'].includes(method));
  expect(writes.slice(-2).map(({ key }) => key.split('/')[0])).toEqual(['backups', 'locks']);
});

test('list, status and a cleanup that removes nothing read the newest manifest alone for what it says of its backup', async () => {
  for (let count = 0; count < 3; count++) await backup({ 'backup-type': 'incremental' });
  const manifestReads = async (inputs: Words) =>
    (await callsOf(() => operate(storage, inputs))).filter(
      ({ method, key }) => method === 'get' && key.startsWith('backups/'),
    );
  expect(await manifestReads({ operation: 'list' })).toHaveLength(1);
  expect(await manifestReads({ operation: 'status' })).toHaveLength(1);
  // Whether they are whole, and what they need.
  expect(await manifestReads({ operation: 'cleanup', retention: 'last=3' })).toHaveLength(6);
  // It has noted the newest, too.
  expect(await manifestReads({ operation: 'list' })).toEqual([]);
});

test('a cleanup deletes manifests together, and list needs none of those that stay', async () => {
  for (let count = 0; count < 4; count++) await backup({ 'backup-type': 'incremental' });
  const read = (await callsOf(() => succeed({ operation: 'cleanup', retention: 'last=1' }))).filter(
    ({ method, key }) => method === 'get' && key.startsWith('backups/'),
  );
  const [kept, ...others] = await storage.keys('backups/');
  expect(others).toEqual([]);
  expect(new Set(read.map(({ key }) => key))).toEqual(new Set([kept]));
  const calls = await callsOf(() => succeed({ operation: 'list' }));
  expect(calls.filter(({ method }) => method === 'get').map(({ key }) => key)).not.toContainEqual(
    expect.stringMatching(/^backups\//),
  );
});

test('a cleanup removes nothing when a backup that is to stay has rotted, of which neither size nor time tell', async () => {
  for (let count = 0; count < 3; count++) await backup({ 'backup-type': 'incremental' });
  const before = await storage.keys('backups/');
  // So that no manifest is new to the outlines.
  await operate(storage, { operation: 'cleanup', retention: 'last=3' });
  const newest = before.at(-1) ?? '';
  const bytes = await storage.read(newest);
  bytes[200] = (bytes[200] as number) ^ 1;
  await storage.rot(newest, bytes);
  const { exitCode, outputs } = await operate(storage, { operation: 'cleanup', retention: 'last=1' });
  expect({ exitCode, ...outputs }).toMatchObject({ exitCode: 3, removed: 0 });
  expect(await storage.keys('backups/')).toEqual(before);
});

test('small objects are stored, validated and restored more at once than there are jobs', async () => {
  expect(await countAtOnce('create', 'objects/', () => backup({ jobs: '1' }))).toBeGreaterThan(8);
  expect(await countAtOnce('get', 'objects/', () => succeed({ operation: 'validate' }))).toBeGreaterThan(8);
  const target = await createDatabase(cluster.superuserUrl(), 'requests_restored');
  const restore = { operation: 'restore', 'target-url': target, jobs: '1' };
  expect(await countAtOnce('get', 'objects/', () => succeed(restore))).toBeGreaterThan(8);
});
