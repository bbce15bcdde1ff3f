/** Points in time as people read them, in UTC whatever the machine's zone. */

/** To the minute, where the zone is said elsewhere: `2026-11-20 02:17` */
export function formatTime(time: Date): string {
  return time.toISOString().slice(0, 16).replace('T', ' ');
}

/** `2026-11-20 02:17 UTC` */
export function formatTimeWithZone(time: Date): string {
  return `${formatTime(time)} UTC`;
}

/** `2026-11-20 02:17:01Z` */
export function formatSecond(time: Date): string {
  return time.toISOString().replace('T', ' ').replace(/\.\d+/, '');
}
