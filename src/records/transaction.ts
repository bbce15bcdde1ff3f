import { recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { inTransaction } from '../postgres/session/transaction.ts';

/** Setting that tells the log of changes that a transaction is of this tool. Anybody may set it. */
export const byToolSetting = 'supabase_backup.by_tool';

/**
 * Runs `body` in a transaction of this tool that waits for locks for a limited time. Settings and locks end with
 * it, because a pooler may give the next one another server process.
 */
export async function inBoundedTransaction<T>(session: Session, body: () => Promise<T>): Promise<T> {
  return await inTransaction(session, async () => {
    await session.query(`SET LOCAL lock_timeout = '30s'; SET LOCAL ${byToolSetting} = 'on'`);
    return await body();
  });
}

/** Longer than the newest backup, upon which the next one builds, is ever old */
const notedDays = 400;

/**
 * A condition: what is written to the tables of the records writes nothing else. A trigger, a rule or a foreign
 * key of a user may: a transaction that wrote a user's row, too, must not be taken for ours by a backup.
 */
const writesNothingElse = `
  NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE c.relnamespace = '${recordsSchema}'::regnamespace AND NOT t.tgisinternal AND p.pronamespace <> c.relnamespace)
  AND NOT EXISTS (SELECT FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
    WHERE c.relnamespace = '${recordsSchema}'::regnamespace AND c.relkind <> 'v')
  AND NOT EXISTS (SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
    WHERE c.relnamespace = '${recordsSchema}'::regnamespace AND k.connamespace <> c.relnamespace)`;

/**
 * Notes the transaction under way as one that writes nothing but records (docs/decisions/0010-records-apart.md),
 * if that is so, and forgets those that no backup can ask for any more.
 */
export async function noteTransaction(session: Session): Promise<void> {
  await note(session, writesNothingElse);
  await session.query(
    `DELETE FROM ${recordsSchema}.transactions WHERE at < now() - make_interval(days => ${notedDays})`,
  );
}

/** The same of a transaction that defines the tables, which an event trigger of a user would have heard of. */
export async function noteDefinition(session: Session): Promise<void> {
  await note(
    session,
    `${writesNothingElse} AND NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtenabled <> 'D')`,
  );
}

async function note(session: Session, condition: string): Promise<void> {
  await session.query(
    `INSERT INTO ${recordsSchema}.transactions (xid) SELECT pg_current_xact_id() WHERE ${condition}`,
  );
}
