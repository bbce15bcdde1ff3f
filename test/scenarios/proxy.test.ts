import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Receiver, startReceiver } from '../alarm/receiver.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeGitHub, startFakeGitHub } from '../support/fake-github.ts';
import { startFakeResults } from '../support/fake-results.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import { type ForwardProxy, startForwardProxy } from '../support/forward-proxy.ts';
import {
  makeAuthority,
  type PrivateAuthority,
  startTlsFront,
  type TlsFront,
} from '../support/private-authority.ts';
import { runAction } from '../support/run-action.ts';
import { runCli } from '../support/run-cli.ts';
import { createShop } from './shop.ts';

/**
 * A runner that only a proxy leads out of, with a storage, a GitHub Enterprise Server and a receiver of messages whose certificates are of an
 * authority of one's own: none of these hosts can be reached in another way.
 */

const password = 'p%w/of:proxy';

let cluster: Cluster;
let folder: string;
let source: string;
let authority: PrivateAuthority;
let proxy: ForwardProxy;
let store: FakeS3;
let github: FakeGitHub;
let receiver: Receiver;
let fronts: Record<'store' | 'github' | 'hooks', TlsFront>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'proxy-'));
  authority = makeAuthority(folder, [
    'store.acme.test',
    'github.acme.test',
    'hooks.acme.test',
    'results.acme.test',
  ]);
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  proxy = await startForwardProxy();
  store = await startFakeS3();
  github = await startFakeGitHub();
  receiver = await startReceiver();
  fronts = {
    store: await startTlsFront(authority, store.endpoint),
    github: await startTlsFront(authority, github.url),
    hooks: await startTlsFront(authority, receiver.url),
  };
  return async () => {
    await proxy.close();
    for (const part of [...Object.values(fronts), store, github, receiver]) await part.close();
  };
});

const address = (name: keyof typeof fronts) => `https://${name}.acme.test:${fronts[name].port}`;
const behindProxy = (env: NodeJS.ProcessEnv = {}) => ({
  HTTPS_PROXY: `http://runner:${encodeURIComponent(password)}@${proxy.host}`,
  NODE_EXTRA_CA_CERTS: authority.file,
  ...env,
});

function step(inputs: Record<string, string>, env: NodeJS.ProcessEnv) {
  return runAction(
    {
      operation: 'backup',
      storage: 's3://backups/shop',
      's3-endpoint': address('store'),
      'database-url': source,
      'failure-issues': 'true',
      'github-token': github.token,
      'notify-url': `${address('hooks')}/notify`,
      'heartbeat-url': `${address('hooks')}/heartbeat`,
      ...inputs,
    },
    {
      env: {
        GITHUB_API_URL: `${address('github')}/api/v3`,
        GITHUB_SERVER_URL: 'https://github.acme.test',
        GITHUB_REPOSITORY: github.repository,
        GITHUB_RUN_ID: '7001',
        ...env,
      },
    },
  );
}

const targets = () => [...new Set(proxy.requests.map(({ target }) => target.split('.')[0]))].sort();

describe('the action behind a proxy', () => {
  test('backs up, opens an issue and sends its messages through it, and past it to no one', async () => {
    const done = await step({}, behindProxy());
    expect(done.exitCode, done.stdout).toBe(0);
    expect(targets()).toEqual(['github', 'hooks', 'store']);
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/heartbeat']);
    expect(proxy.requests.every(({ credentials }) => credentials === `runner:${password}`)).toBe(true);

    const failed = await step({ 'database-url': 'postgresql://u:p@127.0.0.1:1/none' }, behindProxy());
    expect(failed.exitCode).toBe(1);
    expect(github.issues, failed.stdout).toHaveLength(1);
    expect(receiver.requests.map(({ path }) => path)).toContain('/notify');
  });

  test('has the credentials of the proxy masked before it says anything', async () => {
    const { lines, stdout, stderr, summary } = await step({}, behindProxy());
    const masked = lines.filter((line) => line.startsWith('::add-mask::'));
    for (const secret of [password, encodeURIComponent(password)])
      expect(masked.join('\n')).toContain(`::add-mask::${secret.replaceAll('%', '%25')}`);
    const first = lines.findIndex((line) => line !== '' && !line.startsWith('::add-mask::'));
    expect(lines.slice(first).join('\n') + stderr + summary).not.toMatch(/of:proxy|of%3Aproxy/);
    expect(stdout).not.toBe('');
  });

  test('that takes no credentials of ours ends with who refused, and where they go', async () => {
    proxy.refuse = () => 407;
    const { exitCode, stdout } = await step({}, behindProxy());
    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      `the proxy ${proxy.host} does not accept the user and password in HTTPS_PROXY (407)`,
    );
    expect(store.requests).toEqual([]);
    // Nor could anybody be told, which is a warning with the same reason.
    expect(stdout).toMatch(
      /::warning::alarm: the failure issue was not updated: GitHub's API does not answer: the proxy/,
    );
    expect(stdout.replaceAll(/::add-mask::.*/g, '')).not.toMatch(/of:proxy|of%3Aproxy/);
  });

  test('without the authority tells to which variable it belongs', async () => {
    const { stdout } = await step({}, behindProxy({ NODE_EXTRA_CA_CERTS: undefined }));
    expect(stdout).toMatch(
      /store\.acme\.test:\d+, reached through the proxy 127\.0\.0\.1:\d+, has a certificate that this machine does not trust/,
    );
    expect(stdout).toContain('set NODE_EXTRA_CA_CERTS');
  });

  test.each(['SSL_CERT_FILE', 'AWS_CA_BUNDLE'])('has a storage by %s as well', async (name) => {
    const env = behindProxy({ NODE_EXTRA_CA_CERTS: undefined, [name]: authority.file });
    const { exitCode, stdout } = await step({ 'failure-issues': 'false', 'notify-url': '' }, env);
    expect(exitCode, stdout).toBe(0);
    // What is for storages says nothing of others.
    const isTold = receiver.requests.length > 0;
    expect(isTold).toBe(name === 'SSL_CERT_FILE');
  });
});

test('artifacts are listed, stored and read through it, and GitHub’s own client trusts what we trust', async () => {
  const results = await startFakeResults();
  const front = await startTlsFront(authority, results.origin);
  try {
    results.origin = `https://results.acme.test:${front.port}`;
    const at = (runId: string, env: NodeJS.ProcessEnv) =>
      step(
        {
          storage: 'artifact://db',
          'github-token': results.token,
          'failure-issues': 'false',
          'allow-unencrypted': 'true',
        },
        { ...results.environment(runId), ...behindProxy(env) },
      );
    const made = await at('1', {});
    expect(made.exitCode, made.stdout).toBe(0);
    const again = await at('2', { NODE_EXTRA_CA_CERTS: undefined, SSL_CERT_FILE: authority.file });
    expect(again.exitCode, again.stdout).toBe(0);
    expect(results.artifacts).toHaveLength(2);
    expect(targets()).toContain('results');
  } finally {
    await front.close();
    await results.close();
  }
});

test('the database is asked itself, whatever proxies there are', async () => {
  const storage = join(folder, 'repository');
  const env = { HTTPS_PROXY: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1', DATABASE_URL: source };
  const run = await runCli(['backup', '--storage', storage, '--allow-unencrypted'], {
    env: { ...env, SUPABASE_BACKUP_DATABASE_URL: source },
  });
  expect(run.exitCode, run.stderr).toBe(0);
});
