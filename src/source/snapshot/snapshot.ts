import { findUnplannable, markUnplannable } from '../../postgres/catalog/plannable.ts';
import { measureTables, qualifiedName, readTables, type TableInfo } from '../../postgres/catalog/tables.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { applySettings, copyEncoding } from '../../postgres/session/output-settings.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Log } from '../../runtime/context.ts';
import { ConfigurationError, messageOf, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { isoFormat, readIdentity, type SourceIdentity } from '../identity.ts';
import { type Ours, readOurs } from '../own-schemas.ts';
import { checkReadable, checkServer } from '../preflight.ts';
import { type RollbackToken, readRollbackTokens } from '../rollback-token.ts';
import { waitForFlush } from '../wal-flush.ts';
import { describeUnlocked, hasLocksFor, lockTables, nameBlockers, SnapshotOutdated } from './locks.ts';
import { openPresent } from './present.ts';

/**
 * One exported snapshot of the source, held by a lead session, with ACCESS SHARE locks on the tables where
 * the server has enough locks. Every worker and pg_dump see the database through it. When the lead session is
 * lost, the snapshot is gone and with it the backup: `signal` aborts.
 */
export interface Snapshot {
  /** The id for SET TRANSACTION SNAPSHOT. */
  readonly exported: string;
  readonly identity: SourceIdentity;
  /** The tables whose rows are wanted. */
  readonly tables: readonly TableInfo[];
  /**
   * Whether the lead session keeps these tables locked; otherwise a reader checks after reading that they are
   * still those of the snapshot.
   */
  readonly isLocked: boolean;
  /** All other tables. */
  readonly leftOut: readonly TableInfo[];
  readonly encoding: string;
  /** pg_current_snapshot() */
  readonly visible: string;
  readonly lsn: string;
  readonly takenAt: string;
  /** The tokens of earlier backups; undefined when the database keeps none */
  readonly tokens: readonly RollbackToken[] | undefined;
  /** What is ours, and no part of the backup. */
  readonly ours: Ours;
  readonly lead: Session;
  /**
   * A session that sees the present, shared by all and opened on first use. It ends with the lead session.
   */
  present(): Promise<Session>;
  /** seconds that a session of the snapshot may wait for a lock */
  readonly lockTimeoutSeconds: number;
  /** Aborts with the caller's signal, or when the lead session is lost; the reason tells which. */
  readonly signal: AbortSignal;
  /**
   * Ends the snapshot, after a check that the tables have not changed: enum labels and attributes of
   * composite types can change while the table is locked, and rows read before and after would not fit one
   * set of definitions.
   *
   * @throws SourceError when they have changed
   */
  close(): Promise<void>;
}

const attempts = 3;

export interface SnapshotOptions {
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** A session that is open already, for questions about the present. */
  readonly present?: Session;
  /** A session that is being opened, for the lead. */
  readonly lead?: Promise<Session>;
}

/**
 * Takes the snapshot and the locks. A table truncated, rewritten, altered or dropped between the two would
 * look empty or have the wrong columns, so a fresh session compares the present with the snapshot; a
 * difference means a new attempt. A lock that is not granted in time is given up, because everything else
 * would queue behind it.
 *
 * @param wanted selects the tables whose rows are wanted; the others are neither locked nor read
 * @throws SourceError when three attempts fail, or the role cannot read a table; ConfigurationError when the
 *   server cannot export a snapshot or has too few locks
 */
export async function takeSnapshot(
  settings: ConnectionSettings,
  wanted: (table: TableInfo) => boolean,
  options: SnapshotOptions,
): Promise<Snapshot> {
  for (let attempt = 1; ; attempt++) {
    const opening = attempt === 1 ? options.lead : undefined;
    const lead = await (opening ?? openSession(settings, options.signal));
    options.signal.addEventListener('abort', lead.destroy, { once: true });
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
          say`Run the backup when no migration is running, or raise ${nameInput('lock-timeout')}.`,
          error.cause,
        );
      }
      options.log.warn(`${error.message}; taking a new snapshot (${attempt} of ${attempts - 1})`);
    }
  }
}

const unguarded =
  'this server is of before August 2024 and cannot keep a session from views that others make (CVE-2024-7348): all tables are read ' +
  'by COPY, which refuses them, and none as a part. Update the server to the newest minor of its version.';

async function lockSnapshot(
  lead: Session,
  settings: ConnectionSettings,
  wanted: (table: TableInfo) => boolean,
  options: SnapshotOptions,
): Promise<Snapshot> {
  checkServer(lead);
  if (!lead.guarded) options.log.warn(unguarded);
  const present = openPresent(lead, settings, options.signal, options.present);
  const identity = await readIdentity(lead);
  const encoding = copyEncoding(identity.serverEncoding);
  // In this order, and in one round trip.
  const [, , exported, [position], tokens, ours, all] = await Promise.all([
    applySettings(lead, encoding),
    lead.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY'),
    exportSnapshot(lead, settings),
    lead.query<Position & Record<string, unknown>>(positionQuery),
    readRollbackTokens(lead),
    readOurs(lead),
    readTables(lead),
  ]);
  if (!position) throw new Error('the server did not tell its position');
  const positionAt = performance.now();
  const named = all.filter(wanted);
  refuseGone(named);
  const isLocked = await lockIfRoom(lead, settings, named, options);
  const [changed, measured] = await Promise.all([
    findChanged(await present(), named, encoding),
    measureTables(lead, named),
  ]);
  if (changed.length > 0) {
    throw new SnapshotOutdated(
      `${changed.slice(0, 5).join(', ')} changed between the snapshot and the lock (TRUNCATE, DROP or ALTER TABLE)`,
      [],
    );
  }
  const tables = markUnplannable(measured, await findUnplannable(lead, named));

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
    ...{ tokens, ours, lead, present },
    lockTimeoutSeconds: options.lockTimeoutSeconds,
    signal: AbortSignal.any([options.signal, signalOfLoss(lead)]),
    async close() {
      const [changed] = await Promise.all([
        findChanged(await present(), named, encoding),
        // A transaction committed with synchronous_commit = off is visible before it is on disk. A crash of a
        // server process undoes it and gives its number to another transaction, which an incremental backup
        // could not notice. A backup is hardly ever fast enough to have to wait here.
        waitForFlush(lead, position.lsn, { since: positionAt, signal: options.signal }),
      ]);
      if (changed.length > 0) {
        throw new SourceError(
          `${changed.slice(0, 5).join(', ')}: ${isLocked ? 'a type was altered' : 'changed by TRUNCATE, DROP or ALTER TABLE'} while the backup ran`,
          'Nothing was recorded. Run the backup again, when no migration is running.',
        );
      }
      await lead.query('COMMIT');
      await lead.close();
    },
  };
}

/**
 * Locks the tables, unless the server has no room for so many locks. Tables that this role may not read are
 * refused first.
 */
async function lockIfRoom(
  lead: Session,
  settings: ConnectionSettings,
  tables: readonly TableInfo[],
  { lockTimeoutSeconds, log }: SnapshotOptions,
): Promise<boolean> {
  const [hasRoom] = await Promise.all([hasLocksFor(lead, tables.length), checkReadable(lead, tables)]);
  if (hasRoom) await lockTables(lead, settings, tables, lockTimeoutSeconds);
  else log.warn(describeUnlocked(tables.length));
  return hasRoom;
}

/** Aborted when the session ends that holds the snapshot. */
function signalOfLoss(lead: Session): AbortSignal {
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
  return controller.signal;
}

interface Position {
  readonly visible: string;
  readonly lsn: string;
  readonly taken: string;
}

const positionQuery = `
  SELECT pg_current_snapshot()::text AS visible,
         (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text AS lsn,
         to_char(clock_timestamp() AT TIME ZONE 'UTC', '${isoFormat}') AS taken`;

async function exportSnapshot(lead: Session, settings: ConnectionSettings): Promise<string> {
  try {
    const [row] = await lead.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot');
    return row?.snapshot ?? '';
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput(settings.input)}: the server cannot export a snapshot (${messageOf(cause)})`,
      'Connect to the primary, directly or through the session pooler.',
      cause,
    );
  }
}

/**
 * Rejects a table that was dropped after the snapshot: the server cannot tell any more whether this role may
 * read it.
 */
function refuseGone(tables: readonly TableInfo[]): void {
  const gone = tables.filter((table) => table.readable === undefined).map(qualifiedName);
  if (gone.length === 0) return;
  throw new SnapshotOutdated(`${gone.slice(0, 5).join(', ')}: dropped since the snapshot was taken`, []);
}

/**
 * Compares the locked tables with the snapshot, through a session that sees the present. Finds TRUNCATE,
 * rewrites, ALTER TABLE, and a table dropped and created again under its name.
 */
async function findChanged(
  present: Session,
  tables: readonly TableInfo[],
  encoding: string,
): Promise<string[]> {
  // The fingerprint contains the default values of rows from before ADD COLUMN, whose text depends on the
  // settings.
  const [, found] = await Promise.all([applySettings(present, encoding), readTables(present)]);
  const live = new Map(found.map((table) => [table.oid, table]));
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
}
