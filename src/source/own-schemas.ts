import { isOwnTable, ownSchemas, recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';

/** What of a database is ours, and no part of its backup. */
export interface Ours {
  readonly schemas: readonly string[];
  /** The transactions that wrote nothing but records of ours. */
  readonly transactions: readonly bigint[];
}

/** Reads what of a database is ours. */
export async function readOurs(session: Session): Promise<Ours> {
  const [schemas, transactions] = await Promise.all([readOwnSchemas(session), readTransactions(session)]);
  return { schemas, transactions };
}

/** Reads the names of those of our schemas that a database has, as far as they can be believed to be ours. */
export async function readOwnSchemas(session: Session): Promise<string[]> {
  const rows = await session.query<{ name: string }>(ownSchemas);
  return rows.map(({ name }) => name);
}

/**
 * Whoever writes records notes each of its transactions in this table, and writes nothing else in it. A
 * transaction that is not noted counts as the user's. A table with row security is read by its owner alone:
 * its policies may call any function.
 *
 * A number is one transaction on one server, in one of its databases: what a copy brought from another server
 * names transactions that were never here. What comes from a database beside this one wrote nothing in it.
 */
async function readTransactions(session: Session): Promise<bigint[]> {
  const [ours] = await session.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = '${recordsSchema}' AND ${isOwnTable('transactions')}
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
       AND (NOT c.relrowsecurity OR (NOT c.relforcerowsecurity AND pg_has_role(c.relowner, 'USAGE')))`,
  );
  if (ours === undefined) return [];
  const rows = await session.query<{ xid: string }>(
    `SELECT xid::text AS xid FROM ${recordsSchema}.transactions
     WHERE system_identifier = (SELECT system_identifier FROM pg_control_system())`,
  );
  return rows.map(({ xid }) => BigInt(xid));
}
