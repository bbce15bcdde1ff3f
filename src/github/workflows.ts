import pRetry, { AbortError } from 'p-retry';
import { ConfigurationError } from '../errors.ts';

/** Workflows and their scheduled runs, of one repository, by GitHub's REST API. */

export interface Workflow {
  readonly id: number;
  /** `.github/workflows/backup.yml` */
  readonly path: string;
  /** `active`, `disabled_inactivity`, `disabled_manually`, `disabled_fork` or `deleted` */
  readonly state: string;
  readonly createdAt: Date;
}

export interface ScheduledRun {
  readonly id: number;
  readonly title: string;
  readonly createdAt: Date;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  /** null while it runs */
  readonly conclusion: string | null;
  readonly url: string;
}

/** Each throws `ConfigurationError` when the token does not do, and `GitHubUnreachable` when GitHub does not answer. */
export interface WorkflowsApi {
  listWorkflows(): Promise<Workflow[]>;
  /** Runs that a schedule started, created at `since` or later. */
  listScheduledRuns(workflow: Workflow, since: Date): Promise<ScheduledRun[]>;
  /** When the file was last changed on the default branch; undefined when the token may not know. */
  findLastChange(path: string): Promise<Date | undefined>;
  /** Idempotent. Returns whether the token was allowed to. */
  enable(workflow: Workflow): Promise<boolean>;
}

/** GitHub did not answer, or answered with an error of its own, every time it was asked. */
export class GitHubUnreachable extends Error {}

export interface ApiSettings {
  /** `https://api.github.com` when undefined */
  readonly apiUrl: string | undefined;
  /** OWNER/REPO */
  readonly repository: string;
  readonly token: string;
  readonly signal: AbortSignal;
  /** Of the wait before the second try, milliseconds */
  readonly retryDelay?: number;
}

/** GitHub lists no more for one question, the newest first. */
export const mostRuns = 1000;
const perPage = 100;
const pages = mostRuns / perPage;
const timeout = 20_000;

export function openWorkflows(settings: ApiSettings): WorkflowsApi {
  const base = `/repos/${settings.repository}`;
  const ask = (path: string, method = 'GET') => request(settings, `${base}${path}`, method);

  async function list(path: string, key: string): Promise<Raw[]> {
    const found: Raw[] = [];
    for (let page = 1; page <= pages; page += 1) {
      const separator = path.includes('?') ? '&' : '?';
      const response = await ask(`${path}${separator}per_page=${perPage}&page=${page}`);
      refuseUnless(response, settings);
      const items = ((await response.json()) as Readonly<Record<string, Raw[]>>)[key] ?? [];
      found.push(...items);
      if (items.length < perPage) break;
    }
    return found;
  }

  return {
    async listWorkflows() {
      const found = await list('/actions/workflows', 'workflows');
      return found.map(({ id, path, state, created_at }) => ({
        id: Number(id),
        path: String(path),
        state: String(state),
        createdAt: new Date(String(created_at)),
      }));
    },
    async listScheduledRuns({ id }, since) {
      const created = encodeURIComponent(`>=${since.toISOString().slice(0, 19)}Z`);
      const found = await list(
        `/actions/workflows/${id}/runs?event=schedule&created=${created}`,
        'workflow_runs',
      );
      return found.map(toRun);
    },
    async findLastChange(path) {
      const response = await ask(`/commits?per_page=1&path=${encodeURIComponent(path)}`);
      if (!response.ok) return undefined;
      const [newest] = (await response.json()) as { commit: { committer: { date: string } | null } }[];
      const date = newest?.commit.committer?.date;
      return date === undefined ? undefined : new Date(date);
    },
    async enable({ id }) {
      const response = await ask(`/actions/workflows/${id}/enable`, 'PUT');
      if (response.status === 403 || response.status === 404) return false;
      refuseUnless(response, settings);
      return true;
    },
  };
}

type Raw = Readonly<Record<string, string | number | null>>;

function toRun(raw: Raw): ScheduledRun {
  return {
    id: Number(raw.id),
    title: String(raw.display_title ?? ''),
    createdAt: new Date(String(raw.created_at)),
    startedAt: new Date(String(raw.run_started_at ?? raw.created_at)),
    updatedAt: new Date(String(raw.updated_at)),
    conclusion: raw.conclusion === null || raw.conclusion === undefined ? null : String(raw.conclusion),
    url: String(raw.html_url ?? ''),
  };
}

/** Tries again what may pass by itself. Every request here may be made twice. */
async function request(settings: ApiSettings, path: string, method: string): Promise<Response> {
  const { apiUrl = 'https://api.github.com', token, signal, retryDelay = 1000 } = settings;
  const options = { retries: 3, minTimeout: retryDelay, factor: 3, randomize: true, signal };
  return await pRetry(async () => {
    const response = await fetch(`${apiUrl}${path}`, {
      method,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${token}`,
        'user-agent': 'supabase-backup',
        'x-github-api-version': '2022-11-28',
      },
      // Where GitHub sends a request elsewhere, the token would go along.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    }).catch((cause: unknown) => {
      if (signal.aborted) throw new AbortError(cause as Error);
      throw new GitHubUnreachable('GitHub did not answer', { cause });
    });
    const limited = response.status === 403 && response.headers.get('x-ratelimit-remaining') === '0';
    if (response.status < 500 && response.status !== 429 && !limited) return response;
    await response.body?.cancel();
    throw new GitHubUnreachable(`GitHub answered ${response.status}`);
  }, options);
}

function refuseUnless(response: Response, { repository }: ApiSettings): void {
  if (response.ok) return;
  const remedy =
    response.status === 401
      ? 'Give a token that is valid, such as `github.token` of the job.'
      : 'Grant `actions: read` in the `permissions` of the job, and check the name of the repository.';
  throw new ConfigurationError(
    `github-token: GitHub answered ${response.status} to a question about the workflows of ${repository}`,
    remedy,
  );
}
