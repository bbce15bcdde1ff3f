import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { objectKey } from '../../../src/repository/objects/store.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import type { S3Options } from '../../../src/storage/s3/client.ts';
import { S3Storage } from '../../../src/storage/s3/store.ts';
import { keysOf } from '../../storage.contract.ts';
import { presentContext } from '../../support/context.ts';
import { type FakeS3, type FakeS3Options, startFakeS3 } from '../../support/fake-s3.ts';
import { type MisbehavingProxy, startMisbehavingProxy } from '../../support/misbehaving-proxy.ts';

/** How many requests a deed takes, what is made of a store's word, and when one that says nothing is given up. */

const value = Buffer.from('value');
let opened: { close(): Promise<void> }[] = [];

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test-key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test-secret');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
});

interface Opened {
  readonly fake: FakeS3;
  readonly proxy: MisbehavingProxy;
  readonly storage: S3Storage;
}

async function open(fakeOptions: FakeS3Options = {}, options: Partial<S3Options> = {}): Promise<Opened> {
  const fake = await startFakeS3(fakeOptions);
  const proxy = await startMisbehavingProxy(fake.endpoint);
  const endpoint = new URL(proxy.endpoint);
  const place = { bucket: fake.bucket, prefix: 'p', endpoint };
  const storage = new S3Storage({
    ...place,
    context: presentContext,
    firstDelayMs: 2,
    silenceMs: 2000,
    ...options,
  });
  opened.push(storage, proxy, fake);
  return { fake, proxy, storage };
}

const operationsOf = ({ passed }: MisbehavingProxy) => passed.map(({ operation }) => operation);

async function errorOf(deed: Promise<unknown>): Promise<StorageError> {
  const error = await deed.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StorageError);
  return error as StorageError;
}

describe('a value that is written', () => {
  test('takes one request where the ETag tells its MD5', async () => {
    const { proxy, storage } = await open();
    await storage.probe();
    proxy.passed.length = 0;
    await storage.put('put', value);
    expect(await storage.create('created', value)).toBe(true);
    expect(await storage.create('created', value)).toBe(false);
    expect(operationsOf(proxy)).toEqual(['PUT', 'PUT', 'PUT']);
  });

  test('is looked for before and not after where conditions are ignored', async () => {
    const { proxy, storage } = await open({ conditionalWrites: 'ignored' });
    await storage.probe();
    proxy.passed.length = 0;
    expect(await storage.create('created', value)).toBe(true);
    expect(await storage.create('created', value)).toBe(false);
    expect(operationsOf(proxy)).toEqual(['HEAD', 'PUT', 'HEAD']);
  });

  test('is looked at after it where there is no ETag, or one that is no MD5', async () => {
    for (const etags of ['absent', 'opaque'] as const) {
      const { proxy, storage } = await open({ etags });
      await storage.put('first', value);
      proxy.passed.length = 0;
      await storage.put('second', value);
      expect(operationsOf(proxy)).toEqual(['PUT', 'HEAD']);
    }
  });

  test('is sent again when the store has other bytes of it, and in the end is an error', async () => {
    const { proxy, storage, fake } = await open();
    await storage.probe();
    for (const write of ['put', 'create'] as const) {
      proxy.misbehave({ on: 'PUT', times: 2, does: { kind: 'wrong-write', etag: 'stored' } });
      await storage[write](`${write}-in-the-end`, value);
      expect(fake.values.get(`p/${write}-in-the-end`)?.bytes).toEqual(value);
      proxy.misbehave({ on: 'PUT', does: { kind: 'wrong-write', etag: 'stored' } });
      const { message } = await errorOf(storage[write](`${write}-never`, value));
      expect(message).toMatch(/has other bytes, with the MD5 [0-9a-f]{32} under .*, although .* confirmed/);
    }
  });

  test.each(['put', 'create'] as const)(
    'by %s and answered by errors for ever is there, and no error',
    async (write) => {
      const { proxy, storage } = await open();
      await storage.probe();
      for (const does of [
        { kind: 'done-but', status: 500, code: 'InternalError' },
        { kind: 'done-but-reset' },
      ] as const) {
        proxy.misbehave({ on: 'PUT', does });
        await storage[write](`key-${does.kind}`, value);
      }
      proxy.misbehave();
      expect(await storage.get('key-done-but')).toEqual(value);
    },
  );

  test('and of which nothing can be known is an error that says so', async () => {
    const { proxy, storage } = await open();
    await storage.probe();
    proxy.misbehave({ does: { kind: 'done-but', status: 500, code: 'InternalError' } });
    const error = await errorOf(storage.put('key', value));
    expect(error).toMatchObject({
      uncertain: true,
      message: expect.stringContaining('may have been stored'),
    });
    proxy.misbehave({ on: 'PUT', does: { kind: 'answer', status: 500, code: 'InternalError' } });
    expect(await errorOf(storage.put('never', value))).toMatchObject({ uncertain: false });
  });

  test('carries what the bucket demands', async () => {
    const settings: Partial<S3Options> = {
      encryption: { algorithm: 'aws:kms', keyId: 'alias/backups' },
      storageClass: 'STANDARD_IA',
    };
    const { proxy, storage } = await open({}, settings);
    await storage.probe();
    await storage.put('key', value);
    await storage.create('created', value);
    const puts = proxy.passed.filter(({ operation }) => operation === 'PUT');
    expect(puts.length).toBeGreaterThan(3);
    for (const { headers } of puts) {
      expect(headers).toMatchObject({
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'alias/backups',
        'x-amz-storage-class': 'STANDARD_IA',
      });
    }
  });
});

describe('a probe', () => {
  /** Requests one after another: each begins after one of the step before has ended. */
  function countSteps({ passed }: MisbehavingProxy): number {
    let steps = 0;
    let end = Number.NEGATIVE_INFINITY;
    for (const { startedAt, endedAt = Number.POSITIVE_INFINITY } of passed) {
      if (startedAt < end) {
        end = Math.min(end, endedAt);
        continue;
      }
      steps++;
      end = endedAt;
    }
    return steps;
  }

  test.each([
    ['three', 'honoured', ['DELETE', 'GET', 'LIST', 'PUT', 'PUT']],
    // The last write tells a store that ignores conditions from a probe beside this one that has deleted the key.
    ['four', 'ignored', ['DELETE', 'GET', 'LIST', 'PUT', 'PUT', 'PUT']],
  ] as const)('takes %s steps where conditions are %s', async (_, conditionalWrites, operations) => {
    const { proxy, storage, fake } = await open({ conditionalWrites }, { silenceMs: 5000 });
    proxy.misbehave({ does: { kind: 'latency', milliseconds: 150 } });
    await storage.probe();
    expect(countSteps(proxy)).toBe(operations.length - 2);
    expect(operationsOf(proxy).sort()).toEqual(operations);
    expect(fake.values.size).toBe(0);
  });

  test('has a key as long as any other', async () => {
    const { proxy, storage } = await open();
    await storage.probe();
    const [first] = proxy.passed;
    expect(first?.key.length).toBeGreaterThanOrEqual(`p/${objectKey('a'.repeat(64))}`.length);
  });

  test('whose key another probe deletes between its writes does not take the store for one without conditions', async () => {
    const { proxy, storage, fake } = await open();
    // The key is read and listed before the second write arrives, and gone when it does.
    proxy.misbehave({ on: 'PUT', does: { kind: 'latency', milliseconds: 100 } });
    let puts = 0;
    fake.fault = ({ method }) => {
      if (method === 'PUT' && ++puts === 2) fake.values.clear();
      return undefined;
    };
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: true });
    expect(puts).toBe(3);
  });

  test('that meets another at its key takes the next one', async () => {
    const { proxy, storage } = await open();
    proxy.misbehave({ on: 'GET', times: 1, does: { kind: 'answer', status: 404, code: 'NoSuchKey' } });
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: true });
    proxy.misbehave({ on: 'GET', does: { kind: 'flip' } });
    await expect(storage.probe()).rejects.toThrow('does not return what was written to it');
  });
});

describe('a store that falls silent', () => {
  const deeds: [string, (storage: S3Storage) => Promise<unknown>][] = [
    ['PUT', (storage) => storage.put('key', value)],
    ['GET', (storage) => storage.get('key')],
    ['HEAD', (storage) => storage.stat('key')],
    ['LIST', (storage) => keysOf(storage, 'objects/')],
    ['DELETE', (storage) => storage.delete(['key'])],
  ];

  test.each(deeds)(
    'holds a %s for two silences, and what comes after it for a part of one',
    async (_, deed) => {
      const silenceMs = 800;
      const { proxy, storage } = await open({}, { silenceMs });
      await storage.put('key', value);
      proxy.misbehave({ does: { kind: 'hang' } });
      let since = performance.now();
      expect((await errorOf(deed(storage))).message).toMatch(/stopped answering|did not answer in time/);
      const first = performance.now() - since;
      since = performance.now();
      await errorOf(storage.delete(['lock']));
      expect(performance.now() - since).toBeLessThan(0.6 * first);
      expect(first).toBeLessThan(6 * silenceMs);
      // It answers again, and all is as before.
      proxy.misbehave();
      await storage.stat('key');
      proxy.misbehave({ on: 'GET', times: 3, does: { kind: 'reset' } });
      expect(await storage.get('key')).toEqual(value);
    },
  );

  test.each(['GET', 'LIST'] as const)('in drops, to a %s, is given up as well', async (on) => {
    const { proxy, storage, fake } = await open({}, { silenceMs: 500 });
    fake.values.set('p/key', { bytes: Buffer.alloc(100_000), modifiedAt: new Date() });
    proxy.misbehave({ on, does: { kind: 'drip', milliseconds: 40 } });
    const since = performance.now();
    const deed = on === 'GET' ? storage.get('key') : keysOf(storage, '');
    expect((await errorOf(deed)).message).toContain('bytes came in 0.5 seconds');
    expect(performance.now() - since).toBeLessThan(6000);
  });
});

describe('a clock that is wrong', () => {
  const date = () => new Date(Date.now() + 20 * 60_000).toUTCString();

  test('is set by the answer that refuses it, once', async () => {
    const { proxy, storage } = await open();
    const headers = { date: date() };
    proxy.misbehave({
      times: 1,
      does: { kind: 'answer', status: 403, code: 'RequestTimeTooSkewed', headers },
    });
    await storage.put('key', value);
    proxy.passed.length = 0;
    proxy.misbehave({ does: { kind: 'answer', status: 403, code: 'RequestTimeTooSkewed', headers } });
    expect((await errorOf(storage.get('key'))).message).toContain('clocks');
    expect(proxy.passed.length).toBeLessThanOrEqual(2);
  });

  test('makes no answer one that may pass', async () => {
    const { proxy, storage } = await open();
    proxy.misbehave({ does: { kind: 'answer', status: 404, code: 'NoSuchKey', headers: { date: date() } } });
    for (let asked = 0; asked < 3; asked++) {
      expect(await errorOf(storage.get('key'))).toMatchObject({ missing: true });
    }
    expect(proxy.passed).toHaveLength(3);
  });
});
