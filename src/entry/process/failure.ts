import type { Operation } from '../../interface/inputs/operations.ts';
import { isKnownError, messageOf } from '../../runtime/errors.ts';
import { Interruption } from './interruption.ts';

/** Anything thrown, as both entries tell it. */
export interface Failure {
  /** The class of the error, for scripts that read `--json`. */
  readonly kind: string;
  readonly message: string;
  readonly next: string;
  readonly exitCode: number;
  /** For debugging: the stack and the causes; shown for a defect of ours, where there is no better text. */
  readonly details: string;
}

export function describeFailure(thrown: unknown, signal: AbortSignal): Failure {
  // What failed first; that a storage could not be closed then either is in the details.
  const error = thrown instanceof SuppressedError ? thrown.suppressed : thrown;
  const details = detailsOf(thrown);
  // Once stopping was asked for, whatever breaks breaks because of it.
  if (signal.aborted && signal.reason instanceof Interruption) {
    const { message, exitCode } = signal.reason;
    const next =
      'Start it again: what is incomplete never counts as a backup, and a target that was begun is known by its mark.';
    return { kind: 'Interruption', message, next, exitCode, details };
  }
  if (isKnownError(error)) {
    const { name, message, next, exitCode } = error;
    return { kind: name, message, next, exitCode, details };
  }
  if (isTrouble(error)) {
    const message = `the server could not go on: ${messageOf(error)}`;
    const next = 'Look into the log of the server, mend what it complains about, and run this again.';
    return { kind: 'ServerError', message, next, exitCode: 1, details };
  }
  return {
    kind: 'Defect',
    message: `unexpected: ${messageOf(error)}`,
    next: 'This is a defect of supabase-backup. Report it with these lines, after a look that they hold nothing private.',
    exitCode: 1,
    details,
  };
}

/**
 * What no statement of ours can be blamed for: lost connections, a server without memory, locks or room on its disk, one that is shut down,
 * deadlocks, and faults of its system (PostgreSQL manual, appendix A).
 */
function isTrouble(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(08|40|53|57|58)[0-9A-Z]{3}$/.test(code);
}

/** What exit code 3 means: the operation did its work, and the answer is no. */
export const negativeAnswers: Readonly<Record<Operation, string>> = {
  backup: 'the backup was stored, but a check on it failed',
  capture: 'changes were lost for good, so point-in-time recovery has a gap',
  validate: 'stored backups are damaged',
  restore:
    'the restored database is not all that the backup has, a check on it failed, or no backup passed on staging',
  drill: 'the backup failed its drill, or took too long',
  cleanup: 'stored backups are damaged, so nothing that one of them may need was removed',
  list: 'stored backups are damaged',
  show: 'the backup is damaged',
  pin: 'the backup is damaged',
  unpin: 'the backup is damaged',
  gate: 'the backups do not let this release pass',
  status: 'a limit of the backups is broken',
  schedule: 'the workflows are not what the policy says, or do not run as they should',
  alarm: 'an operation did not begin',
};

function detailsOf(error: unknown): string {
  const text =
    error instanceof Error
      ? [`${error.name}: ${messageOf(error)}`, ...framesOf(error)].join('\n')
      : String(error);
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? text : `${text}\ncaused by: ${detailsOf(cause)}`;
}

/** The stack without the message that it begins with, which may be more than is told of it. */
function framesOf({ stack, message }: Error): string[] {
  return (stack ?? '')
    .replace(message, '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line));
}
