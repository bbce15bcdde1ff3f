/**
 * The one schema that a backup may write into its source. Backups leave it out: a restored rollback token
 * would vouch for another history.
 */
export const ownSchema = 'supabase_backup';

/** Tells our schema from another one of the same name. */
export const ownSchemaComment =
  'Ledger of supabase-backup: tokens that tell a rolled back database. Not backed up; may be dropped.';

/**
 * A condition on the oid of a role: a superuser or the current user. Objects of such a role may be ours, and
 * cannot be a trap laid by a role with fewer rights.
 */
const isTrusted = (role: string) =>
  `(SELECT r.rolsuper OR r.rolname = current_user FROM pg_roles r WHERE r.oid = ${role})`;

/**
 * A condition on a row `n` of pg_namespace. Another owner's schema of this name is backed up like any other.
 */
const isOwnSchema = `(n.nspname = '${ownSchema}' AND coalesce(obj_description(n.oid, 'pg_namespace'), '') = '${ownSchemaComment}' AND ${isTrusted('n.nspowner')})`;
export const isNotOwnSchema = `NOT ${isOwnSchema}`;

/**
 * A condition on a row `c` of pg_class and its schema `n`: a table of ours that can be trusted. Any role that
 * may create a schema can take this name, and put into it a view that runs arbitrary code, or a table with a
 * trigger.
 */
export const isOwnTable = (name: string) => `(
  ${isOwnSchema} AND c.relname = '${name}' AND c.relkind = 'r' AND ${isTrusted('c.relowner')}
  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid) AND NOT EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid))`;

/** Finds a schema of our name that another role has made; rows of (owner). */
export const foreignOwnSchema = `
  SELECT pg_get_userbyid(n.nspowner) AS owner FROM pg_namespace n WHERE n.nspname = '${ownSchema}' AND NOT ${isTrusted('n.nspowner')}`;

/** Statements that create the table of rollback tokens. `xid` is the transaction that left the token. */
export const ownSchemaDefinitions: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${ownSchema}`,
  `COMMENT ON SCHEMA ${ownSchema} IS '${ownSchemaComment}'`,
  `CREATE TABLE IF NOT EXISTS ${ownSchema}.tokens (
     token text PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), left_at timestamptz NOT NULL DEFAULT now())`,
];
