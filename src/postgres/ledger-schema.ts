/** The one schema that a backup may write into its source, and that is never part of a backup: restored, it would vouch for another history. */
export const ledgerSchema = 'supabase_backup';

/** Tells our schema from somebody else's of the same name. */
export const ledgerComment =
  'Ledger of supabase-backup: tokens that tell a rolled back database. Not backed up; may be dropped.';

/** A condition on a row `n` of pg_namespace. */
export const isNoLedger = `NOT (n.nspname = '${ledgerSchema}' AND coalesce(obj_description(n.oid, 'pg_namespace'), '') = '${ledgerComment}')`;
