import { describe, expect, it } from 'vitest';
import { parseRetention } from '../../../src/interface/inputs/time-values.ts';
import { foreseeRemovals, mostForeseen } from '../../../src/repository/retention/outlook.ts';
import { planRetention, type RetentionCandidate } from '../../../src/repository/retention/policy.ts';

const day = 86_400_000;
const now = new Date('2026-11-20T12:00:00Z');
const on = { now, timeZone: 'UTC' };

function take(at: Date, overrides: Partial<RetentionCandidate> = {}): RetentionCandidate {
  return {
    ...{ id: at.toISOString(), kind: 'full', snapshotAt: at, finishedAt: at, verifiedAt: at },
    ...{ pinned: false, damagedAt: null, ...overrides },
  };
}

const daysAgo = (days: number) => new Date(now.getTime() - days * day);
const nights = Array.from({ length: 40 }, (_, index) => take(daysAgo(index)));

describe('the outlook of retention', () => {
  it('ends what the newest seven days keep after seven days', () => {
    const policy = parseRetention('daily=7');
    const removals = foreseeRemovals(planRetention(nights, policy, on), policy, on);
    for (let index = 0; index < 7; index++)
      expect(removals?.get(daysAgo(index).toISOString())).toEqual(
        new Date(now.getTime() + (7 - index) * day),
      );
    expect(removals?.size).toBe(7);
  });

  it('agrees with the policy when that time has come, all backups of the time between taken', () => {
    const policy = parseRetention('daily=7 weekly=5 monthly=3');
    const removals =
      foreseeRemovals(planRetention(nights, policy, on), policy, on) ?? new Map<string, Date>();
    expect(removals.size).toBeGreaterThan(8);
    for (const [id, at] of removals) {
      const keeps = (time: Date) => {
        const later = Array.from({ length: Math.round((time.getTime() - now.getTime()) / day) }, (_, index) =>
          take(new Date(now.getTime() + (index + 1) * day)),
        );
        const planned = planRetention([...later, ...nights], policy, { now: time, timeZone: 'UTC' });
        return planned.find(({ backup }) => backup.id === id)?.keep;
      };
      expect(keeps(at)).toBe(false);
      // A week is asked about as a whole once a month has passed.
      const asked = at.getTime() - now.getTime() <= 30 * day ? 1 : 7;
      expect(keeps(new Date(at.getTime() - asked * day))).toBe(true);
    }
  });

  it('has no end for what stays, and none at all for more backups than it can ask about', () => {
    const policy = parseRetention('daily=1 yearly=10');
    const pinned = take(daysAgo(3), { pinned: true });
    const removals = foreseeRemovals(planRetention([...nights, pinned], policy, on), policy, on);
    expect(removals?.has(pinned.id)).toBe(false);
    const many = Array.from({ length: mostForeseen + 1 }, (_, index) => take(daysAgo(index)));
    const all = parseRetention('last=9999');
    expect(foreseeRemovals(planRetention(many, all, on), all, on)).toBeUndefined();
  });
});
