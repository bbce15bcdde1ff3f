import { randomBytes, randomInt } from 'node:crypto';

/**
 * Ids of what a repository holds: UTC time and a short part behind it, so that they sort by time: `20261120T021700Z-7f3a`. Backups have
 * them, and so do chains of changes, records and garbage marks.
 */

/** One of them within a longer pattern, without a group of its own */
export const timedId = String.raw`\d{8}T\d{6}Z-[0-9a-f]{4}`;
export const timedIdPattern = new RegExp(`^${timedId}$`);

/** The part that says the time: `20261120T021700Z` */
export function stampOf(time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d+/g, '');
}

/** Chance chooses the four digits: of ids of one second two are the same once in 65,536 times. */
export function createTimedId(now: Date): string {
  return `${stampOf(now)}-${randomBytes(2).toString('hex')}`;
}

/** The four digits go with the milliseconds, 65 for each, and chance chooses among these: ids of one second sort by time, too. */
export function createBackupId(now: Date): string {
  const fraction = Math.floor(now.getUTCMilliseconds() * 65.536) + randomInt(65);
  return `${stampOf(now)}-${fraction.toString(16).padStart(4, '0')}`;
}
