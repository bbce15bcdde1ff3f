import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  GitHubUnreachable,
  openWorkflows,
  type Workflow,
  type WorkflowsApi,
} from '../../src/github/workflows.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';

/* What GitHub may answer to questions about workflows; test/schedule shows what the operation makes of it. */

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

interface Scripted {
  readonly api: WorkflowsApi;
  readonly url: string;
  readonly asked: string[];
  /** One after the other, the last one to whoever still asks */
  readonly answers: Answer[];
}

async function startScripted(...answers: Answer[]): Promise<Scripted> {
  const server = createServer((request, response) => {
    scripted.asked.push(`${request.method} ${request.url}`);
    const { asked, answers } = scripted;
    const { status, headers, body } = answers[Math.min(asked.length, answers.length) - 1] as Answer;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const scripted: Scripted = { api: connect(url), url, asked: [], answers };
  return scripted;
}

function connect(apiUrl: string): WorkflowsApi {
  const { signal } = new AbortController();
  return openWorkflows({
    repository: 'octo-org/shop',
    token: 'good',
    env: { GITHUB_API_URL: apiUrl },
    now: () => new Date(),
    signal,
    retryDelayMs: 1,
  });
}

async function failureOf(question: Promise<unknown>): Promise<Error> {
  const error = await question.then(
    () => undefined,
    (error) => error,
  );
  expect(error).toBeInstanceOf(Error);
  return error;
}

const written = { id: 7, path: 'backup.yml', state: 'active', created_at: '2026-11-01T00:00:00Z' };
const workflow: Workflow = {
  id: 7,
  path: 'backup.yml',
  state: 'active',
  createdAt: new Date('2026-11-01T00:00:00Z'),
};
const all = { status: 200, body: { total_count: 1, workflows: [written] } };

describe('a list', () => {
  test('goes on where the answer says, at most as far as GitHub lists', async () => {
    const { api, url, asked, answers } = await startScripted(all);
    const link = `<${url}/repositories/1/actions/workflows?page=2>; rel="next"`;
    answers.unshift({ ...all, headers: { link } });
    expect(await api.listWorkflows()).toEqual([workflow, workflow]);
    expect(asked).toEqual([
      'GET /repos/octo-org/shop/actions/workflows?per_page=100',
      'GET /repositories/1/actions/workflows?page=2',
    ]);
    answers.pop();
    asked.length = 0;
    expect(await api.listWorkflows()).toHaveLength(10);
  });

  test('of runs is of those of the schedule since a time', async () => {
    const { api, asked } = await startScripted({ status: 200, body: { total_count: 0, workflow_runs: [] } });
    expect(await api.listScheduledRuns(workflow, new Date('2026-11-14T02:17:05.678Z'))).toEqual([]);
    const [, query] = asked[0]?.split('?') ?? [];
    expect(Object.fromEntries(new URLSearchParams(query))).toEqual({
      event: 'schedule',
      created: '>=2026-11-14T02:17:05Z',
      per_page: '100',
    });
  });

  test('of a repository that was renamed is had from where it is now', async () => {
    const { api } = await startScripted(
      { status: 301, headers: { location: '/repositories/1/actions/workflows' } },
      all,
    );
    expect(await api.listWorkflows()).toEqual([workflow]);
  });

  test.each([
    ['not a list', { total_count: 0 }],
    ['expected: workflow', { workflows: [{ ...written, id: 'seven' }] }],
    ['expected: workflow', { workflows: [{ ...written, created_at: 'yesterday' }] }],
  ])('that is %s leaves the question open', async (said, body) => {
    const { api } = await startScripted({ status: 200, body });
    const error = await failureOf(api.listWorkflows());
    expect(error).toBeInstanceOf(GitHubUnreachable);
    expect(error.message).toContain(said);
  });
});

describe('a rate limit', () => {
  test('that passes soon is waited for', async () => {
    const { api } = await startScripted({ status: 403, headers: { 'retry-after': '0' } }, all);
    expect(await api.listWorkflows()).toHaveLength(1);
  });

  test('of an hour leaves the question open, and blames no permission', async () => {
    const reset = String(Math.round(Date.now() / 1000) + 3600);
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset };
    const { api, asked } = await startScripted({ status: 403, headers });
    for (const question of [
      () => api.listWorkflows(),
      () => api.findLastChange('backup.yml'),
      () => api.enable(workflow),
    ]) {
      asked.length = 0;
      expect(await failureOf(question())).toEqual(new GitHubUnreachable("GitHub's rate limit is reached"));
      expect(asked).toHaveLength(1);
    }
  });

  test('of a server in between, which tells no time, is asked again', async () => {
    const { api } = await startScripted({ status: 429 }, all);
    expect(await api.listWorkflows()).toHaveLength(1);
  });
});

describe('a refusal', () => {
  test.each([403, 404])('by %i is a no to enabling, and keeps a change unknown', async (status) => {
    const { api, asked } = await startScripted({ status, body: { message: 'Not Found' } });
    expect(await api.enable(workflow)).toBe(false);
    expect(await api.findLastChange('a b.yml')).toBeUndefined();
    expect(asked).toEqual([
      'PUT /repos/octo-org/shop/actions/workflows/7/enable',
      'GET /repos/octo-org/shop/commits?per_page=1&path=a+b.yml',
    ]);
    const error = await failureOf(api.listWorkflows());
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).next).toContain('`actions: read`');
  });

  test('of a change that nobody committed is none', async () => {
    const { api, answers } = await startScripted({ status: 200, body: [] });
    expect(await api.findLastChange('backup.yml')).toBeUndefined();
    const date = '2026-11-19T12:00:00Z';
    answers[0] = { status: 200, body: [{ commit: { committer: { name: 'mona', date } } }] };
    expect(await api.findLastChange('backup.yml')).toEqual(new Date(date));
  });
});

test('a server that ends the connection is told with its reason', async () => {
  const server = createServer((request) => request.socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const error = await failureOf(connect(`http://127.0.0.1:${port}`).listWorkflows());
  expect(error).toBeInstanceOf(GitHubUnreachable);
  expect(error.message).toMatch(/^GitHub's API does not answer: .*socket hang up/);
});
