/* Points in time to the microsecond, as PostgreSQL stores them; a Date has milliseconds only. */

const pattern =
  /^(\d{4,6})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)$/;

/**
 * Parses an ISO 8601 time, or one that PostgreSQL wrote with DateStyle ISO, into microseconds since 1970.
 * Digits below a microsecond are cut off. The year is 100 or later.
 *
 * @throws RangeError when the text is no such time or has no time zone
 */
export function parseTimestamp(text: string): bigint {
  const [, year, month, day, hour, minute, second = '0', fraction = '', sign, ...offset] =
    pattern.exec(text) ?? [];
  const milliseconds = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  if (year === undefined || Number.isNaN(milliseconds)) throw new RangeError(`not a point in time: ${text}`);
  const [hours = 0, minutes = 0, seconds = 0] = offset.map((part) => Number(part ?? 0));
  const ahead = (sign === '-' ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
  return (
    BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6)) - BigInt(ahead) * 1_000_000n
  );
}

/**
 * Writes ISO 8601 in UTC with all six digits: `2026-11-20T18:47:00.693123Z`. `parseTimestamp` reads the same
 * time back.
 */
export function formatTimestamp(microseconds: bigint): string {
  const within = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((microseconds - within) / 1000n)).toISOString().slice(0, -5);
  return `${seconds}.${String(within).padStart(6, '0')}Z`;
}
