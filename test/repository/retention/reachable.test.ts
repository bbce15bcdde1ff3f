import { expect, it } from 'vitest';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { keepReachable } from '../../../src/repository/retention/changes.ts';
import { keepBases } from '../../../src/repository/retention/reachable.ts';
import { hour, shelve } from '../backups/freshness-example.ts';
import { atHour, idAt, makeChain, sourceAt } from '../changes-example.ts';

function take(at: number, overrides: Partial<BackupSummary> = {}): BackupSummary {
  const snapshotAt = new Date(atHour(at));
  return {
    ...shelve(0),
    snapshotAt,
    finishedAt: snapshotAt,
    id: idAt(at),
    source: sourceAt(at),
    ...overrides,
  };
}

const stored = makeChain([1, 2, 3, 4, 5, 6, 7, 8]);
/** The same, the one until this hour found damaged */
const damagedAt = (until: number) =>
  stored.map((segment, index) => (index === until - 1 ? { ...segment, barrier: 'damaged' } : segment));
const keepFor = (hours: number) => ({ now: new Date(atHour(8)), keepChanges: hours * hour });
const leave = (hours: readonly number[], overrides: Partial<BackupSummary> = {}) =>
  hours.map((at) => ({ backup: take(at, overrides), keep: false, reasons: ['no rule'] }));
const keptOf = (decisions: ReturnType<typeof keepBases>) =>
  decisions.filter(({ keep }) => keep).map(({ backup }) => backup.id);

it('a backup stays that is needed if damage is not there', () => {
  const [decisions, replayable, policy] = [leave([7.5, 6.5]), damagedAt(8), keepFor(0.5)];
  expect(keptOf(keepReachable(decisions, replayable, policy))).toEqual([]);
  expect(keptOf(keepBases(decisions, { stored, replayable }, policy))).toEqual([idAt(7.5)]);
});

it('a backup stays that is needed if it is', () => {
  const [decisions, replayable, policy] = [leave([7.2, 5.5]), damagedAt(7), keepFor(2.2)];
  expect(keptOf(keepReachable(decisions, stored, policy))).toEqual([idAt(5.5)]);
  expect(keptOf(keepBases(decisions, { stored, replayable }, policy))).toEqual([idAt(7.2), idAt(5.5)]);
  expect(keptOf(keepBases(decisions, { stored, replayable: stored }, policy))).toEqual([idAt(5.5)]);
});

it('a safety backup stays for no change', () => {
  expect(
    keptOf(keepBases(leave([7.5, 6.5], { purpose: 'safety' }), { stored, replayable: stored }, keepFor(2))),
  ).toEqual([]);
});
