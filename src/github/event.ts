import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError, messageOf } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

const commit = v.pipe(v.string(), v.regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/));

/** The fields of GitHub's webhook payloads that name the commit before the event */
const eventSchema = v.object({
  pull_request: v.optional(v.object({ base: v.object({ sha: commit }) })),
  merge_group: v.optional(v.object({ base_sha: commit })),
  before: v.optional(commit),
});

/**
 * Reads the commit before the changes of the run's event: the base of a pull request or of a merge queue's
 * group, or the tip of the branch before a push. Undefined for a new branch, for other events, and outside of
 * a runner.
 *
 * @throws ConfigurationError when the event cannot be read
 */
export async function readEventBase({ env }: Pick<Context, 'env'>): Promise<string | undefined> {
  const file = env.GITHUB_EVENT_PATH;
  if (!file) return undefined;
  try {
    const event = v.parse(eventSchema, JSON.parse(await readFile(file, 'utf8')));
    const base = event.pull_request?.base.sha ?? event.merge_group?.base_sha ?? event.before;
    return base === undefined || /^0+$/.test(base) ? undefined : base;
  } catch (cause) {
    throw new ConfigurationError(
      `the event of this run cannot be read (${messageOf(cause)}), so the migrations that came with it are unknown`,
      say`Give ${nameInput('base-ref')}.`,
      cause,
    );
  }
}
