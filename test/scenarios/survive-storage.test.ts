import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { isKnownError } from '../../src/runtime/errors.ts';
import { S3Storage } from '../../src/storage/s3/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { presentContext } from '../support/context.ts';
import { type FakeS3, type Fault, type S3Request, startFakeS3 } from '../support/fake-s3.ts';
import { awsSecret, runCli, succeed } from '../support/run-cli.ts';
import { operate } from './in-process.ts';
import { expectRefusal } from './refusal.ts';
import { keyOf, listBackups, listFolder, type StoredManifest } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';
import { mountTmpfs } from './tmpfs.ts';

/**
 * Every kind of request to a store, times everything that may become of it, times the operations: each succeeds or fails with an error
 * that a person understands, and no backup is ever listed that is not whole. In this process, so that retries need not be waited for;
 * faults.test.ts has some of it with the bundle and its real pauses.
 */

const stage = vi.hoisted(() => ({ open: (): unknown => undefined }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.open() }));

const hour = 3_600_000;
type Words = Partial<Record<InputName, string>>;

let cluster: Cluster;
let folder: string;
let source: string;
let s3: FakeS3;

beforeAll(async () => {
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
  process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;
  folder = mkdtempSync(join(tmpdir(), 'survive-storage-'));
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'storage');
  await query(
    source,
    `CREATE SCHEMA one; CREATE SCHEMA two;
     CREATE TABLE one.t AS SELECT n, md5('one' || n) AS text FROM generate_series(1, 200) n;
     CREATE TABLE two.t AS SELECT n, md5('two' || n) AS text FROM generate_series(1, 200) n;`,
  );
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await use(await startFakeS3());
});
afterEach(() => s3.close());

async function use(store: FakeS3): Promise<void> {
  await s3?.close();
  s3 = store;
  stage.open = () =>
    new S3Storage({
      bucket: s3.bucket,
      prefix: 'shop',
      endpoint: new URL(s3.endpoint),
      context: presentContext,
      firstDelayMs: 1,
      silenceMs: 800,
    });
}

const run = (words: Words) => operate({ now: () => new Date() }, words);
const backup = (type = 'full'): Words => ({
  operation: 'backup',
  'database-url': source,
  'backup-type': type,
});
const cleanup: Words = { operation: 'cleanup', retention: 'last=1 verified=1' };
const change = () => query(source, 'UPDATE one.t SET text = md5(text)');
const keys = (prefix: string) => [...s3.values.keys()].filter((key) => key.startsWith(`shop/${prefix}`));

/** A day and an hour for all that is stored: what is older than its mark stays older. */
function passTime(): void {
  for (const value of s3.values.values()) value.modifiedAt = new Date(value.modifiedAt.getTime() - 25 * hour);
}

/** What was there before the fault is there still, and what is listed is whole. */
async function expectSound(where: string): Promise<void> {
  s3.fault = () => undefined;
  if (!s3.values.has('shop/repository.json')) return;
  const { exitCode, outputs } = await run({ operation: 'validate' });
  expect({ exitCode, ...outputs }, where).toMatchObject({
    exitCode: 0,
    backups: keys('backups/').length,
    damaged: 0,
  });
}

/** The same of the stored bytes, at once. */
function expectWhole(where: string): void {
  for (const key of keys('backups/')) {
    const { objects } = JSON.parse(s3.values.get(key)?.bytes.toString() ?? '') as StoredManifest;
    for (const { name, sha256 } of objects) {
      const found = s3.values.get(`shop/${keyOf(name)}`)?.bytes ?? '';
      expect(createHash('sha256').update(found).digest('hex'), `${where}: ${name} of ${key}`).toBe(sha256);
    }
  }
}

const isList = ({ method, key }: S3Request) => method === 'GET' && key === '';
const requests: Record<string, (request: S3Request) => boolean> = {
  put: ({ method, headers }) => method === 'PUT' && headers['if-none-match'] === undefined,
  create: ({ method, headers }) => method === 'PUT' && headers['if-none-match'] !== undefined,
  get: ({ method, key }) => method === 'GET' && key !== '',
  stat: ({ method }) => method === 'HEAD',
  list: isList,
  delete: ({ method }) => method === 'POST' || method === 'DELETE',
};

const inside200 =
  '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We failed.</Message></Error>';
const faults: Record<string, Fault> = {
  'a 503': { kind: 'answer', status: 503, code: 'SlowDown' },
  'a 429': { kind: 'answer', status: 429, code: 'TooManyRequests' },
  'a reset': { kind: 'reset' },
  'a lost answer': { kind: 'lose-answer' },
  'an answer that breaks off': { kind: 'cut', bytes: 20 },
  'an error inside a 200': { kind: 'answer', status: 200, code: '', body: inside200 },
  'an empty 200': { kind: 'answer', status: 200, code: '', body: '' },
  'less stored than sent': { kind: 'store-less', bytes: 30 },
  silence: { kind: 'hang' },
};
/** What a retry mends. */
const passing = ['a 503', 'a 429', 'a reset', 'a lost answer', 'an answer that breaks off', 'silence'];
/** What comes to one request in three, and what comes to all of them. */
const often = [
  ...[...passing, 'less stored than sent'].map((name) => [name, 3] as const),
  ...['a 503', 'an error inside a 200', 'an empty 200'].map((name) => [name, 1] as const),
];

/** Tells a request from the same one made again: a store that is silent twice in a row is given up. */
function oncePerRequest(): (request: S3Request) => boolean {
  const met = new Set<string>();
  return ({ method, key, query }) => {
    const name = `${method} ${key} ${query}`;
    if (met.has(name)) return false;
    met.add(name);
    return true;
  };
}

/** What a store holds, for many tests. */
type Values = [string, { bytes: Buffer; modifiedAt: Date }][];
const copy = (): Values => [...s3.values].map(([key, value]) => [key, { ...value }]);
function restoreValues(values: Values): void {
  s3.values.clear();
  for (const [key, value] of values) s3.values.set(key, { ...value });
}

/** An operation, and a store on which it has everything to do that it does. */
const operations: [string, readonly string[], () => Promise<Words>][] = [
  [
    'an incremental backup',
    Object.keys(requests),
    async () => {
      await run(backup());
      await change();
      return backup('incremental');
    },
  ],
  [
    'a cleanup',
    Object.keys(requests),
    async () => {
      for (let made = 0; made < 3; made++) {
        await run(backup());
        await change();
        if (made === 1) {
          await run({ operation: 'validate' });
          await run(cleanup);
          passTime();
        }
      }
      await run({ operation: 'validate' });
      // It removes backups, and what others have needed before them.
      expect(keys('garbage/')).toHaveLength(1);
      return cleanup;
    },
  ],
  [
    'a validation',
    // And one record, which is created.
    ['create', 'get', 'list'],
    async () => {
      await run(backup());
      return { operation: 'validate' };
    },
  ],
];

describe.each(operations)('%s', (_, methods, prepare) => {
  test.each(methods)(
    'survives what becomes of its requests: %s',
    async (method) => {
      const words = await prepare();
      const before = copy();
      for (const [name, every] of often) {
        // Who waits for a lock that he could not remove himself waits for twenty seconds.
        if (every === 1 && method === 'delete' && words.operation === 'cleanup') continue;
        restoreValues(before);
        const where = `${name} to one in ${every} of ${method}`;
        let fitting = 0;
        const isNew = oncePerRequest();
        s3.fault = (request) => {
          if (!requests[method]?.(request) || fitting++ % every !== every - 1) return undefined;
          if (name === 'silence' && !isNew(request)) return undefined;
          // A manifest that is cut short in a store that confirmed it is there, and counts as damaged: see faults.test.ts.
          if (name === 'less stored than sent' && request.key.startsWith('shop/backups/')) return undefined;
          return faults[name];
        };
        const ended = await run(words).catch((error: unknown) => error);
        if (ended instanceof Error) {
          expect(isKnownError(ended), `${where}: ${ended.stack}`).toBe(true);
          if (every > 1) expect(passing, `${where}: ${ended.message}`).not.toContain(name);
        }
        expectWhole(where);
      }
      await expectSound(method);
    },
    60_000,
  );
});

describe('a restore', () => {
  test.each(['get', 'list'])('survives what becomes of its requests: %s', async (method) => {
    await run(backup());
    for (const name of passing) {
      const target = await createDatabase(cluster.superuserUrl(), 'target');
      let fitting = 0;
      const isNew = oncePerRequest();
      s3.fault = (request) =>
        requests[method]?.(request) && fitting++ % 3 === 1 && (name !== 'silence' || isNew(request))
          ? faults[name]
          : undefined;
      const restored = await run({ operation: 'restore', 'target-url': target });
      expect(restored.outputs, name).toMatchObject({ parity: 'equal' });
    }
    for (const name of ['a 503', 'an answer that breaks off', 'an error inside a 200', 'an empty 200']) {
      const target = await createDatabase(cluster.superuserUrl(), 'target');
      s3.fault = (request) => (requests[method]?.(request) ? faults[name] : undefined);
      const ended = await run({ operation: 'restore', 'target-url': target }).catch(
        (error: unknown) => error,
      );
      if (ended instanceof Error) expect(isKnownError(ended), `${name}: ${ended.stack}`).toBe(true);
      else expect(ended).toMatchObject({ outputs: { parity: 'equal' } });
    }
  });
});

describe('a store that shows old listings', () => {
  /** A listing of what was there before, below a prefix. */
  function showAsOf(values: Values, below = ''): (request: S3Request) => Fault | undefined {
    return (request) => {
      if (!isList(request) || !request.query.get('prefix')?.startsWith(`shop/${below}`)) return undefined;
      const contents = values
        .filter(([key]) => key.startsWith(request.query.get('prefix') ?? ''))
        .map(
          ([key, { bytes, modifiedAt }]) =>
            `<Contents><Key>${key}</Key><LastModified>${modifiedAt.toISOString()}</LastModified><Size>${bytes.length}</Size></Contents>`,
        );
      const body = `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`;
      return { kind: 'answer', status: 200, code: '', body };
    };
  }

  test('is refused by a backup before it begins', async () => {
    await run(backup());
    s3.fault = showAsOf(copy());
    await expect(run(backup())).rejects.toThrow(/does not return what was written/);
    await expectSound('refused');
  });

  test('while a cleanup looks for garbage loses nothing of the backup that was not shown', async () => {
    await run(backup());
    const before = copy();
    await change();
    await run(backup());
    const all = keys('');
    s3.fault = showAsOf(before, 'backups/');
    expect((await run(cleanup)).outputs['marked-objects']).toBeGreaterThan(0);
    s3.fault = () => undefined;
    expect(all.filter((key) => !s3.values.has(key))).toEqual([]);
    // What was marked by mistake is seen to be needed when its time has come.
    passTime();
    await run({ ...cleanup, retention: 'last=9' });
    expect(all.filter((key) => !s3.values.has(key))).toEqual([]);
    await expectSound('looked again');
  });
});

describe('a store', () => {
  test.each(['ignored', 'refused'] as const)(
    'on which conditions of a write are %s is backed up to, by two at once too, validated and cleaned up',
    async (conditionalWrites) => {
      await use(await startFakeS3({ conditionalWrites }));
      await run(backup());
      await change();
      const outcomes = await Promise.all([run(backup('incremental')), run(backup('incremental'))]);
      expect(outcomes.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
      expect(keys('backups/')).toHaveLength(3);
      await expectSound('two at once');
      expect((await run(cleanup)).outputs).toMatchObject({ backups: 1, removed: 2 });
      passTime();
      expect((await run(cleanup)).outputs['removed-objects']).toBeGreaterThan(0);
      await expectSound('cleaned up');
    },
  );

  test('that lets nothing be deleted is backed up to again and again, and cleanup says what it retains', async () => {
    s3.retains = () => true;
    await run(backup());
    await change();
    await run(backup('incremental'));
    expect(keys('backups/')).toHaveLength(2);
    // A lock that was given back stands in nobody's way.
    expect(keys('locks/').length).toBeGreaterThan(0);
    await expectSound('nothing deleted');
    expect((await run(cleanup)).outputs).toMatchObject({ backups: 2, removed: 0, retained: 1 });
    await run(backup('incremental'));
    await expectSound('backed up again');
  });

  test('that lists a few keys a page loses none of them', async () => {
    await use(await startFakeS3({ pageSize: 2 }));
    for (let made = 0; made < 3; made++) {
      await run(backup('incremental'));
      await change();
    }
    await expectSound('three');
    expect((await run(cleanup)).outputs).toMatchObject({ backups: 1, removed: 2 });
    passTime();
    expect((await run(cleanup)).outputs['removed-objects']).toBeGreaterThan(0);
    await expectSound('cleaned up');
  });
});

describe('a disk that is full', () => {
  test('fails a cleanup, which removes nothing; with room for its lock it does its work', async (context) => {
    const root = join(folder, 'small');
    mkdirSync(root);
    const disk = mountTmpfs(root, 'size=16m');
    if (!disk) return context.skip('only root can mount a small disk');
    try {
      const env = { SUPABASE_BACKUP_DATABASE_URL: source };
      for (let made = 0; made < 3; made++) {
        await succeed(['backup', '--storage', root], { env });
        await change();
      }
      await succeed(['validate', '--storage', root]);
      const before = listFolder(root);
      const { blocks, bfree, bsize } = statfsSync(root);
      disk.remount(`size=${(blocks - bfree) * bsize}`);
      const words = ['cleanup', '--storage', root, '--retention', 'last=1 verified=1'];
      expectRefusal(await runCli(words), { exitCode: 1, says: [/ENOSPC/, /→ Free space/] });
      expectRefusal(await runCli(['backup', '--storage', root], { env }), { exitCode: 1, says: /ENOSPC/ });
      expect(listFolder(root)).toEqual(before);
      // It can still be read.
      expect((await runCli(['list', '--storage', root])).exitCode).toBe(0);
      disk.remount('size=16m');
      expect(await succeed(words)).toMatchObject({ backups: 1, removed: 2 });
      expect(listBackups(root)).toHaveLength(1);
      expect(await succeed(['validate', '--storage', root])).toMatchObject({ damaged: 0 });
    } finally {
      disk.unmount();
    }
  });
});
