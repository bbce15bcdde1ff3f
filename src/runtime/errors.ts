/**
 * The ways an operation can end badly. Each carries a message that says what is wrong and `next`, what to do about it.
 * No message may hold a secret: callers pass host names and object names, never URLs with passwords.
 */
export type ExitCode = 0 | 1 | 2 | 3;

abstract class BackupError extends Error {
  /** What the person who reads this should do, as one sentence. */
  readonly next: string;
  abstract readonly exitCode: ExitCode;

  constructor(message: string, next: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.next = next;
  }
}

/** The user's mistake: a wrong input or configuration, found before anything was touched. */
export class ConfigurationError extends BackupError {
  readonly exitCode = 2;
}

/** The source database could not be read whole. */
export class SourceError extends BackupError {
  readonly exitCode = 1;
}

/** The storage did not keep its contract. `missing` tells an absent key from a failure, `configuration` a wrong location or key. */
export class StorageError extends BackupError {
  readonly exitCode = 1;
  readonly missing: boolean;
  /** The location or the credentials are wrong, so that trying again cannot help. */
  readonly configuration: boolean;
  /** A write failed, and the value may have been stored all the same. */
  readonly uncertain: boolean;

  constructor(
    message: string,
    next: string,
    options: { cause?: unknown; missing?: boolean; configuration?: boolean; uncertain?: boolean } = {},
  ) {
    super(message, next, options.cause);
    this.missing = options.missing ?? false;
    this.configuration = options.configuration ?? false;
    this.uncertain = options.uncertain ?? false;
  }
}

/** The target database refused something during a restore. */
export class TargetError extends BackupError {
  readonly exitCode = 1;
}

/** Stored bytes, or restored content, are not what the manifest says. */
export class IntegrityError extends BackupError {
  readonly exitCode = 1;
}

/** A job that was to run an operation ended before the operation could tell how it went. */
export class JobError extends BackupError {
  readonly exitCode = 1;
}

export type KnownError =
  | JobError
  | ConfigurationError
  | SourceError
  | StorageError
  | TargetError
  | IntegrityError;

export function isKnownError(error: unknown): error is KnownError {
  return error instanceof BackupError;
}

/** The text of anything thrown, without a stack; of what a server says, with its hint, which holds the remedy, and without rows. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  if (!(error instanceof Error)) return String(error);
  return isRaised(error) ? tellWords(error) : withHint(tellWords(error), error);
}

/** The same, for statements with which no row is at hand: what functions raise is told, too. */
export function wholeMessageOf(error: unknown): string {
  return error instanceof Error ? withHint(error.message, error) : messageOf(error);
}

function withHint(words: string, error: Error): string {
  const { hint } = error as { hint?: unknown };
  return typeof hint === 'string' && hint !== '' ? `${words}; hint: ${hint.replace(/\.$/, '')}` : words;
}

/** The functions of the server that report what a function of a user raises: of PL/pgSQL, PL/Python, PL/Perl and PL/Tcl */
const raising = /^(exec_stmt_(raise|assert)|PLy_elog.*|plperl_.*|pltcl_.*|throw_tcl_error)$/;

/** Whether somebody wrote the text of an error, its hint and its detail, and may have put rows into them. */
export function isRaised(error: unknown): boolean {
  const { routine } = error as { routine?: unknown };
  return typeof routine === 'string' && raising.test(routine);
}

/** What stands for a text that somebody has raised */
export const raisedWords =
  'a function raised an exception; what it says may hold rows, and is in the log of the server';

/** Without the value that an error about data (class 22) quotes, whatever quotes the server's language has */
export function withoutValue(message: string): string {
  return message.replace(/["„“”«»「『].*["“”«»」』]/s, '"…"');
}

function tellWords(error: Error): string {
  const { code } = error as { code?: unknown };
  if (isRaised(error)) return `${raisedWords} (SQLSTATE ${code})`;
  // Of a parameter (22023) the value is no row's.
  return typeof code === 'string' && /^22(?!023)[0-9A-Z]{3}$/.test(code)
    ? withoutValue(error.message)
    : error.message;
}

export function assertNever(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
