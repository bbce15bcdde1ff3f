/**
 * The schemas that are ours. `ownSchema` is the one that a backup may write into its source, and that a
 * restore leaves its mark in; `recordsSchema` has the records in SQL, which outlive both. Backups, comparisons
 * and captures leave them out: a restored rollback token would vouch for another history, and restored
 * records would tell of runs that another database has had.
 */
export const ownSchema = 'supabase_backup';
export const recordsSchema = 'supabase_backup_records';

/** Tells our schema from another one of the same name. */
export const ownSchemaComment =
  'Ledger of supabase-backup: tokens that tell a rolled back database. Not backed up; may be dropped.';

/** How the comment on the schema of the records begins; what follows may change with the version. */
export const recordsCommentPrefix = 'Records of supabase-backup';

/**
 * A condition on the oid of a role: a superuser or the current user. Objects of such a role may be ours, and
 * cannot be a trap laid by a role with fewer rights.
 */
export const isTrusted = (role: string) =>
  `(SELECT r.rolsuper OR r.rolname = current_user FROM pg_roles r WHERE r.oid = ${role})`;

/**
 * The same, or the owner of the database: a backup may connect as another role than the one that keeps the
 * records. Enough for what is only left out, and not for what is read.
 */
export const isBelieved = (role: string) =>
  `(${isTrusted(role)} OR ${role} = (SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()))`;

const commentOf = (schema: string) => `coalesce(obj_description(${schema}.oid, 'pg_namespace'), '')`;

/**
 * A condition on a row `n` of pg_namespace. Another owner's schema of this name is backed up like any other.
 */
const isTokenSchema = `(n.nspname = '${ownSchema}' AND ${commentOf('n')} = '${ownSchemaComment}' AND ${isTrusted('n.nspowner')})`;
const isRecordsSchema = `(n.nspname = '${recordsSchema}' AND starts_with(${commentOf('n')}, '${recordsCommentPrefix}') AND ${isBelieved('n.nspowner')})`;
const isOwnSchema = `(${isTokenSchema} OR ${isRecordsSchema})`;
export const isNotOwnSchema = `NOT ${isOwnSchema}`;

/** Finds those of our schemas that a database has; rows of (name). */
export const ownSchemas = `SELECT n.nspname::text AS name FROM pg_namespace n WHERE ${isOwnSchema} ORDER BY 1`;

/** Finds the schema of the records, which no restore brings and none removes; rows of (name). */
export const recordsSchemas = `SELECT n.nspname::text AS name FROM pg_namespace n WHERE ${isRecordsSchema}`;

/**
 * A condition: the object of a catalog, `class` and `oid`, is none in the schemas that are ours, nor one of
 * them. For catalogs that list objects of all kinds.
 */
export const isNotOwnObject = (catalog: string, oid: string) => `(${catalog}, ${oid}) NOT IN (
  SELECT 'pg_namespace'::regclass, n.oid FROM pg_namespace n WHERE ${isOwnSchema}
  UNION ALL SELECT 'pg_class'::regclass, x.oid FROM pg_class x JOIN pg_namespace n ON n.oid = x.relnamespace WHERE ${isOwnSchema}
  UNION ALL SELECT 'pg_proc'::regclass, x.oid FROM pg_proc x JOIN pg_namespace n ON n.oid = x.pronamespace WHERE ${isOwnSchema}
  UNION ALL SELECT 'pg_type'::regclass, x.oid FROM pg_type x JOIN pg_namespace n ON n.oid = x.typnamespace WHERE ${isOwnSchema}
  UNION ALL SELECT 'pg_constraint'::regclass, x.oid FROM pg_constraint x JOIN pg_namespace n ON n.oid = x.connamespace WHERE ${isOwnSchema}
  UNION ALL SELECT 'pg_trigger'::regclass, x.oid FROM pg_trigger x JOIN pg_class c ON c.oid = x.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isOwnSchema}
  UNION ALL SELECT 'pg_policy'::regclass, x.oid FROM pg_policy x JOIN pg_class c ON c.oid = x.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isOwnSchema})`;

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
