import { GitHubApi, GitHubFailure } from '../../../github/api.ts';
import { type Issue, Issues } from '../../../github/issues.ts';
import { isRepository, nameRepository } from '../../../github/run.ts';
import type { Context } from '../../../runtime/context.ts';
import type { Period } from '../../../values/period.ts';
import type { FailureIssue } from './facts.ts';

/** The label that every failure issue has (src/alarm/issues/tracked.ts). */
const label = 'supabase-backup';

/** The most pages of a hundred issues each */
const pages = 20;

/**
 * Asks GitHub for the failure issues that were open in the period. Undefined without a token, or where GitHub
 * does not tell: nobody knows then whether there were any.
 *
 * @param repository OWNER/REPO with the workflows; undefined: that of this run
 */
export async function readIssues(
  repository: string | undefined,
  period: Period,
  token: string | undefined,
  { env, signal, log, now }: Context,
): Promise<FailureIssue[] | undefined> {
  const name = repository ?? nameRepository(env) ?? '';
  if (token === undefined || !isRepository(name)) return undefined;
  const api = new GitHubApi({ token, env, signal, now: () => now(), delayMs: 1000, timeoutMs: 20_000 });
  try {
    const query = { state: 'all', labels: label, since: period.from.toISOString() };
    const found = await new Issues(api, name).list(query, pages);
    return found.flatMap((issue) => toFailureIssue(issue, period));
  } catch (error) {
    if (!(error instanceof GitHubFailure)) throw error;
    log.warn(`failure issues of ${name} are not known: ${error.message}`);
    return undefined;
  }
}

/** A stranger may open an issue, and a maintainer label it: only those of members and bots count. */
function toFailureIssue(issue: Issue, { from, to }: Period): FailureIssue[] {
  const { number, url, title, body, openedAt, closedAt, trusted } = issue;
  const wasOpen = openedAt !== undefined && openedAt < to && (closedAt === undefined || closedAt >= from);
  return trusted && wasOpen ? [{ number, url, title, body, openedAt, closedAt }] : [];
}
