import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GitHubApi, GitHubFailure } from '../../src/github/api.ts';
import { Issues } from '../../src/github/issues.ts';
import { type FakeGitHub, type GitHubFault, startFakeGitHub } from '../support/fake-github.ts';

let github: FakeGitHub;

beforeEach(async () => {
  github = await startFakeGitHub({ pageSize: 2 });
});
afterEach(() => github.close());

function connect(changes: { signal?: AbortSignal; timeoutMs?: number } = {}): GitHubApi {
  const signal = new AbortController().signal;
  return new GitHubApi({
    token: github.token,
    env: { GITHUB_API_URL: github.url },
    now: () => new Date(),
    signal,
    timeoutMs: 1000,
    delayMs: 5,
    ...changes,
  });
}

const open = (api: GitHubApi) => api.send('POST', '/repos/acme/shop/issues', { title: 'one', body: 'text' });
const list = (api: GitHubApi, pages: number) => api.list('/repos/acme/shop/issues', { state: 'all' }, pages);

/** These, one after the other, and then the truth. */
function script(...faults: GitHubFault[]): void {
  github.fault = () => faults.shift();
}

async function failureOf(request: Promise<unknown>): Promise<GitHubFailure> {
  const error = await request.then(
    () => undefined,
    (error) => error,
  );
  expect(error).toBeInstanceOf(GitHubFailure);
  return error;
}

describe('a list', () => {
  beforeEach(() => {
    for (let count = 0; count < 5; count++) github.add({ title: `issue ${count}` });
  });

  it('has the elements of all pages', async () => {
    expect(await list(connect(), 10)).toHaveLength(5);
    expect(github.requests).toHaveLength(3);
  });

  it('ends after so many pages', async () => {
    expect(await list(connect(), 2)).toHaveLength(4);
  });

  it('of issues has no pull requests', async () => {
    github.add({ isPullRequest: true });
    const issues = await new Issues(connect(), github.repository).list({ state: 'all' }, 10);
    expect(issues.map(({ number }) => number)).toEqual([5, 4, 3, 2, 1]);
  });

  it('that is none is refused', async () => {
    const error = await failureOf(connect().list('/repos/acme/shop/labels/none', {}, 1));
    expect(error.status).toBe(404);
  });
});

describe('a request', () => {
  it.each<[string, GitHubFault]>([
    ['an answer of 502', { kind: 'answer', status: 502 }],
    ['a rate limit that passes', { kind: 'answer', status: 429, headers: { 'retry-after': '0' } }],
    [
      'a rate limit that is over',
      { kind: 'answer', status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' } },
    ],
    ['a connection that ends', { kind: 'reset' }],
    ['an answer that does not come', { kind: 'hang' }],
  ])('is repeated after %s', async (_name, fault) => {
    script(fault);
    await open(connect({ timeoutMs: 200 }));
    expect(github.issues).toHaveLength(1);
    expect(github.requests).toHaveLength(2);
  });

  it('waits as long as it is told', async () => {
    script({ kind: 'answer', status: 429, headers: { 'retry-after': '1' } });
    const start = performance.now();
    await open(connect());
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  it.each<[string, GitHubFault]>([
    ['a rate limit of an hour', { kind: 'answer', status: 429, headers: { 'retry-after': '3600' } }],
    ['a secondary rate limit', { kind: 'answer', status: 403, message: 'secondary rate limit exceeded' }],
  ])('is not repeated after %s', async (_name, fault) => {
    github.fault = () => fault;
    expect((await failureOf(open(connect()))).rateLimited).toBe(true);
    expect(github.requests).toHaveLength(1);
  });

  it.each([400, 401, 403, 404, 410, 422])('is not repeated after %i', async (status) => {
    github.fault = () => ({ kind: 'answer', status, message: 'no' });
    const error = await failureOf(open(connect()));
    expect(error).toMatchObject({ status, rateLimited: false, message: `GitHub answered ${status}: no` });
    expect(github.requests).toHaveLength(1);
  });

  it('is made three times at most', async () => {
    github.fault = () => ({ kind: 'answer', status: 503 });
    expect((await failureOf(open(connect()))).status).toBe(503);
    expect(github.requests).toHaveLength(3);
  });

  it('ends when it is told to, with the reason', async () => {
    github.fault = () => ({ kind: 'hang' });
    const controller = new AbortController();
    const request = open(connect({ signal: controller.signal }));
    setTimeout(() => controller.abort(new Error('time is over')), 50);
    await expect(request).rejects.toThrow('time is over');
  });

  it('ends when it is told to while it waits', async () => {
    github.fault = () => ({ kind: 'answer', status: 429, headers: { 'retry-after': '9' } });
    const controller = new AbortController();
    const start = performance.now();
    const request = open(connect({ signal: controller.signal }));
    setTimeout(() => controller.abort(new Error('time is over')), 50);
    await expect(request).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('follows a redirect of the same server as what it is', async () => {
    script({ kind: 'answer', status: 301, headers: { location: `${github.url}/repos/acme/shop/issues` } });
    await connect().send('POST', '/repos/acme/renamed/issues', { title: 'one', body: 'text' });
    expect(github.issues.map(({ title }) => title)).toEqual(['one']);
  });
});

describe('the token', () => {
  it('goes to no other server, by a redirect or as a next page', async () => {
    const asked: string[] = [];
    const stranger = createServer((message, response) => {
      asked.push(message.url ?? '');
      response.end('[]');
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const elsewhere = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/issues`;
    script({ kind: 'answer', status: 307, headers: { location: elsewhere } });
    expect((await failureOf(open(connect()))).message).toContain('another server');
    const links = createServer((_message, response) => {
      response.setHeader('link', `<${elsewhere}>; rel="next"`);
      response.end('[]');
    });
    await new Promise<void>((resolve) => links.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(links.address() as AddressInfo).port}`;
    const api = new GitHubApi({
      token: 'token',
      env: { GITHUB_API_URL: url },
      now: () => new Date(),
      signal: new AbortController().signal,
      timeoutMs: 1000,
      delayMs: 5,
    });
    expect((await failureOf(list(api, 5))).message).toContain('another server');
    expect(asked).toEqual([]);
    for (const server of [stranger, links]) {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('issues', () => {
  const content = { title: 'one', body: 'text', labels: ['a'], assignees: ['stranger'] };

  it('are opened without those who cannot be assigned', async () => {
    const { issue, dropped } = await new Issues(connect(), github.repository).open(content);
    expect(dropped).toEqual(['assignees']);
    expect(issue.labels).toEqual(['a']);
  });

  it('are not opened when something else is wrong', async () => {
    const wrong = { ...content, title: 'x'.repeat(300), assignees: [] };
    const error = await failureOf(new Issues(connect(), github.repository).open(wrong));
    expect(error.fields).toEqual(['title']);
  });

  it('have labels that were there, that are made, and that cannot be', async () => {
    const issues = new Issues(connect(), github.repository);
    const label = { name: 'severity: high', color: 'b60205', description: '' };
    expect(await issues.ensureLabel(label)).toBe(true);
    expect(await issues.ensureLabel(label)).toBe(true);
    github.mayLabel = false;
    expect(await issues.ensureLabel(label)).toBe(true);
    expect(await issues.ensureLabel({ ...label, name: 'new' })).toBe(false);
  });

  it('of strangers are told from those of members and apps', async () => {
    github.add({ author: { type: 'User', association: 'NONE' } });
    github.add({ author: { type: 'User', association: 'CONTRIBUTOR' } });
    github.add({ author: { type: 'User', association: 'MEMBER' } });
    github.add({ author: { type: 'Bot', association: 'NONE' } });
    const issues = await new Issues(connect(), github.repository).list({}, 5);
    expect(issues.map(({ trusted }) => trusted)).toEqual([true, true, false, false]);
  });
});
