import { describe, expect, it } from 'vitest';
import { parseRetention } from '../../../src/interface/inputs/time-values.ts';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { foreseeRemovals, mostForeseen } from '../../../src/repository/retention/outlook.ts';
import { planRetention } from '../../../src/repository/retention/policy.ts';
import { keepBases } from '../../../src/repository/retention/reachable.ts';
import { hour, shelve } from '../backups/freshness-example.ts';
import { atHour, idAt, makeChain, sourceAt } from '../changes-example.ts';

const day = 86_400_000;
const now = new Date('2026-11-20T12:00:00Z');
const on = { now, timeZone: 'UTC', keepChanges: 8 * day, changes: { stored: [], replayable: [] } };

function take(at: Date, overrides: Partial<BackupSummary> = {}): BackupSummary {
  return {
    ...shelve((now.getTime() - at.getTime()) / hour, { id: at.toISOString(), verifiedAt: at }),
    ...overrides,
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

  it('lets go of a backup that captured changes need when a cleanup does, not before', () => {
    const at = new Date(atHour(8));
    const backups = [6.5, 1.5].map((when) => {
      const snapshotAt = new Date(atHour(when));
      const times = { snapshotAt, finishedAt: snapshotAt, verifiedAt: snapshotAt };
      return { ...shelve(0), ...times, id: idAt(when), source: sourceAt(when) };
    });
    const policy = { ...parseRetention('last=1'), verified: 1 };
    const stored = makeChain([1, 2, 3, 4, 5, 6, 7, 8]);
    const captured = { keepChanges: 8 * day, changes: { stored, replayable: stored } };
    const clean = (time: Date) =>
      keepBases(planRetention(backups, policy, { now: time, timeZone: 'UTC' }), captured.changes, {
        ...{ now: time, keepChanges: captured.keepChanges },
      });
    const oldest = backups[1]?.id ?? '';
    expect(clean(at).find(({ backup }) => backup.id === oldest)?.reasons).toEqual(['keep-changes']);
    const removals = foreseeRemovals(clean(at), policy, { ...captured, now: at, timeZone: 'UTC' });
    expect(removals?.get(oldest)).toEqual(new Date(at.getTime() + 8 * day));
    for (let passed = 1; passed <= 10; passed++) {
      const time = new Date(at.getTime() + passed * day);
      const isKept = clean(time).find(({ backup }) => backup.id === oldest)?.keep;
      expect(isKept).toBe(time < (removals?.get(oldest) ?? at));
    }
    // Nothing needs the newer one once there is another: the older one reaches as far.
    expect(removals?.get(backups[0]?.id ?? '')).toEqual(new Date(at.getTime() + day));
  });
});
