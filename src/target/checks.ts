import { messageOf } from '../errors.ts';
import type { Session } from '../postgres/connection.ts';

/** A question to the restored database, and its answer. */
export interface CheckResult {
  readonly sql: string;
  readonly passed: boolean;
  /** What it answered instead of true; undefined when it passed */
  readonly answer: string | undefined;
}

/**
 * Asks each check, in a transaction that cannot write. One passes when its first row says true in its first column; one that fails does
 * not keep the others from being asked.
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
    return messageOf(error);
  }
}
