import { recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { inTransaction } from '../postgres/session/transaction.ts';

/**
 * Runs `body` in a transaction that waits for locks for a limited time. Settings and locks end with it, because
 * a pooler may give the next one another server process.
 */
export async function inBoundedTransaction<T>(session: Session, body: () => Promise<T>): Promise<T> {
  return await inTransaction(session, async () => {
    await session.query(`SET LOCAL lock_timeout = '30s'`);
    return await body();
  });
}

/** Longer than the newest backup, upon which the next one builds, is ever old */
const notedDays = 400;

/**
 * Notes the transaction under way as one that writes nothing but records (docs/decisions/0010-records-apart.md),
 * and forgets those that no backup can ask for any more.
 */
export async function noteTransaction(session: Session): Promise<void> {
  await session.query(`INSERT INTO ${recordsSchema}.transactions DEFAULT VALUES`);
  await session.query(
    `DELETE FROM ${recordsSchema}.transactions WHERE at < now() - make_interval(days => ${notedDays})`,
  );
}
