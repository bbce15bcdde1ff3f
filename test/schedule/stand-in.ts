import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What the stand-in knows of a workflow. */
export interface StandInWorkflow {
  readonly file: string;
  state: string;
  createdAt: string;
  /** Of the newest commit that touched it; undefined: the token may not know */
  changedAt?: string;
  readonly runs: StandInRun[];
}

export interface StandInRun {
  readonly createdAt: string;
  readonly title?: string;
  readonly conclusion?: string | null;
  readonly event?: string;
  readonly minutes?: number;
}

export interface StandIn {
  readonly url: string;
  readonly workflows: StandInWorkflow[];
  /** Method and path of every request, in order */
  readonly requests: string[];
  mayEnable: boolean;
  /** Answers with these statuses first, one each, then as it should */
  faults: number[];
  token: string;
}

/** A stand-in of the parts of GitHub's REST API that have to do with workflows and their runs. */
export async function startStandIn(files: readonly string[]): Promise<StandIn> {
  const workflows = files.map((file): StandInWorkflow => {
    return { file, state: 'active', createdAt: '2026-01-01T00:00:00Z', runs: [] };
  });
  const server = createServer((request, response) => {
    const { status, body, next } = answer(standIn, request);
    const link = next && { link: `<${standIn.url}${request.url}>; rel="self", <${next}>; rel="next"` };
    response.writeHead(status, { 'content-type': 'application/json', ...link });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const standIn: StandIn = { url, workflows, requests: [], mayEnable: true, faults: [], token: 'good' };
  return standIn;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Address of the next page */
  readonly next?: string | undefined;
}

function answer(standIn: StandIn, request: IncomingMessage): Answer {
  const url = new URL(request.url ?? '', standIn.url);
  standIn.requests.push(`${request.method} ${url.pathname}`);
  const fault = standIn.faults.shift();
  if (fault !== undefined) return { status: fault, body: { message: 'scripted' } };
  if (request.headers.authorization !== `Bearer ${standIn.token}`) return { status: 401, body: {} };
  const path = /^\/repos\/octo-org\/shop(\/.*)$/.exec(url.pathname)?.[1] ?? '';
  const [, id, part] = /^\/actions\/workflows\/(\d+)\/(runs|enable)$/.exec(path) ?? [];
  const workflow = standIn.workflows[Number(id) - 1];
  if (path === '/actions/workflows') return paged('workflows', standIn.workflows.map(show), url);
  if (path === '/commits') return showCommits(standIn, url);
  if (workflow === undefined) return { status: 404, body: {} };
  if (part === 'enable' && request.method === 'PUT') {
    if (!standIn.mayEnable)
      return { status: 403, body: { message: 'Resource not accessible by integration' } };
    workflow.state = 'active';
    return { status: 204 };
  }
  return paged('workflow_runs', listRuns(workflow, url), url);
}

function show({ file, state, createdAt }: StandInWorkflow, index: number): object {
  return { id: index + 1, path: `.github/workflows/${file}`, state, created_at: createdAt };
}

function showCommits({ workflows }: StandIn, url: URL): Answer {
  const found = workflows.find(({ file }) => url.searchParams.get('path') === `.github/workflows/${file}`);
  if (found?.changedAt === undefined) return { status: 403, body: {} };
  return { status: 200, body: [{ commit: { committer: { date: found.changedAt } } }] };
}

function listRuns({ runs }: StandInWorkflow, url: URL): object[] {
  const [, since = ''] = /^>=(.+)$/.exec(url.searchParams.get('created') ?? '') ?? [];
  return runs
    .filter(({ event = 'schedule' }) => event === url.searchParams.get('event'))
    .filter(({ createdAt }) => Date.parse(createdAt) >= Date.parse(since))
    .sort((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt))
    .map(({ createdAt, title = 'a run', conclusion = 'success', minutes = 4 }, index) => ({
      id: index,
      display_title: title,
      created_at: createdAt,
      run_started_at: createdAt,
      updated_at: new Date(Date.parse(createdAt) + minutes * 60_000).toISOString(),
      conclusion,
      html_url: 'https://github.com/octo-org/shop/actions/runs/1',
    }));
}

function paged(key: string, items: readonly object[], url: URL): Answer {
  const size = Number(url.searchParams.get('per_page') ?? 30);
  const page = Number(url.searchParams.get('page') ?? 1);
  const end = page * size;
  const next = new URL(url);
  next.searchParams.set('page', String(page + 1));
  return {
    status: 200,
    body: { total_count: items.length, [key]: items.slice(end - size, end) },
    next: end < items.length ? next.href : undefined,
  };
}
