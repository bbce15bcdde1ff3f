import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import type { World } from '../runtime/context.ts';
import { ConfigurationError, messageOf } from '../runtime/errors.ts';

const commit = v.pipe(v.string(), v.regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/));

/** Of GitHub's webhook payloads, what names the commit that was there before. */
const eventSchema = v.object({
  pull_request: v.optional(v.object({ base: v.object({ sha: commit }) })),
  merge_group: v.optional(v.object({ base_sha: commit })),
  before: v.optional(commit),
});

/**
 * The commit before what the event of the run brings: the base of a pull request or of a merge queue's group, or what a branch was before a
 * push. Undefined for a new branch, for other events, and outside of a runner.
 *
 * @throws ConfigurationError when there is an event that cannot be read
 */
export async function readEventBase({ env }: Pick<World, 'env'>): Promise<string | undefined> {
  const file = env.GITHUB_EVENT_PATH;
  if (!file) return undefined;
  try {
    const event = v.parse(eventSchema, JSON.parse(await readFile(file, 'utf8')));
    const base = event.pull_request?.base.sha ?? event.merge_group?.base_sha ?? event.before;
    return base === undefined || /^0+$/.test(base) ? undefined : base;
  } catch (cause) {
    throw new ConfigurationError(
      `the event of this run cannot be read (${messageOf(cause)}), and so nobody knows which migrations came with it`,
      'Give base-ref.',
      cause,
    );
  }
}
