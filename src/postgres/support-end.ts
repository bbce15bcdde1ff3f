/**
 * When the last minor release of a major version comes: no defect and no hole is mended after it.
 * https://www.postgresql.org/support/versioning/
 */
const lastReleases: Readonly<Record<number, string>> = {
  14: '2026-11-12',
  15: '2027-11-11',
  16: '2028-11-09',
  17: '2029-11-08',
  18: '2030-11-14',
};

/** @returns the day of the last release, where it has passed; undefined also for a major that is not known */
export function findSupportEnd(serverVersion: number, now: Date): string | undefined {
  const last = lastReleases[Math.floor(serverVersion / 10000)];
  return last !== undefined && now > new Date(`${last}T23:59:59Z`) ? last : undefined;
}
