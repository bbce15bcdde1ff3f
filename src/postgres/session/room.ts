import type { World } from '../../runtime/context.ts';
import { openSession } from './connection.ts';
import { isCrowded } from './refusal.ts';
import type { ConnectionSettings } from './settings.ts';

/** What a restore holds beside the sessions that carry rows: the one that leads, pg_restore's, and one that asks. */
const sessionsBesideJobs = 3;

/**
 * How many sessions the server or the pooler gives us at once, besides those that are open.
 *
 * @param wanted the most that is asked for
 * @throws what `openSession` throws for another reason than that there are no more
 */
export async function countSessions(
  settings: ConnectionSettings,
  wanted: number,
  signal: AbortSignal,
): Promise<number> {
  const attempts = await Promise.allSettled(
    Array.from({ length: wanted }, () => openSession(settings, signal)),
  );
  const opened = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
  await Promise.all(opened.map((session) => session.close()));
  signal.throwIfAborted();
  for (const attempt of attempts) {
    if (attempt.status === 'rejected' && !isCrowded(attempt.reason)) throw attempt.reason;
  }
  return opened.length;
}

/** As many jobs as there are sessions for: fewer are slower, and no failure. */
export async function fitJobs(
  settings: ConnectionSettings,
  jobs: number,
  { log, signal }: Pick<World, 'log' | 'signal'>,
): Promise<number> {
  if (jobs === 1) return 1;
  const wanted = jobs + sessionsBesideJobs;
  const found = await countSessions(settings, wanted, signal);
  const fitting = Math.max(1, Math.min(jobs, found - sessionsBesideJobs));
  if (fitting < jobs) {
    log.warn(
      `${settings.input}: there are ${found} sessions to be had, and ${jobs} jobs want ${wanted}: it goes on with ${fitting}, and takes longer`,
    );
  }
  return fitting;
}
