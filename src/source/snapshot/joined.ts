import { qualifiedName, type TableInfo } from '../../postgres/catalog/tables.ts';
import { quoteLiteral, quoteQualified } from '../../postgres/identifier.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { writeSettings } from '../../postgres/session/output-settings.ts';
import { isTooLong } from '../../postgres/session/server-error.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { type ConfigurationError, isKnownError, messageOf, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { explainFullLockTable, isFullLockTable, nameBlockers } from './locks.ts';
import { secureTables } from './present.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Opens a session that sees the database exactly as the snapshot does.
 *
 * @throws SourceError when the session is lost before it has joined
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
  await Promise.all([
    session.query(`${writeSettings(snapshot.encoding)}
      -- One who waits to alter a table waits for the lead, and whoever comes later waits for him: without a limit for ever.
      SET lock_timeout = ${Math.round(snapshot.lockTimeoutSeconds * 1000)};
      -- Pages are addressed by range; a sequential scan would read the whole table for each.
      SET enable_seqscan = off;`),
    session.query(writeBegin(snapshot)),
  ]);
  return session;
}

const writeBegin = ({ exported }: Snapshot): string =>
  `BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
   SET TRANSACTION SNAPSHOT ${quoteLiteral(exported)}`;

/**
 * Tables that a session of the snapshot may lock in one transaction, beside the lead: the default lock table
 * of a server holds some ten thousand locks in all.
 */
const tablesPerTransaction = 200;

/**
 * The transaction of a session under the snapshot. After many locks it is replaced by a new one under the
 * same snapshot: a transaction keeps every lock to its end, and the lead session holds these locks anyway.
 */
export class JoinedTransaction {
  readonly #snapshot: Snapshot;
  readonly #session: Session;
  #locked = 0;
  readonly #secured = new Set<number>();

  constructor(snapshot: Snapshot, session: Session) {
    this.#snapshot = snapshot;
    this.#session = session;
  }

  /**
   * Makes room for the locks of `tables` tables. Call it before a statement that reads them.
   *
   * @returns whether a new transaction has begun
   * @throws SourceError when the server has ended the session, or the snapshot is gone
   */
  async makeRoom(tables: number): Promise<boolean> {
    const isFull = this.#locked > 0 && this.#locked + tables > tablesPerTransaction;
    if (isFull) await this.#beginAnew();
    this.#locked = isFull ? tables : this.#locked + tables;
    return isFull;
  }

  /** Secures the tables of untrusted owners before a planned statement: see `secureTables`. */
  async secure(tables: readonly TableInfo[]): Promise<void> {
    const foreign = tables.filter((table) => table.foreign);
    await secureTables(this.#session, this.#snapshot, foreign, this.#secured);
  }

  /**
   * Makes sure that tables just read are those of the snapshot, by name and by file. They stay locked until
   * the transaction ends, so the answer holds for the time of reading. Does nothing when the lead session
   * keeps them locked.
   *
   * @throws SourceError that names the changed tables
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
      this.#secured.clear();
      await this.#session.query(writeBegin(this.#snapshot));
    } catch (cause) {
      throw explainLost('while it began a transaction', cause);
    }
  }
}

/**
 * Explains why a session of the snapshot could not read tables.
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
      say`Nothing was recorded. No program can read it this way, not even pg_dump. Store less in that row, or leave the table out with ${nameInput('exclude')}; bytea counts twice.`,
      error,
    );
  }
  if ((error as { code?: string }).code !== sqlState.lockNotAvailable) {
    return new SourceError(
      `${what}: ${messageOf(error)}`,
      'Nothing was recorded. Run the backup again; if it fails at the same place, the table may be damaged.',
      error,
    );
  }
  const oids = tables.map((table) => table.oid);
  const blockers = await nameBlockers(settings, oids).catch(() => '');
  return new SourceError(
    `${what}: another session waits to lock it, and it could not be read after that within ${snapshot.lockTimeoutSeconds} s${blockers}`,
    say`Nothing was recorded. Run the backup when no migration is running, or raise ${nameInput('lock-timeout')}.`,
    error,
  );
}
