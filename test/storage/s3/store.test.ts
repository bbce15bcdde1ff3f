import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConfigurationError, StorageError } from '../../../src/runtime/errors.ts';
import { S3Storage } from '../../../src/storage/s3/store.ts';
import { DeniedValueError, ForeignValueError, RetainedError } from '../../../src/storage/storage.ts';
import { describeStorage, keysOf } from '../../storage.contract.ts';
import { presentContext } from '../../support/context.ts';
import {
  type FakeS3,
  type FakeS3Options,
  type Fault,
  type S3Request,
  startFakeS3,
} from '../../support/fake-s3.ts';

let fakes: FakeS3[] = [];

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test-key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test-secret');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(fakes.map((fake) => fake.close()));
  fakes = [];
});

async function openFake(options: FakeS3Options = {}, prefix = 'some/prefix'): Promise<[FakeS3, S3Storage]> {
  const fake = await startFakeS3(options);
  fakes.push(fake);
  return [fake, openAt(fake.endpoint, fake.bucket, prefix)];
}

function openAt(endpoint: string, bucket = 'backups', prefix = 'some/prefix'): S3Storage {
  return new S3Storage({
    bucket,
    prefix,
    endpoint: new URL(endpoint),
    context: presentContext,
    firstDelayMs: 2,
    silenceMs: 2500,
  });
}

function answer(status: number, code: string, extra: Partial<Fault> = {}): Fault {
  return { kind: 'answer', status, code, ...extra } as Fault;
}

/** The faults of a script one after the other for the requests it is about, then none. */
function script(about: (request: S3Request) => boolean, ...faults: Fault[]): FakeS3['fault'] {
  return (request) => (about(request) ? faults.shift() : undefined);
}

const isPut = (request: S3Request) => request.method === 'PUT';
const isGet = (request: S3Request) => request.method === 'GET' && request.key !== '';
const isList = (request: S3Request) => request.method === 'GET' && request.key === '';
const isAny = () => true;

describeStorage('s3 (a fake of it)', async () => (await openFake())[1]);
describeStorage('s3 with pages of 7 keys', async () => (await openFake({ pageSize: 7 }))[1]);
describeStorage('s3 in the root of a bucket', async () => (await openFake({}, ''))[1]);
describeStorage(
  's3 that ignores If-None-Match',
  async () => (await openFake({ conditionalWrites: 'ignored' }))[1],
  { createOnly: false, deletes: true },
);
describeStorage(
  's3 that refuses If-None-Match',
  async () => (await openFake({ conditionalWrites: 'refused' }))[1],
  { createOnly: false, deletes: true },
);
describeStorage('s3 without DeleteObjects', async () => {
  const [fake, storage] = await openFake();
  fake.fault = ({ method }) => (method === 'POST' ? answer(501, 'NotImplemented') : undefined);
  return storage;
});

const endpoint = process.env.TESTBED_S3_ENDPOINT;
describe.skipIf(!endpoint)('a server that is not ours (TESTBED_S3_ENDPOINT)', () => {
  const run = `contract/${Date.now()}-${process.pid}`;
  let opened = 0;
  describeStorage('s3', async () => openAt(endpoint ?? '', 'testbed', `${run}-${opened++}`));

  afterEach(async () => {
    const storage = openAt(endpoint ?? '', 'testbed', `${run}-${opened - 1}`);
    await storage.delete(await keysOf(storage, ''));
    await storage.close();
  });
});

describe('an answer without an end', () => {
  const flood = (status: number): Fault => ({ kind: 'flood', status });

  test.each([
    ['to a listing', isList, 200, (storage: S3Storage) => keysOf(storage, ''), /more than 33554432 bytes/],
    ['to a read', isGet, 200, (storage: S3Storage) => storage.get('key'), /the limit/],
    ['to a write', isPut, 200, (storage: S3Storage) => storage.put('key', Buffer.from('a')), /more than/],
    ['that is an error', isGet, 403, (storage: S3Storage) => storage.get('key'), /access is denied/],
    ['that is an error of a listing', isList, 400, (storage: S3Storage) => keysOf(storage, ''), /HTTP 400/],
  ])('%s is cut off, and the storage goes on', async (_, about, status, call, message) => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.from('value'));
    fake.requests.length = 0;
    fake.fault = script(about, flood(status));
    const before = process.memoryUsage().rss;
    await expect(call(storage)).rejects.toThrow(message);
    expect(process.memoryUsage().rss - before).toBeLessThan(900_000_000);
    // After a write that failed it looks whether the value is there.
    expect(fake.requests).toHaveLength(about === isPut ? 2 : 1);
    await storage.put('key', Buffer.from('value'));
    expect((await storage.get('key')).toString()).toBe('value');
  });

  test('is retried where its status says so', async () => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.from('value'));
    fake.fault = script(isGet, flood(503), flood(500));
    expect((await storage.get('key')).toString()).toBe('value');
  });

  test('nor is a value read that is announced too large', async () => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.alloc(1000));
    fake.fault = script(isGet, { kind: 'stall', bytes: 10 });
    await expect(storage.get('key', 999)).rejects.toThrow(ForeignValueError);
  });
});

describe('what passes is retried', () => {
  test.each([
    ['500', answer(500, 'InternalError')],
    ['503 SlowDown', answer(503, 'SlowDown')],
    [
      'a proxy’s 502 page',
      answer(502, '', { headers: { 'content-type': 'text/html' }, body: '<html>bad gateway' }),
    ],
    ['429', answer(429, 'TooManyRequests')],
    ['a reset connection', { kind: 'reset' } as Fault],
    ['a lost answer', { kind: 'lose-answer' } as Fault],
  ])('%s, on every kind of request', async (_, fault) => {
    const [fake, storage] = await openFake();
    const failEach = (method: string) => script((request) => request.method === method, fault, fault);
    const value = Buffer.from('value');

    fake.fault = failEach('PUT');
    await storage.put('key', value);
    fake.fault = failEach('HEAD');
    expect(await storage.stat('key')).toMatchObject({ size: 5 });
    fake.fault = failEach('GET');
    expect(await storage.get('key')).toEqual(value);
    fake.fault = failEach('GET');
    expect(await keysOf(storage, '')).toEqual(['key']);
    fake.fault = failEach('POST');
    await storage.delete(['key']);
    expect(fake.values.size).toBe(0);
  });

  test('a body that breaks off midway is read again from its start', async () => {
    const [fake, storage] = await openFake();
    const value = Buffer.alloc(3_000_000, 'row\n');
    await storage.put('key', value);
    fake.requests.length = 0;
    fake.fault = script(isGet, { kind: 'cut', bytes: 0 }, { kind: 'cut', bytes: 2_000_000 });
    expect((await storage.get('key')).equals(value)).toBe(true);
    expect(fake.requests).toHaveLength(3);
  });

  test('a peer that falls silent, before its answer or midway, is asked again', async () => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.from('0123456789'));
    for (const fault of [{ kind: 'hang' }, { kind: 'stall', bytes: 4 }] as const) {
      fake.fault = script(isGet, fault);
      expect((await storage.get('key')).toString()).toBe('0123456789');
    }
    fake.fault = script(isPut, { kind: 'hang' });
    await storage.put('key', Buffer.alloc(5_000_000));
  });

  test('an upload that was damaged on its way is sent again', async () => {
    const [fake, storage] = await openFake();
    fake.fault = script(isPut, answer(400, 'BadDigest'));
    expect(await storage.create('key', Buffer.from('value'))).toBe(true);
    expect(fake.requests.filter(isPut).every(({ headers }) => headers['if-none-match'] === '*')).toBe(true);
  });

  test('a listing that breaks off midway is read again', async () => {
    const [fake, storage] = await openFake({ pageSize: 2 });
    for (const key of ['a', 'b', 'c', 'd', 'e']) await storage.put(key, Buffer.from(key));
    fake.fault = script(isList, { kind: 'cut', bytes: 60 });
    expect(await keysOf(storage, '')).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a conflict of two conditional writes is tried again until it is decided', async () => {
    const [fake, storage] = await openFake();
    await storage.probe();
    fake.fault = script(isPut, answer(409, 'ConditionalRequestConflict'));
    expect(await storage.create('key', Buffer.from('value'))).toBe(true);
  });

  test('a probe is not misled by a retry', async () => {
    const [fake, storage] = await openFake();
    let puts = 0;
    fake.fault = (request) => (isPut(request) && ++puts === 2 ? answer(500, 'InternalError') : undefined);
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: true });
  });

  test('a create whose answer was lost knows its own value', async () => {
    const [fake, storage] = await openFake();
    await storage.probe();
    fake.fault = script(isPut, { kind: 'lose-answer' });
    expect(await storage.create('key', Buffer.from('mine'))).toBe(true);
  });

  test('a create that was retried does not take another’s value for its own', async () => {
    const [fake, storage] = await openFake();
    await storage.probe();
    fake.fault = (request) => {
      if (!isPut(request)) return undefined;
      fake.fault = () => undefined;
      fake.values.set(request.key, { bytes: Buffer.from('theirs'), modifiedAt: new Date() });
      return answer(500, 'InternalError');
    };
    expect(await storage.create('key', Buffer.from('mine'))).toBe(false);
    expect((await storage.get('key')).toString()).toBe('theirs');
  });

  test('retries end, and the error says what the store kept answering', async () => {
    const [fake, storage] = await openFake();
    fake.fault = () => answer(503, 'SlowDown');
    const error = await storage.put('objects/key', Buffer.from('value')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageError);
    expect((error as Error).message).toBe(
      `cannot store objects/key in s3://backups/some/prefix: ${new URL(fake.endpoint).host} kept answering SlowDown (HTTP 503: SlowDown of the fake); it may have been stored anyway`,
    );
    expect(error).toMatchObject({ uncertain: true });
    // And it was looked for, with one more try.
    expect(fake.requests).toHaveLength(8 + 2);
  });

  test('a body that never comes whole is an error, not a shorter value', async () => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.from('0123456789'));
    fake.fault = () => ({ kind: 'cut', bytes: 4 });
    await expect(storage.get('key')).rejects.toThrow(/cannot read key .* broke off after \d+ bytes/);
  });

  test('what cannot pass is asked once', async () => {
    const [fake, storage] = await openFake();
    fake.fault = () => answer(403, 'AccessDenied');
    await expect(storage.get('key')).rejects.toThrow('access is denied');
    await expect(storage.put('key', Buffer.from('value'))).rejects.toThrow('access is denied');
    expect(fake.requests).toHaveLength(2);
  });
});

describe('a listing that is not whole is an error', () => {
  test.each([
    ['truncated without a token', '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'],
    [
      'truncated with the same token again',
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>',
    ],
    ['a page of the web', '<html><body>welcome</body></html>'],
    ['nothing', ''],
  ])('%s', async (_, body) => {
    const [fake, storage] = await openFake();
    fake.fault = () => answer(200, '', { body });
    await expect(keysOf(storage, '')).rejects.toThrow('that is not whole');
  });
});

describe('a listing of a store that means ill', () => {
  const page = (token: string, contents = '') =>
    `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>${contents}</ListBucketResult>`;
  const entry = (key: string, size = '5') =>
    `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>${size}</Size></Contents>`;

  test.each([
    ['in a circle', (asked: number) => page(asked % 2 ? 'a' : 'b', entry('some/prefix/key'))],
    ['of nothing, for ever', (asked: number) => page(`token ${asked}`)],
  ])('%s ends', async (_, body) => {
    const [fake, storage] = await openFake();
    fake.fault = () => answer(200, '', { body: body(fake.requests.length) });
    await expect(keysOf(storage, '')).rejects.toThrow('that is not whole');
  });

  test('names nothing that was not asked for, nor what has no size', async () => {
    const [fake, storage] = await openFake();
    const keys = [
      'some/prefix/locks/ours',
      'some/prefix/objects/ab/x',
      'elsewhere123locks/theirs',
      'locks/theirs',
    ];
    const contents = [
      ...keys.map((key) => entry(key)),
      entry('some/prefix/locks/negative', '-5'),
      entry('some/prefix/locks/huge', '1e308'),
      entry('some/prefix/locks/../../up'),
      entry('some/prefix/locks/&#7;bell'),
    ];
    const body = `<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`;
    fake.fault = () => answer(200, '', { body });
    expect(await keysOf(storage, 'locks/')).toEqual(['locks/ours']);
  });
});

describe('an answer that comes drop by drop', () => {
  test.each([
    ['of a value', isGet, 200],
    ['of an error', isGet, 500],
    ['of a listing', isList, 200],
  ])('%s is cut off, and asked for again', async (_, about, status) => {
    const [fake] = await openFake();
    const storage = new S3Storage({
      ...{ bucket: 'backups', prefix: 'some/prefix', endpoint: new URL(fake.endpoint), firstDelayMs: 2 },
      context: presentContext,
      silenceMs: 200,
    });
    await storage.put('key', Buffer.from('value'));
    fake.fault = script(about, { kind: 'drip', status });
    expect(await keysOf(storage, '')).toEqual(['key']);
    expect((await storage.get('key')).toString()).toBe('value');
    await storage.close();
  });
});

describe('a value that the store withholds', () => {
  const refused = (code: string, status = 403) => answer(status, code);

  test.each([
    ['is archived', refused('InvalidObjectState')],
    ['is under a key of somebody else', refused('AccessDenied')],
    ['is under a key that was switched off', refused('KMS.DisabledException', 400)],
    ['needs a key in the request', refused('InvalidRequest', 400)],
  ])('because it %s is damage, and others are read', async (_, fault) => {
    const [fake, storage] = await openFake();
    await storage.put('ours', Buffer.from('value'));
    await storage.put('theirs', Buffer.from('value'));
    fake.fault = (request) => (isGet(request) && request.key.endsWith('theirs') ? fault : undefined);
    await storage.get('ours');
    const error = await storage.get('theirs').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DeniedValueError);
    expect((await storage.get('ours')).toString()).toBe('value');
  });

  test('is no damage when the credentials may read none any more', async () => {
    const [fake, storage] = await openFake();
    await storage.put('ours', Buffer.from('value'));
    await storage.get('ours');
    await storage.put('another', Buffer.from('value'));
    fake.fault = (request) => (isGet(request) ? refused('AccessDenied') : undefined);
    const error = await storage.get('another').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageError);
    expect(error).not.toBeInstanceOf(ForeignValueError);
    expect((error as Error).message).toContain('access is denied');
  });
});

test.each([400, 409, 418, 500])(
  'a store that repeats the request with HTTP %i is not quoted',
  async (status) => {
    vi.stubEnv('AWS_SESSION_TOKEN', 'of-this-session');
    const [fake, storage] = await openFake();
    fake.fault = ({ headers }) => {
      const said = `${headers.authorization} ${headers['x-amz-security-token']}\n::set-output name=gate::passed`;
      const body = `<Error><Code>Odd${said}</Code><Message>denied: ${said}${'A'.repeat(20_000)}</Message></Error>`;
      return answer(status, '', { body });
    };
    const error = (await storage.get('key').catch((thrown: unknown) => thrown)) as StorageError;
    const told = `${error.message} ${error.next}`;
    expect(told).toContain('an answer that repeats the request');
    expect(told).not.toMatch(/of-this-session|Signature|set-output|\n/);
    expect(told.length).toBeLessThan(500);
  },
);

test('a region is a name, or none', async () => {
  const [fake, storage] = await openFake();
  const body =
    '<Error><Code>PermanentRedirect</Code><Region>eu-1 and s3-endpoint to https://evil</Region></Error>';
  fake.fault = () => answer(301, '', { body });
  await expect(storage.get('key')).rejects.toMatchObject({
    next: 'Set s3-region to the region of the bucket.',
  });
});

test('at Amazon’s own endpoints the checksums of the SDK are used as well', async () => {
  const fake = await startFakeS3();
  fakes.push(fake);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', fake.endpoint);
  const storage = new S3Storage({
    bucket: fake.bucket,
    prefix: '',
    region: 'eu-west-3',
    context: presentContext,
    firstDelayMs: 2,
  });
  const value = Buffer.alloc(1_000_000, 'value');
  await storage.put('key', value);
  expect(fake.requests.find(isPut)?.headers).toMatchObject({
    'content-md5': expect.any(String),
    'x-amz-checksum-crc32': expect.any(String),
  });
  expect((await storage.get('key')).equals(value)).toBe(true);
  fake.fault = script(isGet, { kind: 'cut', bytes: 300_000 });
  expect((await storage.get('key')).equals(value)).toBe(true);
  await storage.delete(['key']);
  expect(fake.values.size).toBe(0);
});

describe('what is stored', () => {
  test('lies under the prefix, and what is no key of ours is not listed', async () => {
    const [fake, storage] = await openFake();
    await storage.put('backups/one', Buffer.from('value'));
    expect([...fake.values.keys()]).toEqual(['some/prefix/backups/one']);
    const other = { bytes: Buffer.from('other'), modifiedAt: new Date() };
    for (const key of ['some/prefix/', 'some/prefix/a folder/x', 'some/prefix-2/backups/two', 'else']) {
      fake.values.set(key, other);
    }
    expect(await keysOf(storage, '')).toEqual(['backups/one']);
  });

  test('is sent with its MD5 and without the framing that other stores refuse', async () => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.from('value'));
    const { headers } = fake.requests.find(isPut) as S3Request;
    expect(headers['content-md5']).toBe('IGPBYI1uC6+AJJxC4r5YBA==');
    expect(Object.keys(headers).filter((name) => /checksum|trailer|expect/.test(name))).toEqual([]);
  });

  test.each(['put', 'create'] as const)(
    'is sent again by %s when the store kept a part of it and answered success',
    async (write) => {
      const [fake, storage] = await openFake();
      await storage.probe();
      fake.fault = script(isPut, { kind: 'store-less', bytes: 3 });
      await storage[write]('key', Buffer.from('value'));
      expect((await storage.get('key')).toString()).toBe('value');
      fake.fault = (request) => (isPut(request) ? { kind: 'store-less', bytes: 3 } : undefined);
      await expect(storage[write]('new', Buffer.from('value'))).rejects.toThrow(
        /has other bytes, with the MD5 3a6d0284[0-9a-f]{24} under new, although .* confirmed that it was stored/,
      );
    },
  );

  test('is not overwritten by create in a store that ignores the condition, even before a probe', async () => {
    const [, storage] = await openFake({ conditionalWrites: 'ignored' });
    await storage.put('key', Buffer.from('first'));
    expect(await storage.create('key', Buffer.from('second'))).toBe(false);
    expect((await storage.get('key')).toString()).toBe('first');
  });
});

test('a store that has honoured the condition once is never written to without it', async () => {
  const [fake, storage] = await openFake();
  await storage.probe();
  await storage.put('key', Buffer.from('first'));
  fake.fault = script(isPut, answer(501, 'NotImplemented'));
  await expect(storage.create('key', Buffer.from('second'))).rejects.toThrow('NotImplemented (HTTP 501');
  expect((await storage.get('key')).toString()).toBe('first');
});

test('what is read again is asked for over a connection of its own', async () => {
  const [fake, storage] = await openFake();
  await storage.put('key', Buffer.from('value'));
  await storage.get('key');
  expect((await storage.get('key', 10, { freshConnection: true })).toString()).toBe('value');
  const reads = fake.requests.filter(isGet).map(({ headers }) => headers.connection);
  expect(reads).toEqual(['keep-alive', 'close']);
});

describe('what the store retains', () => {
  test('is named by a delete that has removed the rest, in a batch or one by one', async () => {
    for (const batches of [true, false]) {
      const [fake, storage] = await openFake();
      fake.retains = (key) => key.endsWith('locked');
      fake.fault = ({ method }) =>
        method === 'POST' && !batches ? answer(400, 'InvalidRequest') : undefined;
      for (const key of ['a', 'b/locked', 'c']) await storage.put(key, Buffer.from(key));
      const error = await storage.delete(['a', 'b/locked', 'c']).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RetainedError);
      expect(error).toMatchObject({
        keys: ['b/locked'],
        message: expect.stringContaining('retained b/locked'),
      });
      expect(await keysOf(storage, '')).toEqual(['b/locked']);
    }
  });

  test('does not fail a probe, whose leftovers do not add up', async () => {
    const [fake, storage] = await openFake();
    fake.retains = () => true;
    for (let probes = 0; probes < 600; probes++) {
      expect(await storage.probe()).toEqual({ createOnly: true, deletes: false });
    }
    expect(fake.values.size).toBeLessThanOrEqual(256);
  });

  test('does not fail a probe either when it cannot be overwritten', async () => {
    const [fake, storage] = await openFake();
    fake.retains = () => true;
    fake.fault = ({ method, key, headers }) =>
      method === 'PUT' && fake.values.has(key) && !headers['if-none-match']
        ? answer(403, 'RetentionPolicyNotMet')
        : undefined;
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: false });
    for (const value of fake.values.values()) value.modifiedAt = new Date(0);
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: false });
  });

  test('is removed by a later probe when it was a killed one that left it', async () => {
    const [fake, storage] = await openFake();
    fake.values.set('some/prefix/probe/left', { bytes: Buffer.from('x'), modifiedAt: new Date(0) });
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: true });
    expect(fake.values.size).toBe(0);
  });
});

describe('a probe names the mistake', () => {
  test.each([
    [answer(404, 'NoSuchBucket'), 'the bucket backups does not exist', 'Create the bucket'],
    [answer(403, 'InvalidAccessKeyId'), 'does not know this access key', 'AWS_ACCESS_KEY_ID'],
    [answer(403, 'SignatureDoesNotMatch'), 'secret key does not belong', 'AWS_SECRET_ACCESS_KEY'],
    [answer(403, 'AccessDenied'), 'access is denied', 's3:ListBucket on backups'],
    [answer(400, 'ExpiredToken'), 'session token', 'longer than the run'],
    [answer(403, 'RequestTimeTooSkewed'), 'clocks', 'Set the clock'],
    [
      answer(301, 'PermanentRedirect', { headers: { 'x-amz-bucket-region': 'eu-west-3' } }),
      'in another region',
      'eu-west-3',
    ],
    [
      answer(400, 'AuthorizationHeaderMalformed', {
        body: '<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>',
      }),
      'in another region',
      'eu-west-3',
    ],
  ])('$code', async (fault, what, next) => {
    const [fake, storage] = await openFake();
    fake.fault = () => fault;
    const error = await storage.probe().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain(what);
    expect((error as ConfigurationError).next).toContain(next);
    expect((error as Error).message).not.toContain('test-secret');
  });

  test('an endpoint where nobody listens', async () => {
    const [fake] = await openFake();
    await fake.close();
    const error = await openAt(fake.endpoint)
      .probe()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain(
      `${new URL(fake.endpoint).host} cannot be reached (ECONNREFUSED)`,
    );
  });

  test('an endpoint that has no address', async () => {
    const error = await openAt('https://store.invalid')
      .probe()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toMatch(/store.invalid cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/);
  });

  test('https where the store speaks http', async () => {
    const [fake] = await openFake();
    const error = await openAt(fake.endpoint.replace('http:', 'https:'))
      .probe()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).next).toContain('Check the scheme of s3-endpoint');
  });

  test('no credentials', async () => {
    const [, storage] = await openFake();
    for (const name of [
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_PROFILE',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
    ]) {
      vi.stubEnv(name, undefined);
    }
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('HOME', '/nonexistent');
    const error = await storage.probe().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('no credentials were found');
  });

  test('no region, at Amazon', async () => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
    vi.stubEnv('HOME', '/nonexistent');
    const storage = new S3Storage({
      bucket: 'backups',
      prefix: '',
      context: presentContext,
      firstDelayMs: 2,
    });
    const error = await storage.probe().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).next).toContain('s3-region');
  });

  test('but not when the store is only busy', async () => {
    const [fake, storage] = await openFake();
    fake.fault = script(isAny, ...Array.from({ length: 8 }, () => answer(503, 'SlowDown')));
    const error = await storage.probe().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageError);
  });
});
