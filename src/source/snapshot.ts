import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, isKnownError, messageOf, SourceError } from '../errors.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import { quoteLiteral, quoteQualified } from '../postgres/identifier.ts';
import { applySettings, copyEncoding } from '../postgres/session-settings.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import { measureTables, qualifiedName, readTables, type TableInfo } from '../postgres/tables.ts';
import type { Log } from '../world.ts';
import { isoFormat, readIdentity, type SourceIdentity } from './identity.ts';
import { type LedgerEntry, readLedger } from './ledger.ts';
import { checkReadable, checkServer } from './preflight.ts';

/**
 * One exported snapshot of the source, held by a lead session with ACCESS SHARE locks on the tables. Every worker and pg_dump
 * see the database through it. When the lead session dies the snapshot is gone, and with it the backup: `signal` aborts.
 */
export interface Snapshot {
  /** What SET TRANSACTION SNAPSHOT takes */
  readonly exported: string;
  readonly identity: SourceIdentity;
  /** The tables whose rows are wanted */
  readonly tables: readonly TableInfo[];
  /** Whether the lead keeps them locked; otherwise whoever reads one looks afterwards whether it was still what the snapshot shows. */
  readonly isLocked: boolean;
  /** The others */
  readonly leftOut: readonly TableInfo[];
  readonly encoding: string;
  /** pg_current_snapshot() */
  readonly visible: string;
  readonly lsn: string;
  readonly takenAt: string;
  /** The tokens of earlier backups; undefined where there is no ledger. */
  readonly ledger: readonly LedgerEntry[] | undefined;
  readonly lead: Session;
  /** How long a session of the snapshot may wait for a lock */
  readonly lockTimeoutSeconds: number;
  /** Aborted by the caller's signal, or when the lead session is lost; the reason tells. */
  readonly signal: AbortSignal;
  /**
   * Ends the snapshot. Before, it makes sure that the tables are still what they were: the labels of an enum and the attributes of a
   * composite type can change under a lock of the table, and then rows read before and after do not fit one set of definitions.
   *
   * @throws SourceError when they are not
   */
  close(): Promise<void>;
}

const attempts = 3;

/**
 * Takes the snapshot and the locks. A table truncated, rewritten, altered or dropped between the two would look empty or
 * come with the wrong columns, so a fresh session compares what it sees with what the snapshot saw; a difference means
 * starting over. A lock that cannot be had in time is given up at once, because everything else would queue behind it.
 *
 * @param wanted tells the tables whose rows are wanted; the others are neither locked nor read
 */
export async function takeSnapshot(
  settings: ConnectionSettings,
  wanted: (table: TableInfo) => boolean,
  options: { lockTimeoutSeconds: number; signal: AbortSignal; log: Log },
): Promise<Snapshot> {
  for (let attempt = 1; ; attempt++) {
    const lead = await openSession(settings, options.signal);
    try {
      return await lockSnapshot(lead, settings, wanted, options);
    } catch (error) {
      const again = error instanceof SnapshotOutdated && attempt < attempts;
      const blockers =
        again || !(error instanceof SnapshotOutdated) ? '' : await nameBlockers(settings, error.oids);
      lead.destroy();
      if (!(error instanceof SnapshotOutdated)) throw error;
      if (!again) {
        throw new SourceError(
          `${error.message}${blockers}, ${attempts} times in a row`,
          'Run the backup when no migration is running, or raise lock-timeout.',
          error.cause,
        );
      }
      options.log.warn(`${error.message}; taking a new snapshot (${attempt} of ${attempts - 1})`);
    }
  }
}

/** The snapshot and the locked tables do not fit together; another try may. */
class SnapshotOutdated extends Error {
  readonly oids: readonly number[];

  constructor(message: string, oids: readonly number[], cause?: unknown) {
    super(message, { cause });
    this.oids = oids;
  }
}

async function lockSnapshot(
  lead: Session,
  settings: ConnectionSettings,
  wanted: (table: TableInfo) => boolean,
  options: { lockTimeoutSeconds: number; signal: AbortSignal; log: Log },
): Promise<Snapshot> {
  checkServer(lead);
  const identity = await readIdentity(lead);
  const encoding = copyEncoding(identity.serverEncoding);
  await applySettings(lead, encoding);
  await lead.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  const exported = await exportSnapshot(lead, settings);
  const [position] = await lead.query<{ visible: string; lsn: string; taken: string }>(`
    SELECT pg_current_snapshot()::text AS visible,
           (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text AS lsn,
           to_char(clock_timestamp() AT TIME ZONE 'UTC', '${isoFormat}') AS taken`);
  if (!position) throw new Error('the server did not tell its position');
  const positionAt = performance.now();
  const ledger = await readLedger(lead);
  const all = await readTables(lead);
  const named = all.filter(wanted);
  refuseGone(named);
  await checkReadable(lead, named);
  const isLocked = await hasLocksFor(lead, named.length);
  if (isLocked) await lockTables(lead, settings, named, options.lockTimeoutSeconds);
  else options.log.warn(describeUnlocked(named.length));
  const changed = await findChanged(settings, named, encoding, options.signal);
  if (changed.length > 0) {
    throw new SnapshotOutdated(
      `${changed.slice(0, 5).join(', ')} changed between the snapshot and the lock (TRUNCATE, DROP or ALTER TABLE)`,
      [],
    );
  }
  const tables = await measureTables(lead, named);

  const controller = new AbortController();
  lead.lost.catch((cause: unknown) => {
    controller.abort(
      new SourceError(
        `the session that holds the snapshot was lost: ${messageOf(cause)}`,
        'Nothing was recorded. Check the server for restarts and for timeouts on idle transactions, and run the backup again.',
        cause,
      ),
    );
  });
  return {
    exported,
    identity,
    tables,
    isLocked,
    leftOut: all.filter((table) => !wanted(table)),
    encoding,
    visible: position.visible,
    lsn: position.lsn,
    takenAt: position.taken,
    ledger,
    lead,
    lockTimeoutSeconds: options.lockTimeoutSeconds,
    signal: AbortSignal.any([options.signal, controller.signal]),
    async close() {
      const changed = await findChanged(settings, named, encoding, options.signal);
      if (changed.length > 0) {
        throw new SourceError(
          `${changed.slice(0, 5).join(', ')}: ${isLocked ? 'a type was altered' : 'changed by TRUNCATE, DROP or ALTER TABLE'} while the backup ran`,
          'Nothing was recorded. Run the backup again, when no migration is running.',
        );
      }
      await waitForDisk(lead, position.lsn, positionAt, options.signal);
      await lead.query('COMMIT');
      await lead.close();
    },
  };
}

async function exportSnapshot(lead: Session, settings: ConnectionSettings): Promise<string> {
  try {
    const [row] = await lead.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot');
    return row?.snapshot ?? '';
  } catch (cause) {
    throw new ConfigurationError(
      `${settings.input}: the server cannot export a snapshot (${messageOf(cause)})`,
      'Connect to the primary, directly or through the session pooler.',
      cause,
    );
  }
}

/** The snapshot shows a table that was dropped after it; whether this role may read it cannot be asked any more. */
function refuseGone(tables: readonly TableInfo[]): void {
  const gone = tables.filter((table) => table.readable === undefined).map(qualifiedName);
  if (gone.length === 0) return;
  throw new SnapshotOutdated(`${gone.slice(0, 5).join(', ')}: dropped since the snapshot was taken`, []);
}

/**
 * PostgreSQL has room for max_locks_per_transaction × (connections + prepared transactions) locks in all sessions together, and a little
 * memory to spare, which grows into what asks first and stays there until a restart. pg_dump needs a lock for each table, whatever we do, so
 * the lead takes no more than leaves room for that twice over.
 */
async function hasLocksFor(lead: Session, tables: number): Promise<boolean> {
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

const describeUnlocked = (tables: number): string =>
  `The server has too few locks to keep ${tables} tables locked beside pg_dump (max_locks_per_transaction): one that is altered or emptied while the backup runs makes it fail`;

/** Tables in one LOCK statement; one statement for all would make a text of megabytes. */
const lockBatch = 500;

/** @param tables that have to be locked at once */
export async function explainFullLockTable(
  settings: ConnectionSettings,
  tables: number,
  cause: unknown,
): Promise<ConfigurationError> {
  const session = await openSession(settings);
  try {
    const { perTransaction, holders } = await readLockRoom(session);
    const enough = Math.max(2 * perTransaction, Math.ceil((2 * tables) / holders));
    return new ConfigurationError(
      `the server has too few locks for ${tables} tables at once (${messageOf(cause)})`,
      `Raise max_locks_per_transaction on the server from ${perTransaction} to ${enough}, which takes a restart, or back up fewer tables with include and exclude.`,
      cause,
    );
  } finally {
    await session.close();
  }
}

async function lockTables(
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
      if (code === '55P03') {
        throw new SnapshotOutdated(`a table could not be locked within ${timeoutSeconds} s`, oids, cause);
      }
      // 42501: the name means another table by now, for this role could read the one that the snapshot shows.
      if (code === '42P01' || code === '3F000' || code === '42809' || code === '42501') {
        throw new SnapshotOutdated(`a table is gone (${messageOf(cause)})`, oids, cause);
      }
      if (isFullLockTable(cause)) throw await explainFullLockTable(settings, tables.length, cause);
      throw cause;
    }
  }
}

/** What a server says in its own words, or through pg_dump. */
export const isFullLockTable = (cause: unknown): boolean => /out of shared memory/.test(messageOf(cause));

/**
 * Compares the locked tables with what the snapshot says of them, through a session that sees the present. Covers TRUNCATE,
 * rewrites, ALTER TABLE, and a table dropped and made again under its name.
 */
async function findChanged(
  settings: ConnectionSettings,
  tables: readonly TableInfo[],
  encoding: string,
  signal: AbortSignal,
): Promise<string[]> {
  const session = await openSession(settings, signal);
  try {
    // The fingerprint holds the values that rows from before ADD COLUMN have, and they are written as the settings say.
    await applySettings(session, encoding);
    const live = new Map((await readTables(session)).map((table) => [table.oid, table]));
    const changed = tables.filter((table) => {
      const now = live.get(table.oid);
      return (
        now?.relfilenode !== table.relfilenode ||
        now.fingerprint !== table.fingerprint ||
        now.name !== table.name ||
        now.schema !== table.schema
      );
    });
    return changed.map(qualifiedName);
  } finally {
    await session.close();
  }
}

/**
 * What to throw when a session of the snapshot could not read tables.
 *
 * @param what the tables, for people
 */
export async function explainUnreadable(
  error: unknown,
  what: string,
  tables: readonly TableInfo[],
  snapshot: Snapshot,
  settings: ConnectionSettings,
): Promise<SourceError | ConfigurationError> {
  if (isFullLockTable(error)) return explainFullLockTable(settings, snapshot.tables.length, error);
  if (isTooLong(error)) {
    return new SourceError(
      `${what}: a row of it is larger than the server can send as text, which is 1 GB (${messageOf(error)})`,
      'Nothing was recorded. No program can read it this way, pg_dump neither. Store less in that row, or leave the table out with exclude; bytea counts twice.',
      error,
    );
  }
  if ((error as { code?: string }).code !== '55P03') {
    return new SourceError(
      `${what}: ${messageOf(error)}`,
      'Nothing was recorded. Run the backup again; if it fails at the same place, the table may be damaged.',
      error,
    );
  }
  const oids = tables.map((table) => table.oid);
  const blockers = await nameBlockers(settings, oids).catch(() => '');
  return new SourceError(
    `${what}: somebody waits to lock it, and it could not be read behind him within ${snapshot.lockTimeoutSeconds} s${blockers}`,
    'Nothing was recorded. Run the backup when no migration is running, or raise lock-timeout.',
    error,
  );
}

/** What the server says, by version, when the text of a row or of a value would pass its limit for one piece of memory (MaxAllocSize). */
function isTooLong(error: unknown): boolean {
  const { detail = '' } = error as { detail?: string };
  return /invalid memory alloc request size|string buffer exceeds|enlarge string buffer/i.test(
    `${messageOf(error)} ${detail}`,
  );
}

/**
 * Waits until all that the snapshot sees is on the server's disk. What was committed with synchronous_commit = off is seen before; a
 * crash of a server process takes it back and gives its transaction number to another, and nothing would tell an incremental backup.
 * It takes three times wal_writer_delay at most (PostgreSQL manual 30.4), and a backup hardly ever is that fast.
 *
 * @param lsn where the write-ahead log stood when the snapshot had been taken
 * @param since then, by performance.now()
 */
async function waitForDisk(lead: Session, lsn: string, since: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const [row] = await lead.query<{ written: boolean; delay: number }>(
      `SELECT CASE WHEN pg_is_in_recovery() THEN true ELSE pg_current_wal_flush_lsn() >= $1::pg_lsn END AS written,
              (SELECT setting::int FROM pg_settings WHERE name = 'wal_writer_delay') AS delay`,
      [lsn],
    );
    if (!row || row.written || performance.now() - since > 3 * row.delay) return;
    await sleep(20, undefined, { signal });
  }
}

/** Names who holds or waits for an exclusive lock of tables, for the end of a message; empty when nobody does. */
export async function nameBlockers(settings: ConnectionSettings, oids: readonly number[]): Promise<string> {
  if (oids.length === 0) return '';
  const session = await openSession(settings);
  try {
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
  } finally {
    await session.close();
  }
}

/**
 * Opens a session that sees the database exactly as the snapshot does.
 *
 * @throws SourceError when the server ends it before it does
 */
export async function joinSnapshot(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Session> {
  try {
    return await openJoined(snapshot, settings, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (isKnownError(cause)) throw cause;
    throw explainLost('while it was being opened', cause);
  }
}

function explainLost(when: string, cause: unknown): SourceError {
  return new SourceError(
    `a session under the snapshot was lost ${when}: ${messageOf(cause)}`,
    'Nothing was recorded. Check the server for restarts, and run the backup again.',
    cause,
  );
}

async function openJoined(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Session> {
  const session = await openSession(settings, signal);
  await applySettings(session, snapshot.encoding);
  // One who waits to alter a table waits for the lead, and whoever comes later waits for him: without a limit for ever.
  await session.query(`SET lock_timeout = ${Math.round(snapshot.lockTimeoutSeconds * 1000)}`);
  // Pages are addressed by range; a sequential scan would read the whole table for each.
  await session.query('SET enable_seqscan = off');
  await beginUnder(snapshot, session);
  return session;
}

async function beginUnder(snapshot: Snapshot, session: Session): Promise<void> {
  await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  await session.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot.exported)}`);
}

/** Tables that a session of the snapshot keeps locked besides the lead: a server has room for some ten thousand locks in all. */
const tablesPerTransaction = 200;

/**
 * The transaction of a session under the snapshot. It is begun anew, under the same snapshot, when it has locked many tables: a transaction
 * keeps each lock to its end, and the lead has them all anyway.
 */
export class JoinedTransaction {
  readonly #snapshot: Snapshot;
  readonly #session: Session;
  #locked = 0;

  constructor(snapshot: Snapshot, session: Session) {
    this.#snapshot = snapshot;
    this.#session = session;
  }

  /**
   * To be called before a statement that reads tables.
   *
   * @returns whether the transaction is another than before
   * @throws SourceError when the server has ended the session, or the snapshot is gone
   */
  async makeRoom(tables: number): Promise<boolean> {
    const isFull = this.#locked > 0 && this.#locked + tables > tablesPerTransaction;
    if (isFull) await this.#beginAnew();
    this.#locked = isFull ? tables : this.#locked + tables;
    return isFull;
  }

  /**
   * Makes sure that tables that were just read are those of the snapshot, by their names and by their files. What was read is locked until
   * the transaction ends, so the answer holds for the time of the reading.
   *
   * @throws SourceError naming those that are not
   */
  async check(tables: readonly TableInfo[]): Promise<void> {
    if (this.#snapshot.isLocked) return;
    const list = (of: (table: TableInfo) => string | number) =>
      `{${tables.map((table) => JSON.stringify(String(of(table)))).join(',')}}`;
    const changed = await this.#session.query<{ name: string }>(
      `SELECT t.name FROM unnest($1::oid[], $2::oid[], $3::text[], $4::text[]) AS t (oid, file, quoted, name)
       WHERE to_regclass(t.quoted)::oid IS DISTINCT FROM t.oid OR pg_relation_filenode(t.oid) IS DISTINCT FROM t.file`,
      [
        list((table) => table.oid),
        list((table) => table.relfilenode),
        list((table) => quoteQualified(table.schema, table.name)),
        list(qualifiedName),
      ],
    );
    if (changed.length === 0) return;
    const names = changed.slice(0, 5).map(({ name }) => name);
    throw new SourceError(
      `${names.join(', ')}: changed by TRUNCATE, DROP or ALTER TABLE after the snapshot was taken`,
      'Nothing was recorded. Run the backup when no migration is running, or raise max_locks_per_transaction on the server.',
    );
  }

  async #beginAnew(): Promise<void> {
    try {
      await this.#session.query('COMMIT');
      await beginUnder(this.#snapshot, this.#session);
    } catch (cause) {
      throw explainLost('while it began a transaction', cause);
    }
  }
}
