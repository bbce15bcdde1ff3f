import { day } from '../../values/duration.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import { planRetention, type RetentionCandidate, type RetentionDecision } from './policy.ts';

/** Milliseconds that are foreseen; what stays for longer stays for years, or for good. */
export const outlookLength = 400 * day;

/** More backups than these are not foreseen: every day asks the policy about each. */
export const mostForeseen = 200;

/** Days of which each is asked about; after them each week is. */
const dailyPart = 30;

/**
 * Foresees when the policy lets go of each backup that it keeps now: it is asked day by day, later week by
 * week, as if a verified backup came every day and cleanups ran. What only captured changes keep stays for
 * less.
 *
 * @returns the time from which on a backup is not kept, by its id; a backup without one is kept for longer
 *   than `outlookLength`. Undefined for more backups than `mostForeseen`.
 */
export function foreseeRemovals(
  decisions: readonly RetentionDecision<RetentionCandidate>[],
  policy: RetentionPolicy,
  { now, timeZone }: { readonly now: Date; readonly timeZone: string },
): ReadonlyMap<string, Date> | undefined {
  let left: RetentionCandidate[] = decisions.filter(({ keep }) => keep).map(({ backup }) => backup);
  if (left.length > mostForeseen) return undefined;
  const removals = new Map<string, Date>();
  const known = new Set(left.map(({ id }) => id));
  for (let passed = day; passed <= outlookLength && known.size > removals.size; passed += day) {
    const at = new Date(now.getTime() + passed);
    left.unshift(expectBackup(at));
    if (passed > dailyPart * day && passed % (7 * day) !== 0) continue;
    const planned = planRetention(left, policy, { now: at, timeZone });
    for (const { backup, keep } of planned) {
      if (!keep && known.has(backup.id)) removals.set(backup.id, at);
    }
    left = planned.filter(({ keep }) => keep).map(({ backup }) => backup);
  }
  return removals;
}

function expectBackup(at: Date): RetentionCandidate {
  return {
    id: `expected ${at.toISOString()}`,
    ...{ kind: 'full', snapshotAt: at, finishedAt: at, verifiedAt: at, pinned: false, damagedAt: null },
  };
}
