import type { Omission } from '../../parity/scope.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import { recordsSchemas } from '../../postgres/own-schema.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { ConfigurationError, isKnownError, TargetError, wholeMessageOf } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { isPlatformRole, readManagedSchemas } from '../../supabase/managed-schemas.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';
import {
  isKept,
  listBatch,
  listEventTriggers,
  listLoose,
  listNames,
  listObjectsIn,
  listOnManaged,
  listPublications,
  listSchemas,
  listTables,
  type Ownership,
} from './lists.ts';
import { deleteRows } from './rows.ts';

export interface Emptied {
  /**
   * How many transactions it took. When more than one, a failure in between leaves the database partly
   * emptied.
   */
  readonly transactions: number;
  /**
   * What could not be removed: nothing in a plain target, and in a Supabase one what the role may not touch
   */
  readonly left: readonly Omission[];
  /** Schemas that are ours and stay as they are: the records of what was done, which no backup carries */
  readonly kept: readonly string[];
}

/** What becomes of the schemas. */
interface Fate {
  /** Dropped with everything in them */
  readonly dropped: readonly string[];
  /** Kept without the user's objects, because an extension has objects in them or because of their grants */
  readonly emptied: readonly string[];
  /** The platform's or an extension's, kept with their definitions */
  readonly managed: readonly string[];
  /** Ours, and not touched */
  readonly kept: readonly string[];
}

/**
 * Removes everything that a user can have created and a restore brings. Records of ours stay: they tell what
 * was done to this database, and no backup brings them. In a Supabase target the platform's
 * own objects stay, without the user's rows. All happens in one transaction, unless the server has too few
 * locks for it (max_locks_per_transaction).
 *
 * @throws ConfigurationError when there is a subscription, or when the role may not remove something of a
 * plain target
 * @throws TargetError when the server fails otherwise. Nothing was removed, unless the message says so
 */
export async function emptyDatabase(session: Session, kind: TargetKind): Promise<Emptied> {
  let batches = 0;
  try {
    await refuseSubscriptions(session);
    await session.query(dropObject);
    const users = await findOwnership(session, kind);
    const fate = await decideFate(session, kind);
    while (await dropBatch(session, users, fate)) batches += 1;
    await session.query(`BEGIN; ${localSettings}`);
    const left = await removeAll(session, users, fate);
    await session.query('COMMIT');
    return { transactions: batches + 1, left, kept: fate.kept };
  } catch (cause) {
    await Promise.allSettled([session.query('ROLLBACK')]);
    if (isKnownError(cause)) throw cause;
    throw explainRefusal(cause, batches);
  }
}

/**
 * Waits for locks as long as a long query takes. The platform's guard against deletes of its rows is meant
 * for other clients.
 */
export const localSettings = `
  SET LOCAL lock_timeout = '2min';
  SET LOCAL row_security = off;
  SET LOCAL storage.allow_delete_query = 'true'`;

/**
 * A subscription holds a slot on another server. Only DROP SUBSCRIPTION releases it, which cannot run in a
 * transaction.
 *
 * @throws ConfigurationError when there is one
 */
async function refuseSubscriptions(session: Session): Promise<void> {
  const found = await session.query<{ name: string }>(`
    SELECT subname AS name FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1`);
  if (found.length === 0) return;
  throw new ConfigurationError(
    say`${nameInput('clean')}: the target has subscriptions (${found.map(({ name }) => name).join(', ')}), which use replication slots on other servers`,
    `Drop them first: ${found.map(({ name }) => `DROP SUBSCRIPTION ${quoteIdentifier(name)};`).join(' ')}`,
  );
}

async function findOwnership(session: Session, kind: TargetKind): Promise<Ownership> {
  const roles = await session.query<{ name: string }>('SELECT rolname AS name FROM pg_roles');
  const names = roles.map(({ name }) => name);
  return { kind, platformRoles: kind === 'plain' ? [] : names.filter(isPlatformRole) };
}

async function decideFate(session: Session, kind: TargetKind): Promise<Fate> {
  const platforms = kind === 'plain' ? new Set<string>() : await readManagedSchemas(session);
  // The one schema of the platform that belongs to `postgres`.
  if (kind !== 'plain') platforms.add('extensions');
  const schemas = await session.query<{ name: string; member: boolean; kept: boolean }>(`
    SELECT n.nspname AS name,
      EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e') AS member,
      EXISTS (SELECT FROM pg_extension x WHERE x.extnamespace = n.oid AND ${isKept(kind)}) AS kept
    FROM pg_namespace n WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 1`);
  const managed = schemas.filter(({ name, member }) => member || platforms.has(name));
  const kept = (await session.query<{ name: string }>(recordsSchemas)).map(({ name }) => name);
  const users = schemas.filter((schema) => !managed.includes(schema) && !kept.includes(schema.name));
  const emptied = users.filter(({ name, kept }) => kept || name === 'public');
  return {
    dropped: users.filter((schema) => !emptied.includes(schema)).map(({ name }) => name),
    emptied: emptied.map(({ name }) => name),
    managed: managed.map(({ name }) => name),
    kept,
  };
}

/**
 * Drops some tables and large objects and commits, as long as one transaction cannot hold the locks for
 * everything.
 *
 * @returns false when there was no need to, or when something could not be dropped
 */
async function dropBatch(session: Session, users: Ownership, { dropped, emptied }: Fate): Promise<boolean> {
  const schemas = [...dropped, ...emptied];
  const { locks, batchable, available } = await countLocks(session, schemas);
  if (locks <= available || batchable === 0) return false;
  const size = Math.max(1, Math.floor((available * batchable) / locks / 2));
  await session.query(`BEGIN; ${localSettings}`);
  // Event triggers would fire for every table.
  await drop(session, users, listEventTriggers(users));
  const left = await drop(session, users, listBatch(schemas, size));
  await session.query('COMMIT');
  return left.length === 0;
}

/**
 * Counts the locks that it takes to drop everything, about one for each object, and those of the server that
 * we may use.
 */
async function countLocks(session: Session, schemas: readonly string[]) {
  const [row] = await session.query<{ locks: number; batchable: number; available: number }>(`
    WITH schemas AS (SELECT oid FROM pg_namespace WHERE nspname IN (${listNames(schemas)})),
         relations AS (SELECT oid, relkind, reltoastrelid FROM pg_class WHERE relnamespace IN (TABLE schemas)),
         large AS (SELECT count(*) AS n FROM pg_largeobject_metadata)
    SELECT n + (SELECT count(*) FROM relations WHERE relkind IN ('r', 'p', 'f')) AS batchable,
           n + (SELECT count(*) + 2 * count(*) FILTER (WHERE reltoastrelid <> 0) FROM relations)
           + (SELECT count(*) FROM pg_type WHERE typnamespace IN (TABLE schemas))
           + (SELECT count(*) FROM pg_proc WHERE pronamespace IN (TABLE schemas))
           + (SELECT count(*) FROM pg_constraint WHERE connamespace IN (TABLE schemas))
           + (SELECT count(*) FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM relations))
           + (SELECT count(*) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relations))
           + (SELECT count(*) FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM relations))
           + (SELECT count(*) FROM pg_policy WHERE polrelid IN (SELECT oid FROM relations)) AS locks,
           current_setting('max_locks_per_transaction')::int
             * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) * 3 / 4 AS available
    FROM large`);
  if (!row) throw new Error('a query of counts without a row');
  return row;
}

async function removeAll(session: Session, users: Ownership, fate: Fate): Promise<Omission[]> {
  const lists = [
    listEventTriggers(users),
    listPublications(users),
    // An index that outlives the functions of its operator class cannot be dropped any more.
    listTables([...fate.dropped, ...fate.emptied]),
    `SELECT 'pg_extension'::regclass, x.oid FROM pg_extension x WHERE NOT ${isKept(users.kind)}`,
    listSchemas(fate.dropped),
    listObjectsIn(fate.emptied),
    listLoose(),
    listOnManaged(fate.managed, users),
    `SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata`,
  ];
  const left: Omission[] = [];
  for (const list of lists) append(left, await drop(session, users, list));
  append(left, await deleteRows(session, users, fate.managed));
  if (users.kind !== 'supabase-project') await resetDefaults(session);
  return left;
}

/**
 * Drops what a query of (class, object) lists, in its order. Objects that were dropped with an earlier one
 * are skipped.
 */
async function drop(session: Session, { kind }: Ownership, list: string): Promise<Omission[]> {
  const rows = await session.query<{ what: string; why: string }>(`
    WITH list (class, object) AS MATERIALIZED (${list}),
         results AS MATERIALIZED (SELECT pg_temp.supabase_backup_drop(class, object, ${kind !== 'plain'}) AS refused FROM list)
    SELECT refused[1] AS what, refused[2] AS why FROM results WHERE refused IS NOT NULL`);
  return rows.map(({ what, why }) => ({
    what,
    why: `it was in the target before, and could not be removed: ${why}`,
    remedy: 'Remove it as its owner, unless the backup has it, too.',
  }));
}

/**
 * Drops objects by their catalogs and oids, with everything that depends on them.
 *
 * @throws the server's error when it refuses one of them
 */
export async function dropObjects(
  session: Session,
  objects: readonly { readonly class: number; readonly oid: number }[],
): Promise<void> {
  await session.query(dropObject);
  await session.query(
    `SELECT pg_temp.supabase_backup_drop(class, object, false) FROM unnest($1::oid[], $2::oid[]) AS list (class, object)`,
    [objects.map((object) => object.class), objects.map(({ oid }) => oid)],
  );
}

/**
 * One function for every type of object: pg_identify_object names each as DROP takes it, and returns null for
 * dropped ones.
 */
const dropObject = `
  CREATE OR REPLACE FUNCTION pg_temp.supabase_backup_drop(class oid, object oid, tolerant boolean) RETURNS text[] LANGUAGE plpgsql AS $function$
  DECLARE
    sort text;
    name text;
  BEGIN
    IF class = 'pg_largeobject'::regclass THEN
      sort := 'large object';
      name := object;
      PERFORM pg_catalog.lo_unlink(object);
      RETURN NULL;
    END IF;
    SELECT i.type, i.identity INTO sort, name FROM pg_identify_object(class, object, 0) AS i;
    IF name IS NULL THEN RETURN NULL; END IF;
    IF sort = 'transform' THEN
      -- Before PostgreSQL 17 its identity lacks the FOR that DROP wants.
      SELECT format('FOR %s LANGUAGE %I', format_type(t.trftype, NULL), l.lanname) INTO name
      FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE t.oid = object;
    END IF;
    EXECUTE format('DROP %s %s CASCADE', CASE
      WHEN sort IN ('function', 'procedure', 'aggregate') THEN 'ROUTINE'
      WHEN sort = 'composite type' THEN 'TYPE'
      WHEN sort = 'statistics object' THEN 'STATISTICS'
      WHEN sort = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER'
      ELSE sort END, name);
    RETURN NULL;
  EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
    IF NOT tolerant THEN RAISE; END IF;
    RETURN ARRAY[concat(sort, ' ', name), SQLERRM];
  END
  $function$`;

/**
 * Resets what cannot be dropped: the schema `public` becomes as in a new database, and the database loses its
 * settings.
 */
async function resetDefaults(session: Session): Promise<void> {
  await session.query(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET ALL', current_database()); END $$`,
  );
  const [found] = await session.query(`SELECT FROM pg_namespace WHERE nspname = 'public'`);
  if (found === undefined) await session.query('CREATE SCHEMA public');
  const isNew = session.serverVersion >= 150000;
  const [schema] = await session.query<{
    owner: string;
    usual: string;
    comment: string | null;
    grants: string;
  }>(`
    SELECT pg_get_userbyid(nspowner) AS owner, obj_description(oid, 'pg_namespace') AS comment,
           ${isNew ? `'pg_database_owner'` : 'pg_get_userbyid(10)'} AS usual,
           (SELECT string_agg(concat(i.grantee, ' ', i.privilege_type), ', ' ORDER BY i.grantee, i.privilege_type)
            FROM aclexplode(nspacl) AS i WHERE i.grantee <> nspowner) AS grants
    FROM pg_namespace WHERE nspname = 'public'`);
  if (schema === undefined) throw new Error('the schema public was made and is not there');
  const owner = quoteIdentifier(schema.usual);
  if (schema.owner !== schema.usual) await session.query(`ALTER SCHEMA public OWNER TO ${owner}`);
  if (schema.grants !== (isNew ? '0 USAGE' : '0 CREATE, 0 USAGE')) {
    const grantees = await session.query<{ name: string }>(`
      SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS name
      FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public'`);
    for (const { name } of grantees) await session.query(`REVOKE ALL ON SCHEMA public FROM ${name} CASCADE`);
    await session.query(`GRANT ALL ON SCHEMA public TO ${owner}`);
    await session.query(`GRANT ${isNew ? 'USAGE' : 'ALL'} ON SCHEMA public TO PUBLIC`);
  }
  if (schema.comment !== standardComment) {
    await session.query(`COMMENT ON SCHEMA public IS '${standardComment}'`);
  }
}

const standardComment = 'standard public schema';

/**
 * @param batches that were committed before
 * @param what could not be done, ending in a colon
 */
export function explainRefusal(
  cause: unknown,
  batches: number,
  what = 'the target could not be emptied: ',
): Error {
  const { code } = cause as { code?: string };
  const extent =
    batches === 0
      ? 'nothing was removed'
      : `${batches} batches of tables were removed, because the server has too few locks for one transaction`;
  const message = `clean: ${what}${wholeMessageOf(cause)}; ${extent}`;
  switch (code) {
    case sqlState.insufficientPrivilege:
      return new ConfigurationError(
        message,
        'Use the role that owns everything there, or restore into a new database.',
        cause,
      );
    case sqlState.lockNotAvailable:
      return new TargetError(
        message,
        'Stop everything that is connected to the target, starting with the application, and run the restore again.',
        cause,
      );
    default:
      return new TargetError(message, 'Run the restore again, or restore into a new database.', cause);
  }
}
