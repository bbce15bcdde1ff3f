import { execFileSync } from 'node:child_process';
import dns from 'node:dns';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openForBackup, openRepository } from '../../../src/repository/open.ts';
import { ConfigurationError, StorageError } from '../../../src/runtime/errors.ts';
import type { S3Options } from '../../../src/storage/s3/client.ts';
import { S3Storage } from '../../../src/storage/s3/store.ts';
import { onlyMaker, source } from '../../repository/example.ts';
import { presentContext } from '../../support/context.ts';
import { type FakeS3, type FakeS3Options, startFakeS3 } from '../../support/fake-s3.ts';

/** What a person reads when a store refuses, or is none: the cause, the store's own words, and what to write instead. */

let fakes: FakeS3[] = [];

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test-key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test-secret');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await Promise.all(fakes.map((fake) => fake.close()));
  fakes = [];
});

async function openFake(
  fakeOptions: FakeS3Options = {},
  options: Partial<S3Options> = {},
): Promise<[FakeS3, S3Storage]> {
  const fake = await startFakeS3(fakeOptions);
  fakes.push(fake);
  return [fake, openAt(fake.endpoint, options)];
}

function openAt(endpoint: string, options: Partial<S3Options> = {}): S3Storage {
  const place = { bucket: 'backups', prefix: 'p', endpoint: new URL(endpoint) };
  return new S3Storage({ ...place, context: presentContext, firstDelayMs: 2, silenceMs: 2500, ...options });
}

async function errorOf(deed: Promise<unknown>): Promise<ConfigurationError | StorageError> {
  return deed.then(
    () => {
      throw new Error('it was done');
    },
    (error) => error,
  );
}

/** Any name is one of this machine. */
function resolveAllHere(): void {
  const { lookup } = dns;
  vi.spyOn(dns, 'lookup').mockImplementation(((_: string, ...rest: [never, never]) =>
    lookup('127.0.0.1', ...rest)) as typeof dns.lookup);
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Record<string, string>;
}

interface Row {
  readonly answer: Answer;
  readonly what: string;
  readonly next: string;
}

const rowsOf = (rows: readonly [Answer, string, string][]): Row[] =>
  rows.map(([answer, what, next]) => ({ answer, what, next }));

const refusal = (status: number, code: string, sentence: string, headers = {}): Answer => ({
  status,
  headers,
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${sentence}</Message></Error>`,
});
const page = (status: number, body: string, headers = {}): Answer => ({
  status,
  body,
  headers: { 'content-type': 'text/html', ...headers },
});

describe('what another input mends is refused before anything is touched, with the words of the store', () => {
  test.each<Row>(
    rowsOf([
      [
        refusal(400, 'InvalidBucketName', 'The specified bucket is not valid.'),
        'InvalidBucketName (HTTP 400: The specified bucket is not valid.)',
        'Correct storage',
      ],
      [refusal(400, 'KeyTooLongError', 'Your key is too long'), 'Your key is too long', 'shorter prefix'],
      [
        refusal(415, 'InvalidMimeType', 'mime type application/octet-stream is not supported'),
        'accepts only files of some MIME types: InvalidMimeType (HTTP 415',
        'application/octet-stream',
      ],
      [
        refusal(413, 'EntityTooLarge', 'The object exceeded the maximum allowed size'),
        'does not accept files of this size',
        'Raise the file size limit',
      ],
      [
        refusal(307, 'TemporaryRedirect', 'Please re-send this request to the specified temporary endpoint.'),
        'in another region: TemporaryRedirect (HTTP 307',
        's3-region',
      ],
      [
        refusal(400, 'InvalidStorageClass', 'The storage class you specified is not valid'),
        'no such storage class',
        's3-storage-class',
      ],
      [
        refusal(403, 'AccessDenied', 'not authorized: explicit deny in a resource-based policy'),
        'AccessDenied (HTTP 403: not authorized: explicit deny in a resource-based policy)',
        's3-sse',
      ],
      [
        page(302, '', { location: 'https://login.example.com/?next=secret' }),
        'redirects to another server (login.example.com), as a login page',
        'the S3 endpoint of the store',
      ],
      [
        page(404, '{"message":"requested path is invalid"}', { 'content-type': 'application/json' }),
        'answers, but not with the S3 protocol: HTTP 404: requested path is invalid',
        'https://REF.storage.supabase.co/storage/v1/s3',
      ],
      [
        page(403, '<html><head><style>b{}</style></head><body><h1>Sorry</h1> you were blocked</body></html>'),
        'not with the S3 protocol: HTTP 403: Sorry you were blocked',
        'the S3 endpoint of the store',
      ],
      [
        page(400, 'Client sent an HTTP request to an HTTPS server.\n'),
        'expects TLS on this port',
        'Write https:// in s3-endpoint',
      ],
    ]),
  )('$what', async ({ answer, what, next }) => {
    const [fake, storage] = await openFake();
    fake.fault = () => ({ kind: 'answer', code: '', ...answer });
    const error = await errorOf(storage.probe());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(what);
    expect(error.next).toContain(next);
    expect(error.message).not.toContain('secret');
    // It is not retried, and the probe's key is removed where it may be.
    expect(fake.requests.length).toBeLessThanOrEqual(4);
  });

  test('also where nothing is written: a page that is not found is no absent repository', async () => {
    const [fake, storage] = await openFake();
    fake.fault = () => ({ kind: 'answer', code: '', ...page(404, '<html>Not found</html>') });
    const error = await errorOf(openRepository(storage, undefined));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('not with the S3 protocol: HTTP 404: Not found');
  });

  test('for a project of Supabase with the very address', async () => {
    resolveAllHere();
    const [fake] = await openFake();
    fake.fault = () => ({ kind: 'answer', code: '', ...page(404, '{"error":"not found"}') });
    const { port } = new URL(fake.endpoint);
    const error = await errorOf(openAt(`http://abc.supabase.co:${port}`).probe());
    expect(error.next).toBe(`Write http://abc.supabase.co:${port}/storage/v1/s3 in s3-endpoint.`);
  });
});

describe('what no input mends is an error with the words of the store', () => {
  test.each<Row>(
    rowsOf([
      [
        refusal(403, 'QuotaExceeded', 'Quota is used up'),
        'is full, or its quota is used up: Quota',
        'raise the quota',
      ],
      [
        refusal(403, 'AccessDenied', 'Cannot upload files, storage cap exceeded.'),
        'AccessDenied (HTTP 403: Cannot upload files, storage cap exceeded.)',
        'raise the quota',
      ],
      [page(402, '{"message":"Payment required"}'), 'quota is used up: HTTP 402: Payment required', 'raise'],
      [
        refusal(507, 'InsufficientStorage', 'disk full'),
        'InsufficientStorage (HTTP 507: disk full)',
        'Make room',
      ],
      [
        refusal(403, 'InvalidObjectState', 'The operation is not valid for the storage class GLACIER'),
        'it is archived and cannot be read until the store brings it back: InvalidObjectState (HTTP 403',
        'RestoreObject',
      ],
      [
        refusal(418, 'Teapot', 'short and stout'),
        'Teapot (HTTP 418: short and stout)',
        'says about this error',
      ],
      [refusal(503, 'SlowDown', 'Reduce your rate'), 'kept answering SlowDown (HTTP 503: Reduce', 'later'],
      [page(502, '<html>bad gateway'), 'kept answering HTTP 502: bad gateway', 'later'],
    ]),
  )('$what', async ({ answer, what, next }) => {
    const [fake, storage] = await openFake();
    await storage.put('key', Buffer.from('value'));
    fake.fault = () => ({ kind: 'answer', code: '', ...answer });
    const error = await errorOf(storage.get('key'));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ configuration: false });
    expect(error.message).toContain(what);
    expect(error.next).toContain(next);
  });
});

test('what a HEAD cannot say is asked for: credentials that have expired are named', async () => {
  const [fake, storage] = await openFake();
  fake.fault = () => ({
    kind: 'answer',
    code: '',
    ...refusal(400, 'ExpiredToken', 'The provided token has expired.'),
  });
  const error = await errorOf(storage.stat('key'));
  expect(error.message).toContain('the session token is not valid or has expired (ExpiredToken)');
  expect(fake.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
});

describe('a store that knows the bucket in the host name only', () => {
  beforeEach(resolveAllHere);

  test.each(['auto', 'virtual'] as const)('is spoken to with s3-addressing %s', async (addressing) => {
    const [fake] = await openFake({ addressing: 'virtual' });
    const endpoint = `http://store.example:${new URL(fake.endpoint).port}`;
    const storage = openAt(endpoint, { addressing });
    expect(await storage.probe()).toEqual({ createOnly: true, deletes: true });
    await openForBackup(storage, undefined, source, new Date(), onlyMaker);
    expect([...fake.values.keys()]).toContain('p/repository.json');
    const refused = fake.requests.filter(({ headers }) => headers.host?.startsWith('store.'));
    expect(refused).toHaveLength(addressing === 'auto' ? 1 : 0);
    await storage.close();
  });

  test('is named with s3-addressing path', async () => {
    const [fake] = await openFake({ addressing: 'virtual' });
    const endpoint = `http://store.example:${new URL(fake.endpoint).port}`;
    const error = await errorOf(openAt(endpoint, { addressing: 'path' }).probe());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('virtual-hosted style');
    expect(error.next).toContain('s3-addressing: virtual');
  });
});

describe('TLS', () => {
  /** A server with a certificate made for the occasion. */
  async function startTls(subject: string, ...words: string[]): Promise<{ url: string; close(): void }> {
    const folder = mkdtempSync(join(tmpdir(), 'words-tls-'));
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    const common = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert];
    execFileSync('openssl', [...common, '-subj', `/CN=${subject}`, ...words], { stdio: 'ignore' });
    const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
      response.end(),
    );
    rmSync(folder, { recursive: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => server.close(),
    };
  }

  test('where this speaks none is told', async () => {
    const server = await startTls('other.example');
    const error = await errorOf(openAt(server.url.replace('https:', 'http:')).probe());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.next).toContain('write https:// in s3-endpoint');
    server.close();
  });

  test('of an authority that is not trusted is told with its variable', async () => {
    const server = await startTls('127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1');
    const error = await errorOf(openAt(server.url).probe());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.next).toContain('NODE_EXTRA_CA_CERTS');
    server.close();
  });
});
