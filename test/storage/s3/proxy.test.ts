import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConfigurationError, StorageError } from '../../../src/runtime/errors.ts';
import { S3Storage } from '../../../src/storage/s3/store.ts';
import { createContext } from '../../support/context.ts';
import { type FakeS3, startFakeS3 } from '../../support/fake-s3.ts';
import { type ForwardProxy, startForwardProxy } from '../../support/forward-proxy.ts';
import {
  makeAuthority,
  type PrivateAuthority,
  startTlsFront,
  type TlsFront,
} from '../../support/private-authority.ts';

let folder: string;
let authority: PrivateAuthority;
let proxy: ForwardProxy;
let store: FakeS3;
let front: TlsFront;
const opened: S3Storage[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3-proxy-'));
  authority = makeAuthority(folder, ['store.acme.test', 'sts.amazonaws.com', '*.amazonaws.com']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'key');
  proxy = await startForwardProxy();
  store = await startFakeS3();
  front = await startTlsFront(authority, store.endpoint);
});
afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close();
  vi.unstubAllEnvs();
  await proxy.close();
  await front.close();
  await store.close();
});

const endpoint = () => `https://store.acme.test:${front.port}`;

function open(env: NodeJS.ProcessEnv, address = endpoint()): S3Storage {
  const storage = new S3Storage({
    ...{ bucket: store.bucket, prefix: '', endpoint: new URL(address), firstDelayMs: 2, silenceMs: 1000 },
    context: createContext({ env: { AWS_CA_BUNDLE: authority.file, ...env } }),
  });
  opened.push(storage);
  return storage;
}

async function failureOf(storage: S3Storage): Promise<StorageError | ConfigurationError> {
  const error = await storage.probe().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof StorageError || error instanceof ConfigurationError) return error;
  throw new Error(`not refused: ${error}`);
}

describe('a storage behind a proxy', () => {
  test('is reached through it alone, for all that is asked', async () => {
    const storage = open({ HTTPS_PROXY: `http://bob:hidden@${proxy.host}` });
    await storage.probe();
    await storage.put('objects/one', Buffer.from('value'));
    expect(await storage.get('objects/one')).toEqual(Buffer.from('value'));
    expect(proxy.requests.length).toBeGreaterThan(0);
    for (const asked of proxy.requests)
      expect(asked).toEqual({
        ...{ method: 'CONNECT', target: `store.acme.test:${front.port}`, credentials: 'bob:hidden' },
      });
    expect(JSON.stringify(store.requests.map(({ headers }) => headers))).not.toContain('proxy-auth');
    // One tunnel carries what comes one after another.
    expect(proxy.tunnels).toBeLessThan(store.requests.length / 2);
  });

  test('is reached by plain HTTP, too, as a whole address', async () => {
    const { port } = new URL(store.endpoint);
    const storage = open({ HTTP_PROXY: proxy.host }, `http://store.acme.test:${port}`);
    await storage.put('objects/one', Buffer.from('value'));
    expect(proxy.requests.map(({ method }) => method)).toContain('PUT');
    expect(store.values.get('objects/one')?.bytes.toString()).toBe('value');
  });

  test('is gone past where NO_PROXY names it', async () => {
    const { port } = new URL(store.endpoint);
    const storage = open({ HTTP_PROXY: proxy.host, NO_PROXY: 'acme.test' }, `http://store.acme.test:${port}`);
    const { message } = await failureOf(storage);
    expect(message).toMatch(/store\.acme\.test cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/);
    expect(proxy.requests).toEqual([]);
  });

  test('of Amazon’s is, with a bucket in the name of the host', async () => {
    const storage = new S3Storage({
      ...{ bucket: 'backups', prefix: '', region: 'eu-west-3', firstDelayMs: 2, silenceMs: 1000 },
      context: createContext({ env: { HTTPS_PROXY: proxy.host } }),
    });
    opened.push(storage);
    proxy.refuse = () => 403;
    const { message, next } = await failureOf(storage);
    expect(proxy.requests[0]?.target).toBe('backups.s3.eu-west-3.amazonaws.com:443');
    expect(message).toContain(`the proxy ${proxy.host} (HTTPS_PROXY) refused to connect to`);
    expect(next).toContain('Have the proxy allow CONNECT');
  });

  test('gets its credentials from a role through it, too', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
    const token = join(folder, 'token');
    writeFileSync(token, 'a.b.c');
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', token);
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/backup');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    proxy.refuse = () => 403;
    await failureOf(open({ HTTPS_PROXY: proxy.host }));
    expect(proxy.requests.map(({ target }) => target)).toContain('sts.us-east-1.amazonaws.com:443');
  });
});

describe('a proxy that', () => {
  test('wants credentials ends it at once, as a matter of configuration', async () => {
    proxy.refuse = () => 407;
    const error = await failureOf(open({ HTTPS_PROXY: proxy.host }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(
      `the proxy ${proxy.host} requires a user and a password, but HTTPS_PROXY has none (407)`,
    );
    expect(error.next).toContain('http://user:password@');
    // A probe begins with two requests at once, and makes none of them again.
    expect(proxy.requests.length).toBeLessThanOrEqual(2);
  });

  test('does not know ours is told without them', async () => {
    proxy.refuse = () => 407;
    const { message, next } = await failureOf(open({ HTTPS_PROXY: `http://bob:hidden@${proxy.host}` }));
    expect(message).toContain('does not accept the user and password in HTTPS_PROXY (407)');
    expect(message + next).not.toMatch(/bob|hidden/);
  });

  test('wants credentials for plain HTTP is not taken for the store', async () => {
    proxy.refuse = () => 407;
    const { port } = new URL(store.endpoint);
    const storage = open({ HTTP_PROXY: proxy.host }, `http://store.acme.test:${port}`);
    expect((await failureOf(storage)).message).toContain('HTTP_PROXY has none (407)');
  });

  test('is away is told apart from the store', async () => {
    await proxy.close();
    const { message, next } = await failureOf(open({ HTTPS_PROXY: `http://bob:hidden@${proxy.host}` }));
    expect(message).toContain(
      `the proxy ${proxy.host} cannot be reached (ECONNREFUSED), but HTTPS_PROXY sends requests to store.acme.test:${front.port} through it`,
    );
    expect(next).toBe(
      'Check HTTPS_PROXY, or add store.acme.test to NO_PROXY if it can be reached without the proxy.',
    );
    proxy = await startForwardProxy();
  });

  test('fails for a moment is asked again', async () => {
    let refusals = 0;
    proxy.refuse = () => (refusals++ === 0 ? 503 : undefined);
    await open({ HTTPS_PROXY: proxy.host }).probe();
    expect(refusals).toBeGreaterThan(1);
  });

  test('shows a certificate of its own is told with what to trust', async () => {
    const error = await failureOf(open({ HTTPS_PROXY: proxy.host, AWS_CA_BUNDLE: '/nowhere/ca.pem' }));
    expect(error.message).toContain(
      `reached through the proxy ${proxy.host}, has a certificate that this machine does not trust`,
    );
    expect(error.next).toMatch(
      /^For a private CA, set NODE_EXTRA_CA_CERTS to .*; AWS_CA_BUNDLE names a file that cannot be used \(ENOENT\)/,
    );
  });
});

test('a storage with a certificate of one’s own authority is trusted by AWS_CA_BUNDLE or SSL_CERT_FILE', async () => {
  for (const name of ['AWS_CA_BUNDLE', 'SSL_CERT_FILE']) {
    const env = { AWS_CA_BUNDLE: undefined, HTTPS_PROXY: proxy.host, [name]: authority.file };
    expect((await open(env).probe()).createOnly).toBe(true);
  }
});

test.each(['socks5://proxy:1080', 'http://'])(
  'a proxy that there cannot be is refused before anything is asked: %s',
  (address) => {
    expect(() => open({ HTTPS_PROXY: address })).toThrow(ConfigurationError);
  },
);
