import { day } from '../../values/duration.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import type { BackupSummary } from '../backups/catalog.ts';
import type { ChangePolicy } from './changes.ts';
import { planRetention, type RetentionDecision } from './policy.ts';
import { type CapturedChanges, keepBases } from './reachable.ts';

/** Milliseconds that are foreseen; what stays for longer stays for years, or for good. */
export const outlookLength = 400 * day;

/** More backups than these are not foreseen: every day asks the policy about each. */
export const mostForeseen = 200;

/** Days of which each is asked about; after them each week is. */
const dailyPart = 30;

/** What a cleanup decides by, besides the rules for backups */
export interface Outlook extends ChangePolicy {
  readonly timeZone: string;
  readonly changes: CapturedChanges;
}

/**
 * Foresees when a cleanup lets go of each backup that it keeps now: the rules and the captured changes are
 * asked day by day, later week by week, as if a verified backup came every day, cleanups ran, and no more
 * changes were captured.
 *
 * @returns the time from which on a backup is not kept, by its id; a backup without one is kept for longer
 *   than `outlookLength`. Undefined for more backups than `mostForeseen`.
 */
export function foreseeRemovals(
  decisions: readonly RetentionDecision<BackupSummary>[],
  policy: RetentionPolicy,
  outlook: Outlook,
): ReadonlyMap<string, Date> | undefined {
  let left = decisions.filter(({ keep }) => keep).map(({ backup }) => backup);
  const [newest] = left;
  if (newest === undefined) return new Map();
  if (left.length > mostForeseen) return undefined;
  const removals = new Map<string, Date>();
  const known = new Set(left.map(({ id }) => id));
  for (let passed = day; passed <= outlookLength && known.size > removals.size; passed += day) {
    const at = new Date(outlook.now.getTime() + passed);
    left.unshift(expectBackup(newest, at));
    if (passed > dailyPart * day && passed % (7 * day) !== 0) continue;
    const planned = plan(left, policy, { ...outlook, now: at });
    for (const { backup, keep } of planned) {
      if (!keep && known.has(backup.id)) removals.set(backup.id, at);
    }
    left = planned.filter(({ keep }) => keep).map(({ backup }) => backup);
  }
  return removals;
}

/** Plans as a cleanup does. Changes that are all older than what stays reachable keep no backup. */
function plan(
  backups: readonly BackupSummary[],
  policy: RetentionPolicy,
  { changes, now, timeZone, keepChanges }: Outlook,
): RetentionDecision<BackupSummary>[] {
  const planned = planRetention(backups, policy, { now, timeZone });
  const since = now.getTime() - keepChanges;
  const isOld = changes.stored.every(({ through }) => Date.parse(through) < since);
  return isOld ? planned : keepBases(planned, changes, { now, keepChanges });
}

/** A backup that none of the captured changes lead on from: they are of before it. */
function expectBackup(like: BackupSummary, at: Date): BackupSummary {
  return {
    ...like,
    id: `expected ${at.toISOString()}`,
    ...{ kind: 'full', purpose: 'ordinary', snapshotAt: at, finishedAt: at, verifiedAt: at },
    ...{ pinned: false, damagedAt: null },
    source: { ...like.source, systemIdentifier: 'expected', snapshotAt: at.toISOString() },
  };
}
