import type { Operation } from '../../interface/inputs/operations.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { isKnownError, messageOf } from '../../runtime/errors.ts';
import { type NameInput, nameForWorkflow, renderWording } from '../../runtime/wording.ts';
import { Interruption } from './interruption.ts';

/** A thrown value, as both entries report it. */
export interface Failure {
  /** Class of the error, for scripts that read `--json` */
  readonly kind: string;
  readonly message: string;
  readonly next: string;
  readonly exitCode: number;
  /** For debugging: the stack and the causes. Shown to users only for a defect, which has no better text */
  readonly details: string;
}

/** @param name writes the inputs that a message names as the user of this entry sets them */
export function toFailure(thrown: unknown, signal: AbortSignal, name: NameInput = nameForWorkflow): Failure {
  // The first failure counts. A failure to close the storage after it is in the details.
  const error = thrown instanceof SuppressedError ? thrown.suppressed : thrown;
  const details = detailsOf(thrown);
  // After a request to stop, every failure is taken for a consequence of it.
  if (signal.aborted && signal.reason instanceof Interruption) {
    const { message, exitCode } = signal.reason;
    const next =
      'Run it again. An incomplete backup never counts as a backup, and a mark in the target shows that a restore was started.';
    return { kind: 'Interruption', message, next, exitCode, details };
  }
  if (isKnownError(error)) {
    const { told, exitCode } = error;
    const message = renderWording(told.message, name);
    return { kind: error.name, message, next: renderWording(told.next, name), exitCode, details };
  }
  if (isTrouble(error)) {
    const message = `the server could not go on: ${messageOf(error)}`;
    const next = 'Check the log of the server, fix what it reports, and run this again.';
    return { kind: 'ServerError', message, next, exitCode: 1, details };
  }
  return {
    kind: 'Defect',
    message: `unexpected: ${messageOf(error)}`,
    next: 'This is a bug in supabase-backup. Report it with these lines, after you have checked that they contain nothing private.',
    exitCode: 1,
    details,
  };
}

/**
 * True for failures that no statement of this tool causes: lost connections; a server without memory, locks
 * or disk space; a server that is shut down; deadlocks; system errors (PostgreSQL manual, appendix A).
 */
function isTrouble(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(08|40|53|57|58)[0-9A-Z]{3}$/.test(code);
}

/** The meaning of exit code 3 for each operation: it did its work, and the answer is no. */
const negativeAnswers: Readonly<Record<Operation, string>> = {
  backup: 'the backup was stored, but a check on it failed',
  capture: 'changes were lost for good, so point-in-time recovery has a gap',
  validate: 'stored backups are damaged',
  restore:
    'the restored database is not all that the backup has, a check on it failed, or no backup passed on staging; with managed, the project was not seen to come back',
  drill: 'the backup failed its drill, or took too long',
  cleanup: 'stored backups are damaged, so nothing that one of them may need was removed',
  list: 'stored backups are damaged',
  show: 'the backup is damaged',
  pin: 'the backup is damaged',
  unpin: 'the backup is damaged',
  gate: 'the backups do not let this release pass',
  status: 'a limit of the backups is broken, or the slot of captures is lost',
  report: 'a report is written or fails, and is never answered with no',
  schedule: 'the workflows are not what the policy says, or do not run as they should',
  alarm: 'an operation did not begin',
  managed: "something is wrong with Supabase's own backups, or they could not be read",
  mirror: 'a copy is not whole: something could not be copied, or not from a sound original',
  repair: 'something is missing or damaged that no copy has whole',
  records: 'the records in the database are not those of the repository',
  doctor: 'something is not as a backup needs it',
  estimate: 'an estimate is made or fails, and is never answered with no',
  init: 'a repository is set up or not, and that is never answered with no',
  keygen: 'a key is made or not, and that is never answered with no',
};

/** Says what exit code 3 means, and what was found. It may hold secrets, as a report may. */
export function tellNegative(
  operation: Operation,
  { found }: Pick<Outcome, 'found'>,
  name: NameInput = nameForWorkflow,
): string {
  return found === undefined
    ? negativeAnswers[operation]
    : `${negativeAnswers[operation]}: ${renderWording(found, name)}`;
}

function detailsOf(error: unknown): string {
  const text =
    error instanceof Error
      ? [`${error.name}: ${messageOf(error)}`, ...framesOf(error)].join('\n')
      : String(error);
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? text : `${text}\ncaused by: ${detailsOf(cause)}`;
}

/**
 * Returns the frames of the stack, without the message before them, which may hold more than is reported of
 * it.
 */
function framesOf({ stack, message }: Error): string[] {
  return (stack ?? '')
    .replace(message, '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line));
}
