/** A snapshot as text, `10:20:10,14,15` (pg_snapshot, PostgreSQL manual 9.26.8): which transactions it sees. */
export interface SnapshotText {
  /** Every transaction numbered below it had ended. */
  readonly xmin: bigint;
  /** No transaction numbered from here on had begun. */
  readonly xmax: bigint;
  /** Those between that were running */
  readonly running: ReadonlySet<bigint>;
}

/** @throws Error when it is not what pg_current_snapshot() writes */
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
 * Whether a snapshot sees what a transaction did, if that was committed (pg_visible_in_snapshot).
 *
 * @param xid with its epoch, of a transaction and not of a part of one: snapshots list no subtransactions
 */
export function isVisible({ xmin, xmax, running }: SnapshotText, xid: bigint): boolean {
  return xid < xmin || (xid < xmax && !running.has(xid));
}

/**
 * The number with its epoch of a transaction that has only 32 bits of it.
 *
 * @param next a number with its epoch that is above it, by less than 2³²
 */
export function widenXid(xid: number, next: bigint): bigint {
  return next - BigInt.asUintN(32, next - BigInt(xid));
}
