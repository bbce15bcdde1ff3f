import type { Wording } from './wording.ts';

/**
 * The ways an operation can fail. Each error has a message that says what is wrong, and `next`, which says
 * what to do about it. No message may hold a secret: callers pass host names and object names, never URLs
 * with passwords. Where they name inputs, they are wordings, and `message` and `next` name them as a workflow
 * does.
 */
export type ExitCode = 0 | 1 | 2 | 3;

/** What an error says, with its references to inputs */
export interface Told {
  readonly message: string | Wording;
  readonly next: string | Wording;
}

abstract class BackupError extends Error {
  /** What the reader should do now, as one sentence */
  readonly next: string;
  /** The message and `next`, for an entry that names inputs as its user sets them */
  readonly told: Told;
  abstract readonly exitCode: ExitCode;

  constructor(message: string | Wording, next: string | Wording, cause?: unknown) {
    super(String(message), cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.next = String(next);
    this.told = { message, next };
  }
}

/** The user's mistake: a wrong input or configuration, found before anything was touched. */
export class ConfigurationError extends BackupError {
  readonly exitCode = 2;
}

/** The source database could not be read completely. */
export class SourceError extends BackupError {
  readonly exitCode = 1;
}

/** The storage broke its contract, or is set up wrong. */
export class StorageError extends BackupError {
  readonly exitCode = 1;
  /** The key does not exist; any other failure leaves this false. */
  readonly missing: boolean;
  /** The location or the credentials are wrong, so a retry cannot help. */
  readonly configuration: boolean;
  /** A write failed, but the value may have been stored nevertheless. */
  readonly uncertain: boolean;

  constructor(
    message: string | Wording,
    next: string | Wording,
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

/** The platform that hosts the database refuses something, fails, or does not answer. */
export class PlatformError extends BackupError {
  readonly exitCode = 1;
}

/** Stored bytes or restored content differ from what the manifest says. */
export class IntegrityError extends BackupError {
  readonly exitCode = 1;
}

/** A job ended before its operation could report an outcome. */
export class JobError extends BackupError {
  readonly exitCode = 1;
}

export type KnownError =
  | JobError
  | ConfigurationError
  | SourceError
  | StorageError
  | TargetError
  | PlatformError
  | IntegrityError;

export function isKnownError(error: unknown): error is KnownError {
  return error instanceof BackupError;
}

/**
 * Returns the message of anything thrown, without a stack. A server's error keeps its hint, which holds the
 * remedy, and loses what may hold rows.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  if (!(error instanceof Error)) return String(error);
  return isRaised(error) ? tellWords(error) : withHint(tellWords(error), error);
}

/** Like `messageOf`, for statements that handle no rows: text that a function raised is kept, too. */
export function wholeMessageOf(error: unknown): string {
  return error instanceof Error ? withHint(error.message, error) : messageOf(error);
}

function withHint(words: string, error: Error): string {
  const { hint } = error as { hint?: unknown };
  return typeof hint === 'string' && hint !== '' ? `${words}; hint: ${hint.replace(/\.$/, '')}` : words;
}

/** Server routines that report an error raised by a function in PL/pgSQL, PL/Python, PL/Perl or PL/Tcl */
const raising = /^(exec_stmt_(raise|assert)|PLy_elog.*|plperl_.*|pltcl_.*|throw_tcl_error)$/;

/**
 * Tells whether a user's function wrote an error's text, hint and detail, and may have put rows into them.
 */
export function isRaised(error: unknown): boolean {
  const { routine } = error as { routine?: unknown };
  return typeof routine === 'string' && raising.test(routine);
}

/** Replaces the text of an error that a user's function raised */
export const raisedWords =
  'a function raised an exception; what it says may hold rows, and is in the log of the server';

/** Removes the value that a data exception (class 22) quotes, in the quotes of any language of the server. */
export function withoutValue(message: string): string {
  return message.replace(/["„“”«»「『].*["“”«»」』]/s, '"…"');
}

function tellWords(error: Error): string {
  const { code } = error as { code?: unknown };
  if (isRaised(error)) return `${raisedWords} (SQLSTATE ${code})`;
  // The value of a parameter (22023) comes from no row.
  return typeof code === 'string' && /^22(?!023)[0-9A-Z]{3}$/.test(code)
    ? withoutValue(error.message)
    : error.message;
}

export function assertNever(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
