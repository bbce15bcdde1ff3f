import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a test does to a request instead of answering it. */
export type GitHubFault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly message?: string;
      readonly headers?: Record<string, string>;
    }
  /** The connection ends before anything is done. */
  | { readonly kind: 'reset' }
  /** The request is done, and its answer lost. */
  | { readonly kind: 'lose-answer' }
  /** Nothing is done and nothing answered. */
  | { readonly kind: 'hang' };

export interface GitHubRequest {
  readonly method: string;
  /** Below the repository: `/issues/1/comments` */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface FakeIssue {
  readonly number: number;
  title: string;
  body: string;
  state: 'open' | 'closed';
  stateReason: string | null;
  labels: string[];
  assignees: string[];
  comments: string[];
  updatedAt: Date;
  closedAt: Date | null;
  readonly isPullRequest: boolean;
  readonly author: { readonly type: 'Bot' | 'User'; readonly association: string; readonly login?: string };
}

export interface FakeGitHub {
  /** The root of the API; it has a path, as on GitHub Enterprise Server. */
  readonly url: string;
  readonly repository: string;
  readonly token: string;
  /** What is stored; a test may look at it and change it. */
  readonly issues: FakeIssue[];
  readonly labels: Set<string>;
  readonly requests: GitHubRequest[];
  /** Asked before every request; undefined means to serve it. A promise holds the request up. */
  fault: (request: GitHubRequest) => GitHubFault | undefined | Promise<GitHubFault | undefined>;
  now: () => Date;
  /** What the token may do with issues. */
  permission: 'write' | 'read' | 'none';
  issuesEnabled: boolean;
  /** Without it, labels cannot be created, and those of a new issue are dropped without a word. */
  mayLabel: boolean;
  /** Whose token it is; undefined for the token of an app, which may not ask */
  user: string | undefined;
  /** Users who can be assigned */
  readonly assignable: Set<string>;
  /** Puts an issue there as if somebody had opened it. */
  add(issue: Partial<FakeIssue>): FakeIssue;
  close(): Promise<void>;
}

class Refusal extends Error {
  readonly status: number;
  readonly errors: readonly object[];
  constructor(status: number, message: string, errors: readonly object[] = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

const inaccessible = 'Resource not accessible by integration';

/** The parts of GitHub's REST API about issues and labels, with a memory, inside this process. */
export async function startFakeGitHub(options: { pageSize?: number } = {}): Promise<FakeGitHub> {
  const { pageSize = 100 } = options;
  const issues: FakeIssue[] = [];
  const repository = 'acme/shop';
  const root = `/api/v3/repos/${repository}`;

  const server = createServer((message, response) => {
    serve(message, response).catch((error) => {
      if (!(error instanceof Refusal)) return response.destroy(error);
      answer(response, error.status, { message: error.message, errors: error.errors });
    });
  });

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', fake.url);
    const { method = '', headers } = message;
    const body = await text(message);
    const path = url.pathname.slice(root.length);
    const request = { method, path, query: url.searchParams, headers, body };
    fake.requests.push(request);
    const fault = await fake.fault(request);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'reset') return void message.socket.destroy();
    if (fault?.kind === 'answer') {
      return answer(response, fault.status, { message: fault.message ?? 'a fault' }, fault.headers);
    }
    if (url.pathname === '/api/v3/user') return answerWho(request, response);
    if (!url.pathname.startsWith(`${root}/`)) throw new Refusal(404, 'Not Found');
    authorize(request);
    const result = perform(request, url);
    if (fault?.kind === 'lose-answer') return void message.socket.destroy();
    answer(response, result.status, result.content, result.headers);
  }

  function answerWho(request: GitHubRequest, response: ServerResponse): void {
    authorize(request);
    if (fake.user === undefined) throw new Refusal(403, inaccessible);
    answer(response, 200, { login: fake.user, type: 'User' });
  }

  function authorize({ method, headers }: GitHubRequest): void {
    if (!headers['user-agent']) throw new Refusal(403, 'Request forbidden by administrative rules.');
    if (headers.authorization !== `Bearer ${fake.token}`) throw new Refusal(401, 'Bad credentials');
    if (headers['x-github-api-version'] !== '2022-11-28') throw new Refusal(400, 'unknown version');
    if (fake.permission === 'none') throw new Refusal(404, 'Not Found');
    if (fake.permission === 'read' && method !== 'GET') throw new Refusal(403, inaccessible);
  }

  function perform(request: GitHubRequest, url: URL): Result {
    const { method, path, body } = request;
    const label = /^\/labels\/(.+)$/.exec(path)?.[1];
    if (method === 'GET' && label !== undefined) return findLabel(decodeURIComponent(label));
    if (method === 'POST' && path === '/labels') return createLabel(JSON.parse(body));
    if (!fake.issuesEnabled) throw new Refusal(410, 'Issues are disabled for this repo');
    if (method === 'GET' && path === '/issues') return listIssues(url);
    if (method === 'POST' && path === '/issues') return openIssue(JSON.parse(body));
    const [, number, part] = /^\/issues\/(\d+)(?:\/(comments|labels))?$/.exec(path) ?? [];
    const issue = issues.find((each) => each.number === Number(number));
    if (!issue) throw new Refusal(404, 'Not Found');
    return changeIssue(issue, `${method} ${part ?? 'issue'}`, JSON.parse(body));
  }

  function listIssues(url: URL): Result {
    const query = url.searchParams;
    const state = query.get('state') ?? 'open';
    const since = query.get('since');
    const labels = query.get('labels')?.split(',') ?? [];
    const found = issues
      .filter((issue) => state === 'all' || issue.state === state)
      .filter((issue) => labels.every((label) => issue.labels.includes(label)))
      .filter((issue) => since === null || issue.updatedAt >= new Date(since))
      .sort((one, other) =>
        query.get('sort') === 'updated'
          ? other.updatedAt.getTime() - one.updatedAt.getTime()
          : other.number - one.number,
      );
    const size = Math.min(pageSize, Number(query.get('per_page') ?? 30));
    const page = Number(query.get('page') ?? 1);
    const next = new URL(url);
    next.searchParams.set('page', String(page + 1));
    const more = found.length > page * size;
    return {
      status: 200,
      content: found.slice((page - 1) * size, page * size).map(render),
      headers: more ? { link: `<${url.href}>; rel="first", <${next.href}>; rel="next"` } : {},
    };
  }

  function openIssue(content: {
    title: string;
    body: string;
    labels?: string[];
    assignees?: string[];
  }): Result {
    checkBody(content.body);
    if (content.title.length > 256) throw invalid('title');
    for (const name of content.assignees ?? []) if (!fake.assignable.has(name)) throw invalid('assignees');
    const labels = fake.mayLabel ? (content.labels ?? []) : [];
    for (const label of labels) fake.labels.add(label);
    const { title, body, assignees = [] } = content;
    return { status: 201, content: render(fake.add({ title, body, labels, assignees })) };
  }

  function changeIssue(issue: FakeIssue, action: string, content: Record<string, unknown>): Result {
    issue.updatedAt = fake.now();
    if (typeof content.body === 'string') checkBody(content.body);
    switch (action) {
      case 'POST comments':
        issue.comments.push(String(content.body));
        return { status: 201, content: { id: 1 } };
      case 'POST labels':
        issue.labels = [...new Set([...issue.labels, ...(content.labels as string[])])];
        return { status: 200, content: [] };
      case 'PATCH issue': {
        if (content.body !== undefined) issue.body = String(content.body);
        if (content.labels !== undefined) issue.labels = content.labels as string[];
        if (content.state !== undefined) {
          issue.state = content.state as FakeIssue['state'];
          issue.stateReason = String(content.state_reason ?? null);
          issue.closedAt = issue.state === 'closed' ? fake.now() : null;
        }
        return { status: 200, content: render(issue) };
      }
      default:
        throw new Refusal(404, 'Not Found');
    }
  }

  function createLabel({ name, color }: { name: string; color: string }): Result {
    if (!fake.mayLabel) throw new Refusal(403, inaccessible);
    if (name.length > 50 || !/^[0-9a-f]{6}$/.test(color)) throw invalid('name');
    if (fake.labels.has(name)) {
      throw new Refusal(422, 'Validation Failed', [
        { resource: 'Label', code: 'already_exists', field: 'name' },
      ]);
    }
    fake.labels.add(name);
    return { status: 201, content: { name, color } };
  }

  function findLabel(name: string): Result {
    if (!fake.labels.has(name)) throw new Refusal(404, 'Not Found');
    return { status: 200, content: { name } };
  }

  function render(issue: FakeIssue): object {
    const { number, title, body, state, author, closedAt, updatedAt } = issue;
    return {
      number,
      title,
      body,
      state,
      html_url: `https://github.example/${repository}/issues/${number}`,
      closed_at: closedAt?.toISOString() ?? null,
      updated_at: updatedAt.toISOString(),
      labels: issue.labels.map((name) => ({ id: 1, name })),
      user: { login: author.login ?? 'somebody', type: author.type },
      author_association: author.association,
      ...(issue.isPullRequest && { pull_request: { url: 'https://github.example/pull' } }),
    };
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeGitHub = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3`,
    repository,
    token: 'ghs_0123456789abcdefTOKEN',
    issues,
    labels: new Set(),
    requests: [],
    fault: () => undefined,
    now: () => new Date(),
    permission: 'write',
    issuesEnabled: true,
    mayLabel: true,
    user: undefined,
    assignable: new Set(),
    add(issue) {
      const added: FakeIssue = {
        number: issues.length + 1,
        title: '',
        body: '',
        state: 'open',
        stateReason: null,
        labels: [],
        assignees: [],
        comments: [],
        updatedAt: fake.now(),
        closedAt: null,
        isPullRequest: false,
        author:
          fake.user === undefined
            ? { type: 'Bot', association: 'NONE', login: 'github-actions[bot]' }
            : { type: 'User', association: 'MEMBER', login: fake.user },
        ...issue,
      };
      issues.push(added);
      return added;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

interface Result {
  readonly status: number;
  readonly content: unknown;
  readonly headers?: Record<string, string>;
}

function checkBody(body: string): void {
  if (body.length > 65_536) throw invalid('body');
}

function invalid(field: string): Refusal {
  return new Refusal(422, 'Validation Failed', [{ resource: 'Issue', code: 'invalid', field }]);
}

function answer(
  response: ServerResponse,
  status: number,
  content: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(content));
}
