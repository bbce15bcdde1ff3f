import * as v from 'valibot';
import { GitHubApi, parseAnswer } from './api.ts';
import { isRepository } from './run.ts';

/* Who approved that a run may use an environment with required reviewers, by GitHub's REST API. */

/** A decision of a reviewer on a run. */
export interface Review {
  /** Login; empty when the account was deleted */
  readonly by: string;
  /** `approved`, `rejected`, or a state that is newer than this program */
  readonly state: string;
  readonly environments: readonly string[];
}

export interface ReviewsSettings {
  readonly token: string;
  /** Names proxies, authorities and GitHub's API. */
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  /** Before the second try */
  readonly retryDelayMs?: number;
}

const reviewsSchema = v.array(
  v.object({
    state: v.string(),
    user: v.nullish(v.object({ login: v.string() })),
    environments: v.optional(v.array(v.object({ name: v.string() })), []),
  }),
);

/** The address of a run on GitHub, or on an Enterprise Server */
const runPattern = /^https?:\/\/[^/]+\/([\w.-]+\/[\w.-]+)\/actions\/runs\/(\d+)$/;

/**
 * Reads the reviews of a run; undefined when the address is that of no run.
 *
 * @throws GitHubFailure, also when GitHub does not know the run any more
 */
export async function readReviews(
  url: string,
  { retryDelayMs: delayMs = 1000, ...settings }: ReviewsSettings,
): Promise<Review[] | undefined> {
  const [, repository, run] = runPattern.exec(url) ?? [];
  if (repository === undefined || !isRepository(repository)) return undefined;
  const api = new GitHubApi({ ...settings, delayMs, timeoutMs: 20_000 });
  const content = await api.send('GET', `/repos/${repository}/actions/runs/${run}/approvals`);
  return parseAnswer(reviewsSchema, content, 'list of approvals').map(({ state, user, environments }) => {
    return { by: user?.login ?? '', state, environments: environments.map(({ name }) => name) };
  });
}
