import { isRaised, messageOf } from '../runtime/errors.ts';
import type { Session } from '../postgres/session/connection.ts';
import type { Manifest } from '../format/manifest.ts';

/**
 * Something that a restore could not bring, for its report. `lost` where the target lacks what the backup has, `unless equal` where only the
 * comparison tells: a grant that was refused may be there already.
 */
export type NotCarried = Manifest['notCarried'][number] & { readonly lost?: true | 'unless equal' };

/** A statement that the server may refuse, and what is missing then. */
export interface Statement {
  readonly what: string;
  readonly sql: string;
  /** The statement as people may see it, where `sql` holds what may be a secret */
  readonly shown?: string;
}

/**
 * Runs a statement in a transaction of its own.
 *
 * @returns what the server said when it refused it; undefined when it is done
 * @throws whatever is no answer of the server, such as a lost connection
 */
export async function tryStatement(session: Session, sql: string): Promise<string | undefined> {
  try {
    await session.query(sql);
    return undefined;
  } catch (error) {
    return refusalOf(error);
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
  const isAboutRights = code === '42501' && typeof detail === 'string' && !isRaised(error);
  const reason = isAboutRights ? ` (${detail})` : '';
  return `${messageOf(error)}${reason}`;
}

/** Runs statements one by one; what the server refuses becomes an omission with the statement to run. */
export async function tryStatements(
  session: Session,
  statements: readonly Statement[],
): Promise<NotCarried[]> {
  const refused: NotCarried[] = [];
  for (const statement of statements) {
    const why = await tryStatement(session, statement.sql);
    if (why !== undefined) refused.push(omit(statement, why));
  }
  return refused;
}

/** A statement that is not run, or was refused, as an omission. */
export function omit({ what, sql, shown }: Statement, why: string): NotCarried {
  return { what, why, remedy: `Run as a role that may: ${shown ?? sql};` };
}
