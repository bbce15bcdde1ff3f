import { describe, expect, test } from 'vitest';
import { findProxy, readProxyEnvironment } from '../../src/http/proxy.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';

const proxied = (address: string, env: NodeJS.ProcessEnv) => findProxy(new URL(address), env)?.host;
const store = 'https://s3.example.com';

describe('the proxy of an address', () => {
  test.each([
    ['HTTPS_PROXY', 'http://proxy:3128', 'proxy:3128'],
    ['https_proxy', 'http://proxy:3128', 'proxy:3128'],
    ['HTTPS_PROXY', 'proxy:3128', 'proxy:3128'],
    ['HTTPS_PROXY', 'http://user:pass@proxy:3128/', 'proxy:3128'],
    ['HTTPS_PROXY', 'https://proxy', 'proxy'],
    ['HTTP_PROXY', 'http://proxy:3128', undefined],
    ['HTTPS_PROXY', ' ', undefined],
  ])('of https is named by %s=%s', (name, value, expected) => {
    expect(proxied(store, { [name]: value })).toBe(expected);
  });

  test('of http is another one, and small letters go first', () => {
    const env = { HTTP_PROXY: 'http://one:1', http_proxy: 'http://two:2', HTTPS_PROXY: 'http://three:3' };
    expect(proxied('http://s3.example.com', env)).toBe('two:2');
  });

  test.each([
    ['s3.example.com', true],
    ['S3.Example.com', true],
    ['example.com', true],
    ['.example.com', true],
    ['*.example.com', true],
    ['other.com, example.com', true],
    ['other.com example.com', true],
    ['*', true],
    ['s3.example.com:443', true],
    ['s3.example.com:444', false],
    ['ample.com', false],
    ['com.example', false],
    ['', false],
  ])('is none where NO_PROXY is %j: %s', (list, isDirect) => {
    for (const name of ['NO_PROXY', 'no_proxy'])
      expect(proxied(store, { HTTPS_PROXY: 'http://proxy', [name]: list })).toBe(
        isDirect ? undefined : 'proxy',
      );
  });

  test.each([
    ['10.1.2.3', '10.0.0.0/8', true],
    ['10.1.2.3', '10.1.2.3/32', true],
    ['11.1.2.3', '10.0.0.0/8', false],
    ['192.168.3.9', '192.168.2.0/23', true],
    ['192.168.4.0', '192.168.2.0/23', false],
    ['200.1.1.1', '128.0.0.0/1', true],
    ['10.1.2.3', '10.1.2.0-10.1.2.9', true],
    ['10.1.2.10', '10.1.2.0-10.1.2.9', false],
  ])('%s is in the network %s: %s', (host, list, isDirect) => {
    const env = { HTTPS_PROXY: 'http://proxy', NO_PROXY: list };
    expect(proxied(`https://${host}`, env)).toBe(isDirect ? undefined : 'proxy');
  });

  test.each(['localhost', 'a.localhost', '127.0.0.1', '127.9.0.1', '[::1]'])(
    'is none for this machine itself: %s',
    (host) => {
      expect(proxied(`https://${host}:9000`, { HTTPS_PROXY: 'http://proxy' })).toBeUndefined();
    },
  );

  test.each(['socks5://user:hidden@proxy:1080', 'http://', 'http://user:%zz@proxy', 'http://a b'])(
    'that there cannot be is refused, without what it holds: %s',
    (address) => {
      const refusal = () => readProxyEnvironment({ HTTPS_PROXY: address });
      expect(refusal).toThrow(ConfigurationError);
      expect(refusal).toThrow(/^HTTPS_PROXY is not the address of an HTTP proxy$/);
    },
  );

  test('is refused by a Node that could not go through it, and would go past it in silence', () => {
    const env = { HTTPS_PROXY: 'http://proxy:3128' };
    expect(() => readProxyEnvironment(env, '24.4.1')).toThrow('HTTPS_PROXY: Node.js 24.4.1 cannot use');
    expect(readProxyEnvironment(env, '24.5.0')).toMatchObject({ https_proxy: 'http://proxy:3128/' });
    expect(readProxyEnvironment(env, '26.0.0')).toBeDefined();
    expect(readProxyEnvironment({}, '24.4.1')).toBeUndefined();
  });
});
