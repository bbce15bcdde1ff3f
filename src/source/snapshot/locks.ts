import type { TableInfo } from '../../postgres/catalog/tables.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';

/** The snapshot and the locked tables do not match; a new attempt may succeed. */
export class SnapshotOutdated extends Error {
  readonly oids: readonly number[];

  constructor(message: string, oids: readonly number[], cause?: unknown) {
    super(message, { cause });
    this.oids = oids;
  }
}

/**
 * Whether the server has enough locks to lock every table. All sessions share max_locks_per_transaction ×
 * (connections + prepared transactions) locks and a small reserve of memory, which the first to ask takes and
 * keeps until a restart. pg_dump needs a lock for each table in any case, so the lead session locks only if
 * twice as many would fit.
 */
export async function hasLocksFor(lead: Session, tables: number): Promise<boolean> {
  const { perTransaction, holders } = await readLockRoom(lead);
  return 2 * tables <= perTransaction * holders;
}

async function readLockRoom(session: Session): Promise<{ perTransaction: number; holders: number }> {
  const [row] = await session.query<{ locks: number; holders: number }>(`
    SELECT current_setting('max_locks_per_transaction')::int AS locks,
           current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int AS holders`);
  if (row === undefined) throw new Error('the server did not tell how many locks it has');
  return { perTransaction: row.locks, holders: row.holders };
}

export const describeUnlocked = (tables: number): string =>
  `The server has too few locks to keep ${tables} tables locked beside pg_dump (max_locks_per_transaction): one that is altered or emptied while the backup runs makes it fail`;

/** Tables in one LOCK statement; one statement for all would be megabytes of text. */
const lockBatch = 500;

/**
 * Builds the error for a full lock table, with the value that max_locks_per_transaction needs.
 *
 * @param tables number of tables that have to be locked at once
 */
export async function explainFullLockTable(
  settings: ConnectionSettings,
  tables: number,
  cause: unknown,
): Promise<ConfigurationError> {
  await using session = await openSession(settings);
  const { perTransaction, holders } = await readLockRoom(session);
  const enough = Math.max(2 * perTransaction, Math.ceil((2 * tables) / holders));
  return new ConfigurationError(
    `the server has too few locks for ${tables} tables at once (${messageOf(cause)})`,
    `Raise max_locks_per_transaction on the server from ${perTransaction} to ${enough}, which needs a restart. pg_dump needs a lock for each table, even for one that is left out.`,
    cause,
  );
}

/** SQLSTATEs for a table that no longer exists, or not under this name. */
const gone = new Set<string>([
  sqlState.undefinedTable,
  sqlState.invalidSchemaName,
  sqlState.wrongObjectType,
  // The name means another table now: this role could read the table that the snapshot shows.
  sqlState.insufficientPrivilege,
]);

export async function lockTables(
  lead: Session,
  settings: ConnectionSettings,
  tables: readonly TableInfo[],
  timeoutSeconds: number,
): Promise<void> {
  await lead.query(`SET LOCAL lock_timeout = ${Math.round(timeoutSeconds * 1000)}`);
  for (let start = 0; start < tables.length; start += lockBatch) {
    const batch = tables.slice(start, start + lockBatch);
    const names = batch.map((table) => `ONLY ${quoteQualified(table.schema, table.name)}`).join(', ');
    try {
      await lead.query(`LOCK TABLE ${names} IN ACCESS SHARE MODE`);
    } catch (cause) {
      const { code } = cause as { code?: string };
      const oids = batch.map((table) => table.oid);
      if (code === sqlState.lockNotAvailable) {
        throw new SnapshotOutdated(`a table could not be locked within ${timeoutSeconds} s`, oids, cause);
      }
      if (code !== undefined && gone.has(code)) {
        throw new SnapshotOutdated(`a table is gone (${messageOf(cause)})`, oids, cause);
      }
      if (isFullLockTable(cause)) throw await explainFullLockTable(settings, tables.length, cause);
      throw cause;
    }
  }
}

/**
 * Matches the server's message, also when pg_dump passes it on; the hint names the setting in every language.
 */
export const isFullLockTable = (cause: unknown): boolean =>
  /out of shared memory|max_locks_per_transaction/.test(messageOf(cause));

/**
 * Names the processes that hold or await an exclusive lock on the tables, for the end of a message; empty if
 * there are none.
 */
export async function nameBlockers(settings: ConnectionSettings, oids: readonly number[]): Promise<string> {
  if (oids.length === 0) return '';
  await using session = await openSession(settings);
  const rows = await session.query<{ text: string }>(
    `SELECT format('%s is %s by process %s (%s, %s, running for %s: %s)', l.relation::regclass,
                   CASE WHEN l.granted THEN 'locked' ELSE 'waited for' END, a.pid, a.usename,
                   coalesce(nullif(a.application_name, ''), 'no application name'),
                   date_trunc('second', clock_timestamp() - a.xact_start),
                   -- the command's two first words: the rest may hold somebody's data
                   (regexp_match(a.query, '^\\s*(\\w+\\s*\\w*)'))[1]) AS text
     FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     -- One that waits counts too: whoever comes later queues behind it.
     WHERE l.mode = 'AccessExclusiveLock' AND l.relation = ANY ($1::oid[])
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     ORDER BY l.granted DESC LIMIT 5`,
    [`{${oids.join(',')}}`],
  );
  return rows.map((row) => `; ${row.text}`).join('');
}
