import * as v from 'valibot';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { GitHubApi, GitHubFailure, pageSize, parseAnswer } from './api.ts';

/* Workflows of one repository and their scheduled runs, by GitHub's REST API. */

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
  /** Null while the run is not finished */
  readonly conclusion: string | null;
  readonly url: string;
}

/**
 * Every method throws `ConfigurationError` when GitHub refuses the token or does not know the repository, and
 * `GitHubUnreachable` when GitHub does not answer, is at fault itself, or limits the rate.
 */
export interface WorkflowsApi {
  listWorkflows(): Promise<Workflow[]>;
  /** Lists runs that a schedule started, created at `since` or later: the newest `mostRuns` of them. */
  listScheduledRuns(workflow: Workflow, since: Date): Promise<ScheduledRun[]>;
  /** Finds the last change of a file on the default branch; undefined if unreadable or never committed. */
  findLastChange(path: string): Promise<Date | undefined>;
  /** Enables a workflow; idempotent. Returns false when the token may not. */
  enable(workflow: Workflow): Promise<boolean>;
}

/** GitHub gave no answer, a server error, or a rate limit that outlasts the retries. */
export class GitHubUnreachable extends Error {}

export interface ApiSettings {
  /** OWNER/REPO */
  readonly repository: string;
  readonly token: string;
  /** Names proxies, authorities and GitHub's API. */
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  /** Before the second try */
  readonly retryDelayMs?: number;
}

/** The most runs that GitHub lists for one query, the newest first */
export const mostRuns = 1000;
const pages = mostRuns / pageSize;

const time = v.pipe(
  v.string(),
  v.transform((text) => new Date(text)),
  v.date(),
);
const workflowSchema = v.object({ id: v.number(), path: v.string(), state: v.string(), created_at: time });
const runSchema = v.object({
  id: v.number(),
  display_title: v.nullish(v.string(), ''),
  created_at: time,
  run_started_at: v.nullish(time),
  updated_at: time,
  conclusion: v.nullish(v.string(), null),
  html_url: v.nullish(v.string(), ''),
});
const commitsSchema = v.array(
  v.object({ commit: v.object({ committer: v.nullish(v.object({ date: v.optional(time) })) }) }),
);

export function openWorkflows(settings: ApiSettings): WorkflowsApi {
  const { repository, token, env, now, signal, retryDelayMs: delayMs = 1000 } = settings;
  const api = new GitHubApi({ token, env, now, signal, delayMs, timeoutMs: 20_000, retries: 3 });
  const base = `/repos/${repository}`;
  const ask = async <T>(answer: () => Promise<T>): Promise<T> => {
    try {
      return await answer();
    } catch (error) {
      throw error instanceof GitHubFailure ? explain(error, repository) : error;
    }
  };

  return {
    listWorkflows: () =>
      ask(async () => (await api.list(`${base}/actions/workflows`, {}, pages, 'workflows')).map(toWorkflow)),
    listScheduledRuns: ({ id }, since) =>
      ask(async () => {
        const query = { event: 'schedule', created: `>=${since.toISOString().slice(0, 19)}Z` };
        const path = `${base}/actions/workflows/${id}/runs`;
        return (await api.list(path, query, pages, 'workflow_runs')).map(toRun);
      }),
    findLastChange: (path) =>
      ask(async () => {
        const query = new URLSearchParams({ per_page: '1', path });
        const content = await unlessForbidden(api.send('GET', `${base}/commits?${query}`));
        if (content === forbidden) return undefined;
        const [newest] = parseAnswer(commitsSchema, content, 'list of commits');
        return newest?.commit.committer?.date;
      }),
    enable: ({ id }) =>
      ask(async () => {
        const answer = await unlessForbidden(api.send('PUT', `${base}/actions/workflows/${id}/enable`));
        return answer !== forbidden;
      }),
  };
}

function toWorkflow(content: unknown): Workflow {
  const { id, path, state, created_at: createdAt } = parseAnswer(workflowSchema, content, 'workflow');
  return { id, path, state, createdAt };
}

function toRun(content: unknown): ScheduledRun {
  const run = parseAnswer(runSchema, content, 'run of a workflow');
  return {
    id: run.id,
    title: run.display_title,
    createdAt: run.created_at,
    startedAt: run.run_started_at ?? run.created_at,
    updatedAt: run.updated_at,
    conclusion: run.conclusion,
    url: run.html_url,
  };
}

const forbidden = Symbol('what the token may not');

/** Returns `forbidden` for 403 and 404: GitHub answers 404 for what a token may not know to exist. */
async function unlessForbidden(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    const isForbidden =
      error instanceof GitHubFailure && !error.rateLimited && [403, 404].includes(error.status);
    if (!isForbidden) throw error;
    return forbidden;
  }
}

function explain(failure: GitHubFailure, repository: string): Error {
  const { status, rateLimited, message, advice } = failure;
  if (rateLimited) return new GitHubUnreachable("GitHub's rate limit is reached", { cause: failure });
  if (status === 0) {
    const words = advice === undefined ? message : `${message}; ${advice.replace(/\.$/, '')}`;
    return new GitHubUnreachable(words, { cause: failure });
  }
  if (status >= 500) return new GitHubUnreachable(`GitHub answered ${status}`, { cause: failure });
  return new ConfigurationError(
    say`${nameInput('github-token')}: GitHub answered ${status} to a question about the workflows of ${repository}`,
    status === 401
      ? 'Use a valid token, such as `github.token` of the job.'
      : 'Grant `actions: read` in the `permissions` of the job, and check the name of the repository.',
    failure,
  );
}
