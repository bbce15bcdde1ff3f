/** The one schema that a backup may write into its source, and that is never part of a backup: restored, it would vouch for another history. */
export const ledgerSchema = 'supabase_backup';

/** Tells our schema from somebody else's of the same name. */
export const ledgerComment =
  'Ledger of supabase-backup: tokens that tell a rolled back database. Not backed up; may be dropped.';

/** A condition on a row `n` of pg_namespace. */
export const isNoLedger = `NOT (n.nspname = '${ledgerSchema}' AND coalesce(obj_description(n.oid, 'pg_namespace'), '') = '${ledgerComment}')`;

/** What makes the ledger, in turn. `xid` is the transaction that left the token. */
export const ledgerDefinitions: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${ledgerSchema}`,
  `COMMENT ON SCHEMA ${ledgerSchema} IS '${ledgerComment}'`,
  `CREATE TABLE IF NOT EXISTS ${ledgerSchema}.tokens (
     token text PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), left_at timestamptz NOT NULL DEFAULT now())`,
];
