import { letRead, openSession, type Session } from '../postgres/session/connection.ts';
import type { Context } from '../runtime/context.ts';
import { isKnownError, messageOf, TargetError } from '../runtime/errors.ts';
import type { RestoreRequest } from './request.ts';

/**
 * Runs a step of a restore in a session of its own.
 *
 * @throws TargetError naming the step, when the server refuses it
 */
export async function askServer<Result>(
  { settings }: Pick<RestoreRequest, 'settings'>,
  context: Context,
  step: string,
  ask: (session: Session) => Promise<Result>,
): Promise<Result> {
  await using session = await openSession(settings, context.signal);
  try {
    await letRead(session);
    return await ask(session);
  } catch (cause) {
    context.signal.throwIfAborted();
    if (isKnownError(cause)) throw cause;
    throw new TargetError(
      `${step}: ${messageOf(cause)}`,
      'The target is incomplete. Drop the database, fix the cause, and restore into a new one.',
      cause,
    );
  }
}
