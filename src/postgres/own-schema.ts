/** The one schema that a backup may write into its source, and that is never part of a backup: restored, it would vouch for another history. */
export const ledgerSchema = 'supabase_backup';

/** Tells our schema from somebody else's of the same name. */
export const ledgerComment =
  'Ledger of supabase-backup: tokens that tell a rolled back database. Not backed up; may be dropped.';

/** A condition on the oid of a role: what it has made under our name may be ours, and is no trap of somebody who may do less. */
const isTrusted = (role: string) =>
  `(SELECT r.rolsuper OR r.rolname = current_user FROM pg_roles r WHERE r.oid = ${role})`;

/** A condition on a row `n` of pg_namespace: what somebody else keeps in a schema of that name is in backups like anything of his. */
const isLedger = `(n.nspname = '${ledgerSchema}' AND coalesce(obj_description(n.oid, 'pg_namespace'), '') = '${ledgerComment}' AND ${isTrusted('n.nspowner')})`;
export const isNoLedger = `NOT ${isLedger}`;

/**
 * A condition on a row `c` of pg_class and its schema `n`: a table of the ledger that can be believed. Anybody who may create a schema can
 * make one of that name, with a view in it that runs what he likes, or a table with a trigger.
 */
export const isOwnTable = (name: string) => `(
  ${isLedger} AND c.relname = '${name}' AND c.relkind = 'r' AND ${isTrusted('c.relowner')}
  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid) AND NOT EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid))`;

/** Finds a schema of our name that somebody else has made; in rows of (owner). */
export const foreignLedger = `
  SELECT pg_get_userbyid(n.nspowner) AS owner FROM pg_namespace n WHERE n.nspname = '${ledgerSchema}' AND NOT ${isTrusted('n.nspowner')}`;

/** What makes the ledger, in turn. `xid` is the transaction that left the token. */
export const ledgerDefinitions: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${ledgerSchema}`,
  `COMMENT ON SCHEMA ${ledgerSchema} IS '${ledgerComment}'`,
  `CREATE TABLE IF NOT EXISTS ${ledgerSchema}.tokens (
     token text PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), left_at timestamptz NOT NULL DEFAULT now())`,
];
