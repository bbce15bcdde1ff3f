import { randomBytes, randomInt } from 'node:crypto';

/*
 * Ids of backups, chains of changes, records and garbage marks: the UTC time and a short suffix, so that ids
 * sort by time: `20261120T021700Z-7f3a`.
 */

/** Source of a regular expression for one id, without a capturing group, to build longer patterns from */
export const timedId = String.raw`\d{8}T\d{6}Z-[0-9a-f]{4}`;
export const timedIdPattern = new RegExp(`^${timedId}$`);

/** The time part of an id: `20261120T021700Z` */
export function stampOf(time: Date): string {
  return time.toISOString().replace(/[-:]|\.\d+/g, '');
}

/** The time of an id, to the second */
export function timeOf(id: string): Date {
  return new Date(id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$/, '$1-$2-$3T$4:$5:$6Z'));
}

/** Creates an id with four random digits: two ids of the same second collide once in 65,536 times. */
export function createTimedId(now: Date): string {
  return `${stampOf(now)}-${randomBytes(2).toString('hex')}`;
}

/**
 * Creates an id whose four digits follow the milliseconds, so that ids of one second sort by time, too. Each
 * millisecond has 65 values, of which one is chosen at random.
 */
export function createBackupId(now: Date): string {
  const fraction = Math.floor(now.getUTCMilliseconds() * 65.536) + randomInt(65);
  return `${stampOf(now)}-${fraction.toString(16).padStart(4, '0')}`;
}
