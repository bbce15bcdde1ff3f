import type { Session } from '../postgres/session/connection.ts';
import { openReached } from '../postgres/session/reach.ts';
import type { Context } from '../runtime/context.ts';
import { endWith, startTimer } from '../runtime/deadline.ts';
import { isKnownError, messageOf, TargetError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

/** Where the records in SQL are. */
export interface RecordsPlace {
  readonly recordsUrl: string;
  /** A readable file */
  readonly sslrootcert: string | undefined;
}

/**
 * Opens a session with the database of the records for the time of `body`.
 *
 * @throws TargetError when the server refuses a statement or is lost, and as `openReached` does
 */
export async function withRecords<T>(
  { recordsUrl, sslrootcert }: RecordsPlace,
  context: Pick<Context, 'env' | 'log' | 'random' | 'signal' | 'temporaryFolder'>,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const reached = await openReached('records-url', recordsUrl, sslrootcert, context);
  await using session = reached.session;
  try {
    return await body(session);
  } catch (error) {
    throw explain(error, session);
  }
}

function explain(error: unknown, { stream }: Session): unknown {
  if (isKnownError(error)) return error;
  if (stream.destroyed)
    return new TargetError(
      say`${nameInput('records-url')}: the connection was lost: ${messageOf(error)}`,
      'Run this again. What was already written stays.',
      error,
    );
  if (typeof (error as { code?: unknown }).code !== 'string') return error;
  return new TargetError(
    say`${nameInput('records-url')}: the database refused a statement: ${messageOf(error)}`,
    'Connect as the role that owns the schema supabase_backup_records, or that may create it; docs/records.md lists the privileges.',
    error,
  );
}

/** How long the records may hold up a run: a database may take connections, and not answer. */
const mostMs = 15_000;

/**
 * Runs what must not fail because of the records: it takes a bounded time, and a failure is a warning.
 *
 * @returns undefined after a failure
 */
export async function tryRecords<T>(
  { log, signal: stop }: Pick<Context, 'log' | 'signal'>,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  try {
    using timer = startTimer(mostMs, stop, 0);
    return await endWith(timer, body);
  } catch (error) {
    log.warn(
      say`the records were not copied to the database of ${nameInput('records-url')}; a later run copies them: ${isKnownError(error) ? say`${error.told.message}\n→ ${error.told.next}` : messageOf(error)}`,
    );
    return undefined;
  }
}
