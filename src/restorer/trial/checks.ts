import type { Session } from '../../postgres/session/connection.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';

/** A check of the restored database, and its answer. */
export interface CheckResult {
  readonly sql: string;
  readonly passed: boolean;
  /** What it answered instead of true; undefined when it passed */
  readonly answer: string | undefined;
}

/** SQLSTATEs of names that the server does not know. */
const unknownName = new Set<string>([
  sqlState.undefinedTable,
  sqlState.undefinedColumn,
  sqlState.undefinedObject,
  sqlState.undefinedFunction,
  sqlState.invalidSchemaName,
]);
/**
 * SQLSTATEs that only a running check gets, whatever the rows are: it would write, or this role may not read
 * something.
 */
const neverAnswered = new Set<string>([sqlState.readOnlySqlTransaction, sqlState.insufficientPrivilege]);

/**
 * Makes sure that these definitions can answer each check: it can be parsed, what it names is there, and its
 * answer is true or false. No check is run yet, so missing rows do not matter.
 *
 * @param complete whether all definitions of the backup are there; otherwise the restore may lack what an
 * unknown name means
 * @throws ConfigurationError naming the check, with the server's message
 */
export async function refuseUnanswerable(
  session: Session,
  checks: readonly string[],
  complete: boolean,
): Promise<void> {
  for (const sql of checks) {
    await session.query('BEGIN TRANSACTION READ ONLY');
    try {
      const type = await findType(session, sql);
      if (type !== 'boolean') throw explainCheck(sql, `its answer is of type ${type}, and not true or false`);
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (error instanceof ConfigurationError) throw error;
      if (code === '') throw error;
      if (complete || !unknownName.has(code)) throw explainCheck(sql, messageOf(error), error);
    } finally {
      await session.query('ROLLBACK');
    }
  }
}

/** The type of a check's first column. The join on false keeps the check from being run. */
async function findType(session: Session, sql: string): Promise<string> {
  // The server's error is clearest for the check alone. The line break ends a comment at its end.
  await session.query(`PREPARE supabase_backup_check AS ${sql}\n`);
  await session.query('DEALLOCATE supabase_backup_check');
  const [row] = await session.query<{ type: string }>(
    `SELECT pg_typeof(answer.first)::text AS type FROM (SELECT) AS one LEFT JOIN (${sql.replace(/[;\s]+$/, '')}\n) AS answer (first) ON false`,
  );
  return row?.type ?? 'nothing';
}

function explainCheck(sql: string, what: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    say`${nameInput('checks')}: ${sql}: ${what}`,
    'Correct the check: a SELECT that answers true or false, with names as schema.table. It says nothing about the backup.',
    cause,
  );
}

/**
 * Runs each check in a transaction that cannot write. A check passes when its first row has true in its first
 * column. One that fails does not keep the others from being run.
 *
 * @throws ConfigurationError for a check that can never be answered
 */
export async function runChecks(session: Session, checks: readonly string[]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const sql of checks) {
    await session.query('BEGIN TRANSACTION READ ONLY');
    const answer = await ask(session, sql);
    await session.query('ROLLBACK');
    results.push({ sql, passed: answer === undefined, answer });
  }
  return results;
}

async function ask(session: Session, sql: string): Promise<string | undefined> {
  try {
    const [row] = await session.query<Record<string, unknown>>(sql);
    if (row === undefined) return 'no row';
    const [value] = Object.values(row);
    return value === true ? undefined : String(value);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (neverAnswered.has(code)) throw explainCheck(sql, messageOf(error), error);
    return messageOf(error);
  }
}

/** Names the checks that failed, each with its answer, for a sentence; undefined when all passed. */
export function explainChecks(checks: readonly CheckResult[]): string | undefined {
  const failed = checks.filter(({ passed }) => !passed);
  if (failed.length === 0) return undefined;
  const said = failed.slice(0, 5).map(({ sql, answer }) => `${sql} (answer: ${answer})`);
  const more = failed.length > said.length ? `; and ${failed.length - said.length} more` : '';
  return `${failed.length} of ${checks.length} checks failed: ${said.join('; ')}${more}`;
}
