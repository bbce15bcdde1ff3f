import type { Omission } from '../parity/scope.ts';
import type { OmissionSubject } from '../parity/subject.ts';
import type { Session } from '../postgres/session/connection.ts';
import { refusalOf } from '../postgres/session/server-error.ts';

/** A statement that the server may refuse, and what is missing in that case. */
export interface Statement {
  /** For people */
  readonly what: string;
  /** Subject of the omission */
  readonly subject?: OmissionSubject;
  readonly sql: string;
  /** The statement as people may see it, where `sql` holds what may be a secret */
  readonly shown?: string;
}

/**
 * Runs a statement in a transaction of its own.
 *
 * @returns the server's message when it refused; undefined when it is done
 * @throws errors that are no answer of the server, such as a lost connection
 */
export async function tryStatement(session: Session, sql: string): Promise<string | undefined> {
  try {
    await session.query(sql);
    return undefined;
  } catch (error) {
    return refusalOf(error);
  }
}

/** Runs statements one by one; what the server refuses becomes an omission with the statement to run. */
export async function tryStatements(session: Session, statements: readonly Statement[]): Promise<Omission[]> {
  const refused: Omission[] = [];
  for (const statement of statements) {
    const why = await tryStatement(session, statement.sql);
    if (why !== undefined) refused.push(omit(statement, why));
  }
  return refused;
}

/** Turns a statement that is not run, or was refused, into an omission. */
export function omit({ what, subject, sql, shown }: Statement, why: string): Omission {
  const remedy = `Run as a role that can: ${shown ?? sql};`;
  return { what, ...(subject === undefined ? {} : { subject }), why, remedy };
}
