import type { Session } from '../postgres/session/connection.ts';

/**
 * Runs `body` in one transaction. Its settings and locks end with it, because a pooler may give the next one
 * another server process.
 */
export async function inTransaction<T>(session: Session, body: () => Promise<T>): Promise<T> {
  await session.query(`BEGIN; SET LOCAL lock_timeout = '30s'`);
  try {
    const result = await body();
    await session.query('COMMIT');
    return result;
  } catch (error) {
    await Promise.allSettled([session.query('ROLLBACK')]);
    throw error;
  }
}
