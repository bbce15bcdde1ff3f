import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { findProxy } from '../../src/http/proxy.ts';
import { explainSilence, NoAnswer, request } from '../../src/http/request.ts';
import { type Receiver, startReceiver } from '../alarm/receiver.ts';
import { type ForwardProxy, startForwardProxy } from '../support/forward-proxy.ts';
import {
  makeAuthority,
  type PrivateAuthority,
  startTlsFront,
  type TlsFront,
} from '../support/private-authority.ts';

let folder: string;
let authority: PrivateAuthority;
let proxy: ForwardProxy;
let receiver: Receiver;
let front: TlsFront;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'request-'));
  authority = makeAuthority(folder, ['hooks.acme.test', 'localhost']);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  proxy = await startForwardProxy();
  receiver = await startReceiver();
  front = await startTlsFront(authority, receiver.url);
});
afterEach(async () => {
  await proxy.close();
  await front.close();
  await receiver.close();
});

const ask = (address: string, env: NodeJS.ProcessEnv, milliseconds = 5000) =>
  request(new URL(address), {
    ...{ method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' }, env },
    signal: AbortSignal.timeout(milliseconds),
  });
const hooks = () => `https://hooks.acme.test:${front.port}/path?key=1`;
const plain = () => `http://hooks.acme.test:${new URL(receiver.url).port}/path?key=1`;
const trusting = (env: NodeJS.ProcessEnv) => ({ SSL_CERT_FILE: authority.file, ...env });

async function failureOf(asked: Promise<unknown>): Promise<NoAnswer> {
  const error = await asked.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(NoAnswer);
  return error as NoAnswer;
}

describe('a request', () => {
  test.each(['HTTPS_PROXY', 'https_proxy'])('of https goes through a tunnel of %s', async (name) => {
    const response = await ask(hooks(), trusting({ [name]: `http://${proxy.host}` }));
    expect([response.status, await response.text()]).toEqual([200, 'ok']);
    expect(proxy.requests).toEqual([
      { method: 'CONNECT', target: `hooks.acme.test:${front.port}`, credentials: undefined },
    ]);
    expect(receiver.requests).toMatchObject([{ method: 'POST', path: '/path?key=1', body: '{"a":1}' }]);
    // What is for the proxy alone does not go on.
    expect(Object.keys(receiver.requests[0]?.headers ?? {}).join()).not.toContain('proxy');
  });

  test('of http goes to HTTP_PROXY whole, and to no other', async () => {
    const response = await ask(plain(), { HTTP_PROXY: proxy.host, HTTPS_PROXY: 'http://127.0.0.1:1' });
    expect(await response.text()).toBe('ok');
    expect(proxy.requests).toMatchObject([{ method: 'POST', target: new URL(plain()).host }]);
  });

  test('shows user and password to the proxy and to nobody else', async () => {
    const env = trusting({ HTTPS_PROXY: `http://us%40er:p%3Aw@${proxy.host}` });
    await (await ask(hooks(), env)).text();
    expect(proxy.requests[0]?.credentials).toBe('us@er:p:w');
    expect(JSON.stringify(receiver.requests)).not.toContain('proxy-authorization');
  });

  test('takes one tunnel for all that follow', async () => {
    const env = trusting({ HTTPS_PROXY: proxy.host });
    for (let count = 0; count < 3; count++) await (await ask(hooks(), env)).text();
    expect([receiver.requests.length, proxy.tunnels]).toEqual([3, 1]);
  });

  test('trusts an authority of one’s own only where it is named, and says how', async () => {
    const env = { HTTPS_PROXY: proxy.host };
    const { message, next } = await failureOf(ask(hooks(), env));
    expect(message).toMatch(
      /^hooks\.acme\.test:\d+, reached through the proxy 127\.0\.0\.1:\d+, has a certificate that this machine does not trust \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)$/,
    );
    expect(next).toContain('set NODE_EXTRA_CA_CERTS to a file with its certificate');
    const direct = await failureOf(ask(`https://localhost:${front.port}`, {}));
    expect(direct.next).toContain('set NODE_EXTRA_CA_CERTS');
    expect((await ask(`https://localhost:${front.port}`, trusting({}))).status).toBe(200);
    expect(receiver.requests).toHaveLength(1);
  });

  test.each([
    ['is not there', undefined, 'ENOENT'],
    ['holds no certificate', 'nothing', 'it holds no certificate'],
  ])('tells of a file of authorities that %s', async (_, content, why) => {
    const file = join(folder, 'other.pem');
    rmSync(file, { force: true });
    if (content !== undefined) writeFileSync(file, content);
    const { next } = await failureOf(ask(`https://localhost:${front.port}`, { SSL_CERT_FILE: file }));
    expect(next).toContain(`SSL_CERT_FILE names a file that cannot be used (${why})`);
  });

  test.each(['acme.test', '.acme.test', 'hooks.acme.test', '*', 'PORT', 'other.test', 'acme.tes'])(
    'goes where the messages say that it goes: NO_PROXY=%s',
    async (list) => {
      const NO_PROXY = list.replace('PORT', `hooks.acme.test:${front.port}`);
      const env = trusting({ HTTPS_PROXY: proxy.host, NO_PROXY });
      const isProxied = findProxy(new URL(hooks()), env) !== undefined;
      await ask(hooks(), env).then(
        (response) => response.text(),
        // Nobody but the proxy knows that host.
        (error) => expect(error.message).toMatch(/ENOTFOUND|EAI_AGAIN/),
      );
      expect(proxy.requests).toHaveLength(isProxied ? 1 : 0);
    },
  );

  test('to this machine goes through none', async () => {
    const env = trusting({ HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1' });
    expect((await ask(`https://localhost:${front.port}`, env)).status).toBe(200);
    expect((await ask(receiver.url, env)).status).toBe(200);
  });
});

describe('a proxy that', () => {
  const through = (credentials = '') => trusting({ HTTPS_PROXY: `http://${credentials}${proxy.host}` });

  test('wants credentials is told with where they go', async () => {
    proxy.refuse = () => 407;
    const { message, next } = await failureOf(ask(hooks(), through()));
    expect(message).toBe(
      `the proxy ${proxy.host} requires a user and a password, but HTTPS_PROXY has none (407)`,
    );
    expect(next).toContain(`HTTPS_PROXY as http://user:password@${proxy.host}`);
    const plainly = await failureOf(ask(plain(), { http_proxy: proxy.host }));
    expect(plainly.message).toContain('http_proxy has none (407)');
  });

  test('refuses credentials is told without them', async () => {
    proxy.refuse = () => 407;
    const { message, next } = await failureOf(ask(hooks(), through('bob:hidden@')));
    expect(message).toBe(
      `the proxy ${proxy.host} does not accept the user and password in HTTPS_PROXY (407)`,
    );
    expect(message + next).not.toMatch(/bob|hidden/);
  });

  test.each([
    [403, 'Have the proxy allow CONNECT'],
    [503, 'Check whether the proxy can reach'],
  ])('refuses the way (%s) is told as the one who did', async (status, advice) => {
    proxy.refuse = () => status;
    const { message, next } = await failureOf(ask(hooks(), through('bob:hidden@')));
    expect(message).toBe(
      `the proxy ${proxy.host} (HTTPS_PROXY) refused to connect to hooks.acme.test:${front.port} (${status})`,
    );
    expect(next).toContain(advice);
    expect(next).toContain('or add hooks.acme.test to NO_PROXY');
    expect(message + next).not.toMatch(/bob|hidden/);
  });

  test('is away is told apart from the server', async () => {
    await proxy.close();
    const { message, next } = await failureOf(ask(hooks(), through('bob:hidden@')));
    expect(message).toBe(
      `the proxy ${proxy.host} cannot be reached (ECONNREFUSED), but HTTPS_PROXY sends requests to hooks.acme.test:${front.port} through it`,
    );
    expect(next).toContain('Check HTTPS_PROXY');
    proxy = await startForwardProxy();
  });

  test('speaks no TLS of its own is told so', async () => {
    const env = trusting({ HTTPS_PROXY: `https://${proxy.host}` });
    const { message, next } = await failureOf(ask(hooks(), env));
    expect(message).toMatch(/does not use TLS \(.*\), but HTTPS_PROXY starts with https:\/\/$/);
    expect(next).toContain('Write HTTPS_PROXY with http://');
  });

  test('never answers is given up in time', async () => {
    proxy.refuse = () => 'hang';
    const error = await ask(hooks(), through(), 200).catch((error: unknown) => error);
    expect(explainSilence(error)).toBe('no answer in time');
  });
});

test('an answer that stops in the middle is given up in time', async () => {
  const server = createServer((_message, response) => response.write('half'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.closeAllConnections());
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const response = await ask(`http://127.0.0.1:${port}`, {}, 300);
  const error = await response.text().catch((error: unknown) => error);
  expect(explainSilence(error)).toBe('no answer in time');
});

test('where no proxy is named, a host that cannot be reached brings it to mind', async () => {
  const { next } = await failureOf(ask('https://nobody.acme.test', {}));
  expect(next).toContain('If it needs a proxy, set HTTPS_PROXY');
});

test.each([204, 304])('an answer without a body is one: %s', async (status) => {
  receiver.answer = () => ({ status });
  expect(await (await ask(receiver.url, {})).text()).toBe('');
});
