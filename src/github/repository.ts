import { readFileSync } from 'node:fs';
import * as v from 'valibot';

/** The GitHub repository whose workflow runs */
export interface GitHubRepository {
  /** Who can see the repository and its logs and artifacts; undefined when the event does not say */
  readonly visibility: 'public' | 'private' | 'internal' | undefined;
}

const eventSchema = v.object({
  repository: v.object({
    private: v.optional(v.boolean()),
    visibility: v.optional(v.picklist(['public', 'private', 'internal'])),
  }),
});

/**
 * Reads what the run's event says about its repository; undefined outside of a runner. Payloads of `schedule`
 * have it since September 2022
 * (https://github.blog/changelog/2022-09-27-github-actions-additional-information-available-in-github-event-payload-for-scheduled-workflow-runs/).
 */
export function readRepository(env: NodeJS.ProcessEnv): GitHubRepository | undefined {
  if (env.GITHUB_ACTIONS !== 'true') return undefined;
  const parsed = v.safeParse(eventSchema, readEvent(env.GITHUB_EVENT_PATH));
  if (!parsed.success) return { visibility: undefined };
  const { visibility, private: isPrivate } = parsed.output.repository;
  return {
    visibility: visibility ?? (isPrivate === undefined ? undefined : isPrivate ? 'private' : 'public'),
  };
}

/** Reads the event; undefined when there is no event or it cannot be read. */
function readEvent(path: string | undefined): unknown {
  if (!path) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
