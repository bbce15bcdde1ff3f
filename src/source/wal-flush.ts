import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../postgres/session/connection.ts';

/**
 * Waits until the write-ahead log is on the server's disk up to a position. By default it waits as long as
 * the WAL writer takes at most, three times wal_writer_delay (PostgreSQL manual 30.4). A replica has replayed
 * only what was on disk.
 *
 * @param since when the log had reached the position, by performance.now()
 * @param limitMs the longest wait, counted from `since`
 * @returns whether the log is on disk
 */
export async function waitForFlush(
  session: Session,
  lsn: string,
  { since = performance.now(), limitMs, signal }: { since?: number; limitMs?: number; signal: AbortSignal },
): Promise<boolean> {
  for (;;) {
    const [row] = await session.query<{ written: boolean; delay: number }>(
      `SELECT CASE WHEN pg_is_in_recovery() THEN true ELSE pg_current_wal_flush_lsn() >= $1::pg_lsn END AS written,
              (SELECT setting::int FROM pg_settings WHERE name = 'wal_writer_delay') AS delay`,
      [lsn],
    );
    if (row?.written) return true;
    if (performance.now() - since > (limitMs ?? 3 * (row?.delay ?? 200))) return false;
    await sleep(20, undefined, { signal });
  }
}
