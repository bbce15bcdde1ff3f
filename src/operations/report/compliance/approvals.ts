import { GitHubFailure } from '../../../github/api.ts';
import { type Review, readReviews } from '../../../github/approvals.ts';
import type { NamedRecord } from '../../../repository/records.ts';
import type { Context } from '../../../runtime/context.ts';
import { isWithin, type Period } from '../../../values/period.ts';
import { addressOf } from './runs.ts';

/**
 * Asks GitHub who approved the runs in which restores of the period were made. Without a token nobody is asked,
 * and of a run that GitHub does not tell nothing is known; the report says so.
 */
export async function readApprovals(
  restores: readonly NamedRecord<'restores'>[],
  period: Period,
  token: string | undefined,
  { env, signal, log, now }: Context,
): Promise<Map<string, Review[]>> {
  const found = new Map<string, Review[]>();
  if (token === undefined) return found;
  const urls = restores
    .filter(({ at }) => isWithin(at, period))
    .flatMap(({ content }) => addressOf(content.run) ?? []);
  for (const url of new Set(urls)) {
    signal.throwIfAborted();
    try {
      const reviews = await readReviews(url, { token, env, signal, now: () => now() });
      if (reviews !== undefined) found.set(url, reviews);
    } catch (error) {
      if (!(error instanceof GitHubFailure)) throw error;
      log.warn(`who approved ${url} is not known: ${error.message}`);
    }
  }
  return found;
}
