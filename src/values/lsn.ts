/*
 * A position in the write-ahead log, as text (`16/B374D848`) and as bytes since the beginning of the log
 * (pg_lsn, PostgreSQL manual 8.20).
 */

/**
 * Parses an LSN into bytes since the beginning of the write-ahead log.
 *
 * @throws Error when the text is no LSN
 */
export function parseLsn(text: string): bigint {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new Error(`not an LSN: ${text}`);
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/**
 * Writes a position as the server does; `parseLsn` reads the same position back.
 *
 * @param position below 2^64
 */
export function formatLsn(position: bigint): string {
  return `${(position >> 32n).toString(16)}/${(position & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
