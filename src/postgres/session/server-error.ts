import { isRaised, messageOf } from '../../runtime/errors.ts';
import { sqlState, sqlStateClass } from '../sqlstate.ts';

/** What a server says of an error besides its message: the fields of an ErrorResponse (PostgreSQL manual 55.8). */
export interface ServerErrorFields {
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly dataType?: string | undefined;
  readonly constraint?: string | undefined;
  /** The function of the server that reported it */
  readonly routine?: string | undefined;
}

/** Classes of SQLSTATE with which a server ends sessions, and which functions may raise as well */
const mayEndSession = /^(08|25P0[34]|57P|XX)/;

/** Whether an error of that SQLSTATE leaves the session usable for sure. */
export function leavesSession(code: string): boolean {
  return !mayEndSession.test(code);
}

/**
 * Whether the server, or its machine, has not enough of something, an error of input or output included: the next may fare alike. A
 * function of a user may raise the same.
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

/** What the server says, by version, when the text of a row or of a value would pass its limit for one piece of memory (MaxAllocSize). */
export function isTooLong(error: unknown): boolean {
  const { detail = '' } = error as { detail?: string };
  return /invalid memory alloc request size|string buffer exceeds|enlarge string buffer/i.test(
    `${messageOf(error)} ${detail}`,
  );
}

/** An error the server reported while the protocol was in our hands; its fields are named as in those of `pg`. */
export class ServerError extends Error implements ServerErrorFields {
  /** ERROR, FATAL or PANIC, whatever language the server speaks */
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
      // The untranslated one, which servers have sent since 9.6
      fields.get('V') ?? fields.get('S'),
    );
  }
}

/**
 * What the server said about a statement that it refused. Its session goes on after it.
 *
 * @throws the error itself when it ends the session (FATAL or worse) or is not the server's. One of class 08, connection exception, may be
 * about another server that this one asked, and one of class 57 may be raised by a function.
 */
export function refusalOf(error: unknown): string {
  const { code, severity, detail } = error as { code?: unknown; severity?: unknown; detail?: unknown };
  if (severity !== 'ERROR' || typeof code !== 'string') throw error;
  // Which right is missing says the detail. Of other errors it may hold values of a row.
  const isAboutRights =
    code === sqlState.insufficientPrivilege && typeof detail === 'string' && !isRaised(error);
  const reason = isAboutRights ? ` (${detail})` : '';
  return `${messageOf(error)}${reason}`;
}
