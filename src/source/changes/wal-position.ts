import type { Session } from '../../postgres/session/connection.ts';
import { SourceError } from '../../runtime/errors.ts';
import { minute } from '../../values/duration.ts';
import { parseLsn } from '../../values/lsn.ts';
import { isoFormat } from '../identity.ts';
import { waitForFlush } from '../wal-flush.ts';

/** Where a capture ends, chosen before it begins to read. */
export interface WalPosition {
  /** The end of a log record; everything before it is on disk. */
  readonly lsn: string;
  /** The source's time just before `lsn` was chosen: everything visible at that time is before `lsn`. */
  readonly through: string;
  /** pg_snapshot_xmax(pg_current_snapshot()) just after `lsn` was chosen. */
  readonly xmax: bigint;
}

/**
 * Chooses the current end of the log, and waits until it is on disk, because decoding reads no further. If
 * the server does not flush by itself, a message is written behind it, which makes the WAL writer flush both
 * (PostgreSQL manual 30.4).
 *
 * @param after the position has to be greater than this one; on an idle server a message is written to make
 *   it so
 * @throws SourceError when the server does not flush within a minute
 */
export async function chooseWalPosition(
  session: Session,
  after: string,
  signal: AbortSignal,
): Promise<WalPosition> {
  const through = await readClock(session);
  let lsn = await readInsertPosition(session);
  const isBehind = parseLsn(lsn) > parseLsn(after);
  if (!isBehind || !(await waitForFlush(session, lsn, { signal }))) {
    await session.query(`SELECT pg_logical_emit_message(false, 'supabase-backup', '')`);
    lsn = await readInsertPosition(session);
    if (!(await waitForFlush(session, lsn, { limitMs: maxWaitMs, signal }))) {
      throw new SourceError(
        `the server has not written its log to disk for ${maxWaitMs / 1000} s (up to ${lsn})`,
        'Nothing was stored, and nothing is lost. Check whether its disk is full or slow, and run capture again.',
      );
    }
  }
  const [snapshot] = await session.query<{ xmax: string }>(
    'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax',
  );
  if (snapshot === undefined) throw new Error('the server did not tell its snapshot');
  return { lsn, through, xmax: BigInt(snapshot.xmax) };
}

/** The source's time, with microseconds. */
export async function readClock(session: Session): Promise<string> {
  const [clock] = await session.query<{ now: string }>(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', '${isoFormat}') AS now`,
  );
  if (clock === undefined) throw new Error('the server did not tell its time');
  return clock.now;
}

const maxWaitMs = minute;

async function readInsertPosition(session: Session): Promise<string> {
  const [row] = await session.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  if (row === undefined) throw new Error('the server did not tell its position');
  return row.lsn;
}

/**
 * Takes the number of a transaction of our own: every transaction committed before has a smaller one. It is
 * rolled back and leaves no trace.
 */
export async function takeTransactionNumber(session: Session): Promise<bigint> {
  await session.query('BEGIN');
  const [row] = await session.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
  await session.query('ROLLBACK');
  if (row === undefined) throw new Error('the server did not tell a transaction number');
  return BigInt(row.xid);
}
