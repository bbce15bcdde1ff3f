import type { SequenceState } from '../../format/manifest.ts';
import { isNotOwnObject, isNotOwnSchema } from '../own-schema.ts';
import type { Session } from '../session/connection.ts';
import { readStates } from './sequence-states.ts';

/** A condition on a row `n` of pg_namespace: neither a schema of the server nor our own. */
export const userSchema = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND ${isNotOwnSchema}`;

/** A condition: no extension owns the object. */
export const own = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;

/**
 * The same for a row `c` of pg_class. The sequence of an identity column belongs to an extension if its table
 * does.
 */
export const ownRelation = `(${own('pg_class', 'c.oid')} AND NOT (c.relkind = 'S' AND EXISTS (
  SELECT FROM pg_depend i JOIN pg_depend d ON d.classid = i.refclassid AND d.objid = i.refobjid AND d.deptype = 'e'
  WHERE i.classid = 'pg_class'::regclass AND i.objid = c.oid AND i.refclassid = 'pg_class'::regclass AND i.deptype = 'i')))`;

/** The first oid that initdb leaves to users (FirstNormalObjectId). */
export const firstUserOid = 16384;

/** The superuser that initdb creates (BOOTSTRAP_SUPERUSERID); pg_shdepend does not record what it owns. */
const bootstrapRole = 10;

/** An index left by a failed CREATE INDEX CONCURRENTLY: pg_dump omits it, and the planner ignores it. */
const invalidIndex = `(NOT i.indisvalid AND c.relkind = 'i')`;

/** An operator that another one names, and that does not exist yet or any more: pg_dump omits it. */
export const shellOperator = '(x.oprcode = 0)';

/**
 * True for a foreign key of a partition that repeats one inherited from the parent. When they meet in the
 * other order, PostgreSQL merges them (tryAttachPartitionForeignKey), so a dump restores one or two.
 *
 * @param key a row of pg_constraint
 */
export const mergedKey = (
  key: string,
) => `(${key}.contype = 'f' AND ${key}.conparentid = 0 AND ${key}.convalidated AND EXISTS (
  SELECT FROM pg_constraint k WHERE k.conrelid = ${key}.conrelid AND k.contype = 'f' AND k.conparentid <> 0 AND k.conparentid <> ${key}.oid
    AND (k.confrelid, k.conkey, k.confkey, k.confupdtype, k.confdeltype, k.confmatchtype, k.condeferrable, k.condeferred, k.convalidated)
      = (${key}.confrelid, ${key}.conkey, ${key}.confkey, ${key}.confupdtype, ${key}.confdeltype, ${key}.confmatchtype,
         ${key}.condeferrable, ${key}.condeferred, ${key}.convalidated)))`;

/**
 * True for a row `d` of pg_description, a comment, on a type created together with another object: pg_dump
 * omits it.
 */
export const unsaidComment = `(d.classoid = 'pg_type'::regclass AND EXISTS (
  SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
  WHERE t.oid = d.objoid AND (t.typtype = 'm' OR c.relkind <> 'c' OR EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid))))`;

/** A condition on the oid of a relation: it is in no schema of ours. */
const notOurs = (oid: string) =>
  `NOT EXISTS (SELECT FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace WHERE o.oid = ${oid} AND NOT (${isNotOwnSchema}))`;

/**
 * Each query yields rows of (kind). Members of extensions come back with the extension and are not counted.
 */
const kindQueries: readonly string[] = [
  `SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                         WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                         WHEN 'c' THEN 'composite type' ELSE 'index' END
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE ${userSchema} AND c.relkind <> 't' AND ${ownRelation}
     AND NOT (c.relkind IN ('i', 'I') AND EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid
              AND (NOT (${own('pg_class', 'i.indrelid')}) OR ${invalidIndex})))`,
  // A partitioned index becomes valid only when every partition's index is attached, and serves no foreign
  // key or ON CONFLICT until then.
  `SELECT 'incomplete partitioned index' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
   WHERE c.relkind = 'I' AND NOT i.indisvalid`,
  `SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END
   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE ${userSchema} AND ${own('pg_proc', 'p.oid')}`,
  `SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type' ELSE 'base type' END
   FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE ${userSchema} AND t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0 AND ${own('pg_type', 't.oid')}`,
  `SELECT CASE con.contype WHEN 'c' THEN 'check constraint' WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key'
                           WHEN 'u' THEN 'unique constraint' WHEN 'x' THEN 'exclusion constraint'
                           ELSE 'other constraint' END
   FROM pg_constraint con JOIN pg_namespace n ON n.oid = con.connamespace
   WHERE ${userSchema} AND con.contype <> 'n' AND NOT ${mergedKey('con')} AND ${own('pg_class', 'con.conrelid')} AND ${own('pg_type', 'con.contypid')}`,
  `SELECT 'trigger' FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND ${own('pg_class', 't.tgrelid')} AND ${notOurs('t.tgrelid')}`,
  `SELECT 'policy' FROM pg_policy p WHERE ${own('pg_class', 'p.polrelid')} AND ${notOurs('p.polrelid')}`,
  `SELECT 'row level security' FROM pg_class c WHERE c.relrowsecurity AND ${own('pg_class', 'c.oid')} AND ${notOurs('c.oid')}`,
  `SELECT 'rule' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE ${userSchema} AND r.rulename <> '_RETURN' AND ${own('pg_class', 'c.oid')}`,
  `SELECT 'schema' FROM pg_namespace n WHERE ${userSchema} AND ${own('pg_namespace', 'n.oid')}`,
  `SELECT 'statistics object' FROM pg_statistic_ext x WHERE ${own('pg_class', 'x.stxrelid')}`,
  `SELECT 'collation' FROM pg_collation x JOIN pg_namespace n ON n.oid = x.collnamespace
   WHERE ${userSchema} AND ${own('pg_collation', 'x.oid')}`,
  `SELECT 'operator' FROM pg_operator x
   WHERE x.oid >= ${firstUserOid} AND ${own('pg_operator', 'x.oid')} AND NOT ${shellOperator}`,
  `SELECT 'operator class' FROM pg_opclass x WHERE x.oid >= ${firstUserOid} AND ${own('pg_opclass', 'x.oid')}`,
  `SELECT 'cast' FROM pg_cast x WHERE x.oid >= ${firstUserOid} AND ${own('pg_cast', 'x.oid')}`,
  `SELECT 'text search configuration' FROM pg_ts_config x WHERE x.oid >= ${firstUserOid} AND ${own('pg_ts_config', 'x.oid')}`,
  `SELECT 'text search dictionary' FROM pg_ts_dict x WHERE x.oid >= ${firstUserOid} AND ${own('pg_ts_dict', 'x.oid')}`,
  `SELECT 'event trigger' FROM pg_event_trigger x WHERE ${own('pg_event_trigger', 'x.oid')}`,
  `SELECT 'publication' FROM pg_publication`,
  `SELECT 'publication table' FROM pg_publication_rel`,
  `SELECT 'foreign server' FROM pg_foreign_server x WHERE ${own('pg_foreign_server', 'x.oid')}`,
  `SELECT 'extension' FROM pg_extension`,
  `SELECT 'default privileges' FROM pg_default_acl`,
  `SELECT 'large object' FROM pg_largeobject_metadata`,
  `SELECT 'comment' FROM pg_description d
   WHERE d.objoid >= ${firstUserOid} AND NOT ${unsaidComment} AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
     AND ${isNotOwnObject('d.classoid', 'd.objoid')}
     AND (SELECT i.identity FROM pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i) IS NOT NULL`,
];

/** Counts the objects of each kind, without members of extensions. */
export async function countObjects(session: Session): Promise<Record<string, number>> {
  const rows = await session.query<{ kind: string; count: number }>(
    `SELECT kind, count(*) AS count FROM (${kindQueries.join(' UNION ALL ')}) AS objects (kind) GROUP BY kind ORDER BY kind`,
  );
  return Object.fromEntries(rows.map((row) => [row.kind, row.count]));
}

/** Lists the indexes that exist but are invalid: no query uses them, and no dump holds them. */
export async function readInvalidIndexes(session: Session): Promise<string[]> {
  const rows = await session.query<{ name: string }>(`
    SELECT n.nspname || '.' || c.relname AS name
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${userSchema} AND ${invalidIndex} ORDER BY 1`);
  return rows.map((row) => row.name);
}

/**
 * Reads the state of every sequence that no extension owns. Sequences are not transactional: a snapshot does
 * not freeze them.
 *
 * @param values another session for the values, when the first one is in a long transaction
 * @throws SourceError when a sequence has been renamed or dropped meanwhile
 */
export async function readSequences(session: Session, values = session): Promise<SequenceState[]> {
  return readStates(session, await listSequences(session), values);
}

/** Reads the states of the sequences that the role may read, and the names of the others. */
export async function readReadableSequences(
  session: Session,
): Promise<{ states: SequenceState[]; closed: { schema: string; name: string }[] }> {
  const names = await listSequences(session);
  const states = await readStates(
    session,
    names.filter(({ readable }) => readable),
  );
  return { states, closed: names.filter(({ readable }) => !readable) };
}

function listSequences(
  session: Session,
): Promise<{ schema: string; name: string; oid: number; readable: boolean }[]> {
  return session.query(`
    SELECT n.nspname AS schema, c.relname AS name, c.oid,
           -- Asked of a table, the second is an error.
           CASE WHEN c.relkind = 'S' THEN has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT') END AS readable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND ${userSchema} AND ${ownRelation} ORDER BY 1, 2`);
}

export interface InstalledExtension {
  readonly name: string;
  readonly schema: string;
  readonly version: string;
}

async function readExtensions(session: Session): Promise<InstalledExtension[]> {
  const rows = await session.query<{ name: string; schema: string; version: string }>(`
    SELECT e.extname AS name, n.nspname AS schema, e.extversion AS version
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1`);
  return rows.map((row) => ({ ...row }));
}

/** Roles that own an object of this database, hold a privilege in it, or are named by an object of it. */
async function readRoles(session: Session): Promise<string[]> {
  const rows = await session.query<{ name: string }>(`
    SELECT r.rolname AS name
    FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
    WHERE d.refclassid = 'pg_authid'::regclass
      AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ${isNotOwnObject('d.classid', 'd.objid')}
    UNION
    SELECT rolname FROM pg_roles WHERE oid = ${bootstrapRole} AND EXISTS (
      SELECT FROM (SELECT oid, relowner FROM pg_class UNION ALL SELECT oid, proowner FROM pg_proc
                   UNION ALL SELECT oid, typowner FROM pg_type UNION ALL SELECT oid, nspowner FROM pg_namespace
                   UNION ALL SELECT oid, evtowner FROM pg_event_trigger UNION ALL SELECT oid, extowner FROM pg_extension) AS object (oid, owner)
      WHERE object.owner = ${bootstrapRole} AND object.oid >= ${firstUserOid})
    ORDER BY 1`);
  return rows.map((row) => row.name);
}

/** Facts to compare a restored database with, and what its server must have. */
export interface DatabaseFacts {
  readonly sequences: SequenceState[];
  readonly objects: Record<string, number>;
  readonly roles: string[];
  readonly extensions: InstalledExtension[];
}

/** Reads all facts; `values` as for `readSequences`. */
export async function readFacts(session: Session, values = session): Promise<DatabaseFacts> {
  const [objects, roles, extensions, sequences] = await Promise.all([
    countObjects(session),
    readRoles(session),
    readExtensions(session),
    readSequences(session, values),
  ]);
  return { sequences, objects, roles, extensions };
}
