import type { Session } from './connection.ts';

/** Runs `body` in one transaction, which is rolled back when it throws. */
export async function inTransaction<T>(session: Session, body: () => Promise<T>): Promise<T> {
  await session.query('BEGIN');
  try {
    const result = await body();
    await session.query('COMMIT');
    return result;
  } catch (error) {
    // In a lost session the rollback fails, too; the first error says why the session was lost.
    await Promise.allSettled([session.query('ROLLBACK')]);
    throw error;
  }
}
