import { day } from '../../values/duration.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import { planRetention, type RetentionCandidate, type RetentionDecision } from './policy.ts';

/** Milliseconds that are foreseen; what stays for longer stays for years, or for good. */
export const outlookLength = 400 * day;

/** More backups than these are not foreseen: every day asks the policy about each. */
export const mostForeseen = 200;

/**
 * Foresees when the policy lets go of each backup that it keeps now: it is asked day by day, as if a verified
 * backup came every day and a cleanup ran after it. What only captured changes keep stays for less.
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
  const end = now.getTime() + outlookLength;
  for (let time = now.getTime() + day; time <= end && known.size > removals.size; time += day) {
    const at = new Date(time);
    const planned = planRetention([expect(at), ...left], policy, { now: at, timeZone });
    for (const { backup, keep } of planned) {
      if (!keep && known.has(backup.id)) removals.set(backup.id, at);
    }
    left = planned.filter(({ keep }) => keep).map(({ backup }) => backup);
  }
  return removals;
}

function expect(at: Date): RetentionCandidate {
  return {
    id: `expected ${at.toISOString()}`,
    ...{ kind: 'full', snapshotAt: at, finishedAt: at, verifiedAt: at, pinned: false, damagedAt: null },
  };
}
