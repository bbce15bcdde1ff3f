/**
 * The transactions that a snapshot sees, parsed from `10:20:10,14,15` (pg_snapshot, PostgreSQL manual 9.26.8)
 */
export interface SnapshotText {
  /** Every transaction with a lower xid had ended. */
  readonly xmin: bigint;
  /** No transaction with this xid or a higher one had begun. */
  readonly xmax: bigint;
  /** Transactions between the two that were running */
  readonly running: ReadonlySet<bigint>;
}

/** @throws Error when the text is not in the form that pg_current_snapshot() writes */
export function parseSnapshot(text: string): SnapshotText {
  const [, xmin, xmax, running] = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/.exec(text) ?? [];
  if (xmin === undefined || xmax === undefined || running === undefined)
    throw new Error(`not a snapshot: ${text}`);
  return {
    xmin: BigInt(xmin),
    xmax: BigInt(xmax),
    running: new Set(running === '' ? [] : running.split(',').map(BigInt)),
  };
}

/**
 * Tells whether a snapshot sees the changes of a transaction that committed (pg_visible_in_snapshot).
 *
 * @param xid of a top-level transaction, with its epoch: snapshots list no subtransactions
 */
export function isVisible({ xmin, xmax, running }: SnapshotText, xid: bigint): boolean {
  return xid < xmin || (xid < xmax && !running.has(xid));
}

/**
 * Adds the epoch to a 32-bit xid.
 *
 * @param next a later xid with its epoch, less than 2³² ahead
 */
export function widenXid(xid: number, next: bigint): bigint {
  return next - BigInt.asUintN(32, next - BigInt(xid));
}
