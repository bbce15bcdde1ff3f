import { isRaised, messageOf } from '../../runtime/errors.ts';
import { sqlState, sqlStateClass } from '../sqlstate.ts';

/** Fields of an ErrorResponse beside its message (PostgreSQL manual 55.8). */
export interface ServerErrorFields {
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly dataType?: string | undefined;
  readonly constraint?: string | undefined;
  /** The server function that reported the error. */
  readonly routine?: string | undefined;
}

/** SQLSTATE classes with which a server ends a session; functions may raise them as well. */
const mayEndSession = /^(08|25P0[34]|57P|XX)/;

/** Whether an error with this SQLSTATE certainly leaves the session usable. */
export function leavesSession(code: string): boolean {
  return !mayEndSession.test(code);
}

/**
 * Whether the server or its machine ran out of a resource, or had an I/O error: the next statement may fail
 * the same way. An error raised by a user's PL/pgSQL function does not count.
 */
export function isShortage({
  code,
  routine,
}: { readonly code: string } & Pick<ServerErrorFields, 'routine'>): boolean {
  return (
    (code.startsWith(sqlStateClass.insufficientResources) || code === sqlState.ioError) &&
    routine !== 'exec_stmt_raise'
  );
}

/**
 * Whether the text of a row or value exceeds the server's limit for one allocation (MaxAllocSize); the
 * wording depends on the server's version.
 */
export function isTooLong(error: unknown): boolean {
  const { detail = '' } = error as { detail?: string };
  return /invalid memory alloc request size|string buffer exceeds|enlarge string buffer/i.test(
    `${messageOf(error)} ${detail}`,
  );
}

/**
 * A server error received while this program, not `pg`, read the protocol. Its fields have the names that
 * `pg` uses.
 */
export class ServerError extends Error implements ServerErrorFields {
  /** ERROR, FATAL or PANIC, in English whatever language the server speaks. */
  readonly severity: string;
  /** SQLSTATE */
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly dataType: string | undefined;
  readonly constraint: string | undefined;
  readonly routine: string | undefined;

  constructor(code: string, message: string, fields: ServerErrorFields = {}, severity = 'ERROR') {
    super(message);
    this.name = 'ServerError';
    this.severity = severity;
    this.code = code;
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.schema = fields.schema;
    this.table = fields.table;
    this.dataType = fields.dataType;
    this.constraint = fields.constraint;
    this.routine = fields.routine;
  }

  /** Reads the body of an ErrorResponse. */
  static parse(body: Buffer): ServerError {
    const fields = new Map(
      body
        .toString('utf8')
        .split('\0')
        .filter((field) => field !== '')
        .map((field) => [field[0], field.slice(1)]),
    );
    return new ServerError(
      fields.get('C') ?? sqlState.internalError,
      fields.get('M') ?? 'unknown error',
      {
        detail: fields.get('D'),
        hint: fields.get('H'),
        schema: fields.get('s'),
        table: fields.get('t'),
        dataType: fields.get('d'),
        constraint: fields.get('n'),
        routine: fields.get('R'),
      },
      // `V` is the untranslated severity, sent since PostgreSQL 9.6.
      fields.get('V') ?? fields.get('S'),
    );
  }
}

/**
 * The server's words about a refused statement. The session stays usable.
 *
 * @throws the error itself when it ends the session (FATAL or worse) or is not from the server. The SQLSTATE
 *   alone does not tell: class 08, connection exception, may be about another server that this one asked, and
 *   class 57 may be raised by a function.
 */
export function refusalOf(error: unknown): string {
  const { code, severity, detail } = error as { code?: unknown; severity?: unknown; detail?: unknown };
  if (severity !== 'ERROR' || typeof code !== 'string') throw error;
  // The detail names the missing privilege. The detail of other errors may hold values of a row.
  const isAboutRights =
    code === sqlState.insufficientPrivilege && typeof detail === 'string' && !isRaised(error);
  const reason = isAboutRights ? ` (${detail})` : '';
  return `${messageOf(error)}${reason}`;
}
