import type { Omission } from '../../parity/scope.ts';
import { quoteLiteral, quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { isPlatformState, isUserData } from '../../supabase/managed-schemas.ts';
import { tryStatement } from '../omission.ts';
import { listNames, type Ownership } from './lists.ts';

/**
 * Deletes the user's rows from what stays: tables of the platform, tables of extensions as far as pg_dump
 * would write them, jobs of pg_cron. Uses DELETE, because the platform lets no role truncate its tables.
 */
export async function deleteRows(
  session: Session,
  { kind }: Ownership,
  managed: readonly string[],
): Promise<Omission[]> {
  await session.query(deleteAll);
  const left: Omission[] = [];
  if (kind !== 'plain') {
    // Disables triggers and foreign keys for this transaction, where the role may.
    await attempt(session, 'SET LOCAL session_replication_role = replica');
    append(left, await unscheduleJobs(session));
    append(left, await dropQueues(session));
  }
  const targets = [
    ...(kind === 'plain' ? [] : await listManagedRows(session, managed)),
    ...(await listExtensionRows(session)),
  ];
  const refused = await session.query<{ what: string; why: string }>(
    'SELECT what, why FROM pg_temp.supabase_backup_delete($1, $2)',
    [targets.map(({ table }) => table), targets.map(({ condition }) => condition)],
  );
  if (kind !== 'plain') await attempt(session, 'SET LOCAL session_replication_role = DEFAULT');
  refuseLeftRows(targets, refused);
  return [...left, ...refused.map(({ what, why }) => describeLeft(`rows of ${what}`, why))];
}

/**
 * Refuses to go on where a user's rows stay, because those of the backup could not be loaded. Jobs of pg_cron
 * do not count, because they are restored one by one, nor do rows of extensions, which manage them.
 *
 * @throws ConfigurationError
 */
function refuseLeftRows(
  targets: readonly Target[],
  refused: readonly { readonly what: string; readonly why: string }[],
): void {
  const kept = new Set(targets.filter(({ isCounted }) => isCounted).map(({ table }) => table));
  const first = refused.find(({ what }) => kept.has(what));
  if (first === undefined) return;
  throw new ConfigurationError(
    say`${nameInput('clean')}: the rows of ${first.what} cannot be deleted: ${first.why}; nothing was removed`,
    'Use a role that can, or restore into a new project.',
  );
}

interface Target {
  /** Qualified and quoted */
  readonly table: string;
  /** A WHERE clause, or empty */
  readonly condition: string;
  /** Whether the restore is refused when these rows stay */
  readonly isCounted: boolean;
}

async function listManagedRows(session: Session, managed: readonly string[]): Promise<Target[]> {
  const rows = await session.query<{ schema: string; name: string }>(`
    SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN (${listNames(managed)})
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1, 2`);
  return rows
    .filter((table) => !isPlatformState(table))
    .map((table) => ({
      table: quoteQualified(table.schema, table.name),
      condition: '',
      isCounted: isUserData(table) && table.schema !== 'cron',
    }));
}

/** Rows in tables of extensions that pg_dump takes for the user's (PostgreSQL manual 38.17.3). */
async function listExtensionRows(session: Session): Promise<Target[]> {
  const rows = await session.query<{ schema: string; name: string; condition: string }>(`
    SELECT n.nspname AS schema, c.relname AS name, condition
    FROM pg_extension x, unnest(x.extconfig, x.extcondition) AS config (relation, condition)
      JOIN pg_class c ON c.oid = relation AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
    ORDER BY 1, 2`);
  return rows
    .filter((table) => !isPlatformState(table))
    .map(({ schema, name, condition }) => ({
      table: quoteQualified(schema, name),
      condition,
      isCounted: false,
    }));
}

/**
 * Repeats as long as a pass deletes something: where foreign keys are checked, the order of the tables
 * matters.
 */
const deleteAll = `
  CREATE OR REPLACE FUNCTION pg_temp.supabase_backup_delete(tables text[], conditions text[]) RETURNS TABLE (what text, why text)
  LANGUAGE plpgsql AS $function$
  DECLARE
    waiting int[] := ARRAY(SELECT generate_subscripts(tables, 1));
    refused int[];
    reasons text[];
    found boolean;
    i int;
  BEGIN
    LOOP
      refused := '{}';
      reasons := '{}';
      FOREACH i IN ARRAY waiting LOOP
        BEGIN
          EXECUTE format('SELECT EXISTS (SELECT FROM %s %s)', tables[i], conditions[i]) INTO found;
          IF found THEN EXECUTE format('DELETE FROM %s %s', tables[i], conditions[i]); END IF;
        EXCEPTION WHEN insufficient_privilege OR foreign_key_violation OR restrict_violation THEN
          refused := refused || i;
          reasons := reasons || SQLERRM;
        END;
      END LOOP;
      EXIT WHEN cardinality(refused) = cardinality(waiting);
      waiting := refused;
    END LOOP;
    RETURN QUERY SELECT tables[refused[n]], reasons[n] FROM generate_subscripts(refused, 1) AS n;
  END
  $function$`;

/**
 * Unschedules all jobs, which would go on to run on tables that are gone. pg_cron lets no role delete from
 * its table.
 */
async function unscheduleJobs(session: Session): Promise<Omission[]> {
  // By oid, which is null without the schema. A constant name would be resolved even when there is no row to
  // test.
  const [cron] = await session.query(
    `SELECT FROM pg_extension WHERE extname = 'pg_cron' AND has_schema_privilege(to_regnamespace('cron')::oid, 'USAGE')`,
  );
  if (cron === undefined) return [];
  const jobs = await session.query<{ id: number; name: string | null }>(
    `SELECT jobid AS id, to_jsonb(j) ->> 'jobname' AS name FROM cron.job j WHERE database = current_database()`,
  );
  const left: Omission[] = [];
  for (const { id, name } of jobs) {
    const why = await attempt(session, `SELECT cron.unschedule(${id}::bigint)`);
    if (why !== undefined) left.push(describeLeft(`cron job ${name ?? id}`, why));
  }
  return left;
}

/**
 * Drops the message queues. Their tables belong to the extension, which stays; a restore creates those of the
 * backup.
 */
async function dropQueues(session: Session): Promise<Omission[]> {
  const [extension] = await session.query(
    `SELECT FROM pg_extension WHERE extname = 'pgmq' AND has_schema_privilege(to_regnamespace('pgmq')::oid, 'USAGE')
       AND has_table_privilege(to_regclass('pgmq.meta')::oid, 'SELECT')`,
  );
  if (extension === undefined) return [];
  const queues = await session.query<{ name: string }>('SELECT queue_name::text AS name FROM pgmq.meta');
  const left: Omission[] = [];
  for (const { name } of queues) {
    const why = await attempt(session, `SELECT pgmq.drop_queue(${quoteLiteral(name)})`);
    if (why !== undefined) left.push(describeLeft(`queue ${name}`, why));
  }
  return left;
}

/** @returns the server's message when it refused; the transaction goes on either way */
async function attempt(session: Session, sql: string): Promise<string | undefined> {
  await session.query('SAVEPOINT attempt');
  const why = await tryStatement(session, sql);
  await session.query(why === undefined ? 'RELEASE attempt' : 'ROLLBACK TO attempt');
  return why;
}

function describeLeft(what: string, why: string): Omission {
  return {
    what,
    why: `they were in the target before, and could not be removed: ${why}`,
    remedy: 'Remove them as their owner, unless the backup has them, too.',
  };
}
