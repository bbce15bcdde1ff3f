/** A position in the write-ahead log as text, `16/B374D848`, and as bytes since its beginning (pg_lsn in the PostgreSQL manual, 8.20). */

/** Bytes since the beginning of the write-ahead log. */
export function parseLsn(text: string): bigint {
  const [, high, low] = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text) ?? [];
  if (high === undefined || low === undefined) throw new Error(`not an LSN: ${text}`);
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** As the server writes it: `parseLsn` of it is the same position. @param position below 2^64 */
export function formatLsn(position: bigint): string {
  return `${(position >> 32n).toString(16)}/${(position & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
