import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { isKnownError } from '../../src/runtime/errors.ts';
import { S3Storage } from '../../src/storage/s3/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { presentContext } from '../support/context.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import {
  type MisbehavingProxy,
  type Misdeed,
  type Rule,
  startMisbehavingProxy,
} from '../support/misbehaving-proxy.ts';
import { awsSecret } from '../support/run-cli.ts';
import { operate } from './in-process.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What stores and lines do, times what is asked of them, through a proxy before real bytes. For each: how the operation ends, and that no
 * green run has left what cannot be restored, and no run at all has lost what was there. In this process, so that pauses are short.
 */

const stage = vi.hoisted(() => ({ open: (): unknown => undefined }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.open() }));

type Words = Partial<Record<InputName, string>>;
type Stored = [string, { bytes: Buffer; modifiedAt: Date }][];

const silenceMs = 1500;
let cluster: Cluster;
let folder: string;
let source: string;
let target: string;
let fake: FakeS3;
let proxy: MisbehavingProxy;
/** A repository with two backups of a database that has changed since. */
let before: Stored;

const run = (words: Words) => operate({ now: () => new Date() }, words);
const backup: Words = { operation: 'backup', 'backup-type': 'incremental' };

beforeAll(async () => {
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
  process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;
  folder = mkdtempSync(join(tmpdir(), 'storage-faults-'));
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'faults');
  backup['database-url'] = source;
  await query(
    source,
    `CREATE TABLE one AS SELECT n, md5('one' || n) AS text FROM generate_series(1, 200) n;
     CREATE TABLE two AS SELECT n, md5('two' || n) AS text FROM generate_series(1, 200) n;`,
  );
  fake = await startFakeS3();
  proxy = await startMisbehavingProxy(fake.endpoint);
  stage.open = () =>
    new S3Storage({
      ...{ bucket: fake.bucket, prefix: 'p', endpoint: new URL(proxy.endpoint) },
      ...{ firstDelayMs: 1, silenceMs, context: presentContext },
    });
  for (let made = 0; made < 2; made++) {
    await run({ ...backup, 'backup-type': 'full' });
    await query(source, 'UPDATE one SET text = md5(text)');
  }
  before = [...fake.values];
});
beforeEach(async () => {
  fake.values.clear();
  for (const [key, stored] of before) fake.values.set(key, { ...stored });
  proxy.misbehave();
  proxy.passed.length = 0;
});
afterAll(async () => {
  await proxy?.close();
  await fake?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const manifests = () => [...fake.values.keys()].filter((key) => key.startsWith('p/backups/'));

/** How an operation ends: well, with the answer no, or with an error that a person understands. */
async function endOf(words: Words): Promise<'done' | 'no' | 'failed' | 'refused'> {
  try {
    return (await run(words)).exitCode === 0 ? 'done' : 'no';
  } catch (error) {
    if (!isKnownError(error)) throw error;
    return error.exitCode === 2 ? 'refused' : 'failed';
  }
}

async function expectNothingLost(): Promise<void> {
  proxy.misbehave();
  const kept = new Set(manifests());
  for (const [key] of before) if (key.startsWith('p/backups/')) expect(kept).toContain(key);
  expect(await run({ operation: 'validate' })).toMatchObject({
    exitCode: 0,
    outputs: { backups: kept.size, damaged: 0 },
  });
}

const internal = { status: 500, code: 'InternalError' } as const;
const busy: Misdeed = { kind: 'answer', status: 503, code: 'SlowDown' };
const quota: Misdeed = { kind: 'answer', status: 403, code: 'QuotaExceeded' };

describe('a backup', () => {
  test.each<[string, 'done' | 'failed' | 'refused', Rule]>([
    ['slow answers to all', 'done', { does: { kind: 'latency', milliseconds: 40 } }],
    ['one request in three reset', 'done', { every: 3, does: { kind: 'reset' } }],
    [
      'one answer in three reset in its body',
      'done',
      { every: 3, does: { kind: 'reset-in-body', bytes: 20 } },
    ],
    ['one request in three busy', 'done', { every: 3, does: busy }],
    ['one write silent', 'done', { on: 'PUT', under: 'p/objects/', times: 1, does: { kind: 'hang' } }],
    ['one read silent', 'done', { on: 'GET', under: 'p/backups/', times: 1, does: { kind: 'hang' } }],
    ['one listing silent', 'done', { on: 'LIST', skip: 1, times: 1, does: { kind: 'hang' } }],
    [
      'one listing in drops',
      'done',
      { on: 'LIST', skip: 1, times: 1, does: { kind: 'drip', milliseconds: 50 } },
    ],
    [
      'one listing cut short',
      'done',
      { on: 'LIST', skip: 1, times: 1, does: { kind: 'truncate', bytes: 50, length: 'kept' } },
    ],
    [
      'writes of objects answered by 500, though done',
      'done',
      { on: 'PUT', under: 'p/objects/', does: { kind: 'done-but', ...internal } },
    ],
    [
      'the write of the manifest answered by 500, though done',
      'done',
      { on: 'PUT', under: 'p/backups/', does: { kind: 'done-but', ...internal } },
    ],
    [
      'the write of the manifest reset, though done',
      'done',
      { on: 'PUT', under: 'p/backups/', does: { kind: 'done-but-reset' } },
    ],
    [
      'one object stored wrong',
      'done',
      { on: 'PUT', under: 'p/objects/', times: 1, does: { kind: 'wrong-write', etag: 'stored' } },
    ],
    [
      'the manifest stored wrong, once',
      'done',
      { on: 'PUT', under: 'p/backups/', times: 1, does: { kind: 'wrong-write', etag: 'stored' } },
    ],
    [
      'objects stored wrong for ever',
      'failed',
      { on: 'PUT', under: 'p/objects/', does: { kind: 'wrong-write', etag: 'stored' } },
    ],
    ['writes of objects busy for ever', 'failed', { on: 'PUT', under: 'p/objects/', does: busy }],
    [
      'writes of objects silent for ever',
      'failed',
      { on: 'PUT', under: 'p/objects/', does: { kind: 'hang' } },
    ],
    ['the write of the manifest busy for ever', 'failed', { on: 'PUT', under: 'p/backups/', does: busy }],
    ['the quota used up in the middle', 'failed', { on: 'PUT', under: 'p/objects/', does: quota }],
    ['all silent after a while', 'failed', { skip: 12, does: { kind: 'hang' } }],
    ['all denied', 'refused', { does: { kind: 'answer', status: 403, code: 'AccessDenied' } }],
    [
      'a page of the web for all',
      'refused',
      { does: { kind: 'answer', status: 404, body: '<html>Not found</html>' } },
    ],
    ['listings busy for ever', 'failed', { on: 'LIST', does: busy }],
    ['deletes reset, one in two', 'done', { on: 'DELETE', every: 2, does: { kind: 'reset' } }],
  ])('with %s is %s', async (_, expected, rule) => {
    proxy.misbehave(rule);
    expect(await endOf(backup)).toBe(expected);
    expect(manifests()).toHaveLength(expected === 'done' ? 3 : 2);
    await expectNothingLost();
  });
});

describe('a validation', () => {
  test.each<[string, 'done' | 'failed' | 'refused', Rule]>([
    ['one read in two reset', 'done', { on: 'GET', every: 2, does: { kind: 'reset' } }],
    [
      'one read in two reset in its body',
      'done',
      { on: 'GET', every: 2, does: { kind: 'reset-in-body', bytes: 20 } },
    ],
    ['one read silent', 'done', { on: 'GET', under: 'p/objects/', times: 1, does: { kind: 'hang' } }],
    [
      'one read in drops',
      'done',
      { on: 'GET', under: 'p/objects/', times: 1, does: { kind: 'drip', milliseconds: 50 } },
    ],
    [
      'one read cut short',
      'done',
      { on: 'GET', under: 'p/objects/', times: 1, does: { kind: 'truncate', bytes: 9, length: 'kept' } },
    ],
    ['reads silent for ever', 'failed', { on: 'GET', under: 'p/objects/', does: { kind: 'hang' } }],
    ['reads busy for ever', 'failed', { on: 'GET', under: 'p/objects/', does: busy }],
    [
      'listings that are a page of the web',
      'refused',
      { on: 'LIST', does: { kind: 'answer', status: 404, body: '<html>' } },
    ],
    [
      'listings denied',
      'refused',
      { on: 'LIST', does: { kind: 'answer', status: 403, code: 'AccessDenied' } },
    ],
  ])('with %s is %s, and takes nothing for damaged', async (_, expected, rule) => {
    proxy.misbehave(rule);
    expect(await endOf({ operation: 'validate' })).toBe(expected);
    await expectNothingLost();
  });
});

describe('a restore', () => {
  test.each<[string, 'done' | 'failed', Rule]>([
    ['one request in three reset', 'done', { every: 3, does: { kind: 'reset' } }],
    ['one read silent', 'done', { on: 'GET', under: 'p/objects/', times: 1, does: { kind: 'hang' } }],
    ['reads busy for ever', 'failed', { on: 'GET', under: 'p/objects/', does: busy }],
  ])('with %s is %s', async (_, expected, rule) => {
    target = await createDatabase(cluster.superuserUrl(), 'target_of_faults');
    proxy.misbehave(rule);
    expect(await endOf({ operation: 'restore', 'target-url': target })).toBe(expected);
  });
});

describe('a cleanup', () => {
  const cleanup: Words = { operation: 'cleanup', retention: 'last=1' };

  test.each<[string, 'done' | 'failed', Rule]>([
    ['one request in three reset', 'done', { every: 3, does: { kind: 'reset' } }],
    ['one delete silent', 'done', { on: 'DELETE', times: 1, does: { kind: 'hang' } }],
    [
      'deletes done and answered by 500',
      'done',
      { on: 'DELETE', every: 2, does: { kind: 'done-but', ...internal } },
    ],
    ['deletes of backups busy for ever', 'failed', { on: 'DELETE', under: 'p/backups/', does: busy }],
    ['listings silent for ever', 'failed', { on: 'LIST', skip: 3, does: { kind: 'hang' } }],
  ])('with %s is %s, and leaves what is kept whole', async (_, expected, rule) => {
    proxy.misbehave(rule);
    expect(await endOf(cleanup)).toBe(expected);
    proxy.misbehave();
    const newest = before
      .map(([key]) => key)
      .filter((key) => key.startsWith('p/backups/'))
      .sort()
      .at(-1);
    expect(manifests()).toContain(newest);
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0, outputs: { damaged: 0 } });
  });
});

test('a store that falls silent ends a backup within a few silences', async () => {
  proxy.misbehave({ skip: 20, does: { kind: 'hang' } });
  const since = performance.now();
  expect(await endOf(backup)).toBe('failed');
  // Of a minute each these are five minutes, as docs/faults.md has it; what is added is the backup itself.
  expect(performance.now() - since).toBeLessThan(5 * silenceMs + 15_000);
});
