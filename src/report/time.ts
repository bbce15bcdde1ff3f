/* Points in time for people to read, in UTC whatever the machine's time zone. */

/** Writes a time to the minute, for places that name the zone themselves: `2026-11-20 02:17` */
export function formatTime(time: Date): string {
  return time.toISOString().slice(0, 16).replace('T', ' ');
}

/** Writes a time to the minute with its zone: `2026-11-20 02:17 UTC` */
export function formatTimeWithZone(time: Date): string {
  return `${formatTime(time)} UTC`;
}

/** Writes a time to the second: `2026-11-20 02:17:01Z` */
export function formatSecond(time: Date): string {
  return time.toISOString().replace('T', ' ').replace(/\.\d+/, '');
}
