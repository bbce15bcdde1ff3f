import type { Context } from '../../runtime/context.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { openSession } from './connection.ts';
import { isCrowded } from './refusal.ts';
import type { ConnectionSettings } from './settings.ts';

/**
 * Sessions of a restore beside those that carry rows: the leading one, pg_restore's, and one for questions.
 */
const sessionsBesideJobs = 3;

/**
 * Counts the sessions that the server or the pooler grants at once, beside those already open.
 *
 * @param wanted the number of sessions to try
 * @throws the error of `openSession`, unless it only says that there are no more sessions
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

/**
 * Reduces jobs to the number of available sessions, with a warning: fewer jobs are slower, but no failure.
 */
export async function fitJobs(
  settings: ConnectionSettings,
  jobs: number,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<number> {
  if (jobs === 1) return 1;
  const wanted = jobs + sessionsBesideJobs;
  const found = await countSessions(settings, wanted, signal);
  const fitting = Math.max(1, Math.min(jobs, found - sessionsBesideJobs));
  if (fitting < jobs) {
    log.warn(
      say`${nameInput(settings.input)}: there are ${found} sessions available, but ${jobs} jobs need ${wanted}: it continues with ${fitting}, and takes longer`,
    );
  }
  return fitting;
}
