import { day } from '../../values/duration.ts';
import type { BackupSummary } from './catalog.ts';
import { neededPoints } from './trends.ts';

/** What backups add to the storage in a month. */
export type Growth =
  /** Too few backups, or too short a time, tell it. */
  | { readonly kind: 'unmeasured'; readonly points: number }
  | {
      readonly kind: 'measured';
      /** That a month of 30 days will add, as the last did; what cleanups remove is not taken off */
      readonly bytes: number;
      /** Backups of the last 30 days */
      readonly points: number;
    };

const month = 30 * day;

/** A shorter time is of one weekday, and one night. */
const neededSpan = 3 * day;

/**
 * Measures what backups of the last 30 days have added, and spreads it over a month. The first of them is only
 * where counting begins: as the first of all it would have added everything. Captured changes are not counted,
 * nor backups that retention has removed since, most of whose bytes went with them.
 *
 * @param usable newest first
 */
export function measureGrowth(usable: readonly BackupSummary[], now: Date): Growth {
  const recent = usable.filter(({ snapshotAt }) => now.getTime() - snapshotAt.getTime() <= month);
  const [newest, first] = [recent[0], recent.at(-1)];
  const span = (newest?.snapshotAt.getTime() ?? 0) - (first?.snapshotAt.getTime() ?? 0);
  if (recent.length < neededPoints || span < neededSpan) return { kind: 'unmeasured', points: recent.length };
  const added = recent.slice(0, -1).reduce((sum, { totals }) => sum + totals.added, 0);
  return { kind: 'measured', bytes: Math.round((added / span) * month), points: recent.length };
}
