import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findWindows, planRecovery } from '../../../src/repository/changes/recoverable.ts';
import { type Segment, segmentKey } from '../../../src/repository/changes/segments.ts';
import { type ChangeBase, keepReachable, listOutdated } from '../../../src/repository/retention/changes.ts';
import { formatTimestamp, parseTimestamp } from '../../../src/values/timestamp.ts';
import { anySteps, simulate } from '../change-history.ts';
import { atHour, chain, idAt, makeBase, makeChain, sourceAt } from '../changes-example.ts';

const hour = 3_600_000;

function makeCandidate(at: number, overrides: Partial<ChangeBase> = {}): ChangeBase {
  return { ...makeBase(at), snapshotAt: new Date(atHour(at)), damagedAt: null, ...overrides };
}

/** It is hour 8, and the last four hours are to stay recoverable. */
const policy = { now: new Date(atHour(8)), keepChanges: 4 * hour };
const whole = makeChain([1, 2, 3, 4, 5, 6, 7, 8]);

const storedWhen = (segments: readonly Segment[], shift = 0) =>
  new Map(segments.map((one) => [segmentKey(one), new Date(Date.parse(one.through) + shift)]));
const outdated = (bases: readonly ChangeBase[], segments = whole, storedAt = storedWhen(segments)) =>
  listOutdated(bases, segments, storedAt, policy);

describe('segments', () => {
  it('stay from the one on that the newest backup before the last days begins with', () => {
    expect(outdated([makeCandidate(1.5), makeCandidate(2.5), makeCandidate(6.5)])).toEqual(whole.slice(0, 2));
  });

  it('stay with all that any backup can use when none is that old', () => {
    const open = sourceAt(6.5, { snapshot: '250:650:250' });
    expect(outdated([makeCandidate(6.5)])).toEqual(whole.slice(0, 3));
    expect(outdated([makeCandidate(6.5, { source: open })])).toEqual(whole.slice(0, 2));
  });

  it('go when nobody can use them and they are older than that, not before', () => {
    expect(outdated([])).toEqual(whole.slice(0, 3));
    const other = makeCandidate(1.5, { source: sourceAt(1.5, { systemIdentifier: '1' }) });
    expect(outdated([other])).toEqual(whole.slice(0, 3));
    expect(outdated([makeCandidate(1.5, { kind: 'schema' })])).toEqual(whole.slice(0, 3));
  });

  it('do not stay for a backup that is damaged, or that cannot be brought into the last days', () => {
    const damaged = makeCandidate(2.5, { damagedAt: new Date() });
    expect(outdated([makeCandidate(1.5), damaged])).toEqual(whole.slice(0, 1));
    const stuck = makeCandidate(2.5, { source: sourceAt(2.5, { definitions: '1'.repeat(64) }) });
    expect(outdated([makeCandidate(1.5), stuck])).toEqual(whole.slice(0, 1));
  });

  it('stay with the newest one, from which the next capture goes on, whatever its age', () => {
    const old = makeChain([1, 2, 3]);
    expect(outdated([], old)).toEqual(old.slice(0, 2));
    const next = { ...chain, id: '20261120T023000Z-0000' };
    const broken = [...makeChain([1, 2]), ...makeChain([3], { chain: next })];
    expect(outdated([], broken)).toEqual(broken.slice(0, 2));
  });

  it('stay with the newest time that can be recovered, however long ago that is', () => {
    const old = makeChain([1, 2, 3]);
    expect(outdated([makeCandidate(0.5), makeCandidate(1.5)], old)).toEqual(old.slice(0, 1));
    expect(outdated([makeCandidate(1.5), makeCandidate(3.5)], old)).toEqual(old.slice(0, 2));
    // Of a time that is still to come is a backup whose clock was wrong.
    expect(outdated([makeCandidate(1.5), makeCandidate(20)], old)).toEqual(old.slice(0, 1));
  });

  it('stay as long by the clock of the storage, when that of the source is behind', () => {
    expect(outdated([], whole, storedWhen(whole, 2 * hour))).toEqual(whole.slice(0, 1));
    expect(outdated([], whole, new Map())).toEqual([]);
  });

  it('of the future push out no others', () => {
    const late = { ...chain, id: '20261119T000000Z-0000' };
    const future = makeChain([2, 3], { chain: late, through: '2099-01-01T00:00:00.000000Z' });
    // The newer backup seems to reach to the year 2099, by a chain that ended long ago.
    const fooled = sourceAt(2.5, { definitions: '1'.repeat(64) });
    const wrong = future.map((segment) => ({ ...segment, definitions: '1'.repeat(64) }));
    const segments = [...wrong, ...whole];
    const bases = [makeCandidate(1.5), makeCandidate(2.5, { source: fooled })];
    expect(outdated(bases, segments, storedWhen(whole))).toEqual([whole[0]]);
  });
});

describe('backups', () => {
  const decide = (keep: readonly number[], go: readonly number[]) =>
    [...keep.map((at) => [at, true] as const), ...go.map((at) => [at, false] as const)].map(
      ([at, stays]) => ({
        backup: makeCandidate(at),
        keep: stays,
        reasons: [stays ? 'newest' : 'no rule'],
      }),
    );
  const added = (decisions: Parameters<typeof keepReachable<ChangeBase>>[0], segments = whole) => {
    const found = keepReachable(decisions, segments, policy);
    expect(found.map(({ backup }) => backup)).toEqual(decisions.map(({ backup }) => backup));
    return found
      .filter(({ keep }, index) => keep && !decisions[index]?.keep)
      .map(({ backup, reasons }) => [backup.id, ...reasons]);
  };

  it('stay when only they lead into the last days: the newest of them', () => {
    expect(added(decide([7.5], [3.5, 2.5, 1.5]))).toEqual([[idAt(3.5), 'keep-changes']]);
    expect(added(decide([7.5, 3.5], [3.6, 2.5]))).toEqual([]);
  });

  it('stay when definitions were changed and only they lead on from there', () => {
    const later = '1'.repeat(64);
    const segments = [
      ...makeChain([1, 2, 3, 4, 5]),
      ...makeChain([6], { barrier: 'changed', definitions: later }),
      ...makeChain([7, 8], { definitions: later }),
    ];
    const redefined = (at: number, keep: boolean) => ({
      backup: makeCandidate(at, { source: sourceAt(at, { definitions: later }) }),
      keep,
      reasons: ['a rule'],
    });
    const decisions = [
      redefined(7.5, true),
      redefined(6.2, false),
      redefined(6.1, false),
      ...decide([3.5], [5.5]),
    ];
    expect(added(decisions, segments)).toEqual([[idAt(6.1), 'keep-changes']]);
  });

  it('stay when those that stay do not lead as far', () => {
    const other = { ...chain, id: '20261120T033000Z-0000' };
    const segments = [...makeChain([1, 2, 3, 4, 5]), ...makeChain([4, 5, 6, 7, 8], { chain: other })];
    expect(added(decide([2.5], [3.5]), segments)).toEqual([[idAt(3.5), 'keep-changes']]);
  });

  it('go as the policy says where nothing was captured, or not with them', () => {
    expect(added(decide([7.5], [6, 5, 4, 3]), [])).toEqual([]);
    expect(added(decide([7.5], [3.5]), makeChain([1, 2, 3]))).toEqual([]);
    expect(added(decide([3.5], [7.5, 6.5, 5.5]))).toEqual([]);
  });

  it('that are damaged or of the future neither stay for it nor stand in for others', () => {
    const [kept, go] = decide([3.8], [3.5]);
    const damaged = { ...kept, backup: makeCandidate(3.8, { damagedAt: new Date() }) } as NonNullable<
      typeof kept
    >;
    expect(added([damaged, go as NonNullable<typeof go>])).toEqual([[idAt(3.5), 'keep-changes']]);
    expect(added([{ ...damaged, keep: false }])).toEqual([]);
    expect(added(decide([], [9]), makeChain([8, 9, 10]))).toEqual([]);
  });

  it('stay beside those that only changes of the future lead further', () => {
    const wrong = { ...chain, id: '20261119T000000Z-0000' };
    const future = makeChain([4], { chain: wrong, through: '2099-01-01T00:00:00.000000Z' });
    const fooled = { backup: makeCandidate(3.9), keep: true, reasons: ['newest'] };
    const segments = [...future, ...whole.slice(0, 3), ...whole.slice(4)];
    const [go] = decide([], [5.5]);
    expect(added([fooled, go as NonNullable<typeof go>], segments)).toEqual([[idAt(5.5), 'keep-changes']]);
  });
});

describe('of any history', () => {
  it('what could be recovered of the last days still can, and no backup stays for nothing', () => {
    fc.assert(
      fc.property(anySteps, fc.array(fc.boolean(), { maxLength: 30 }), fc.nat(200), (steps, keeps, back) => {
        const { bases, segments, end } = simulate(steps);
        const candidates = bases.map((base) => ({
          ...base,
          snapshotAt: new Date(base.source.snapshotAt),
          damagedAt: null,
        }));
        // Of microseconds, which the clock of a machine has none.
        const now = new Date(Number(end / 1000n) + 1);
        const since = end - BigInt(back);
        const keepChanges = now.getTime() - Number(since / 1000n);
        const from = BigInt(now.getTime() - keepChanges) * 1000n;
        const decisions = candidates.map((backup, index) => ({
          backup,
          keep: keeps[index] ?? false,
          reasons: ['a rule'],
        }));
        const decided = keepReachable(decisions, segments, { now, keepChanges });
        const kept = decided.filter(({ keep }) => keep).map(({ backup }) => backup);
        const gone = listOutdated(kept, segments, storedWhen(segments, -1), { now, keepChanges });
        const left = segments.filter((segment) => !gone.includes(segment));

        const stretches = findWindows(candidates, segments).filter(({ from: one, to }) => one < to);
        const windows = findWindows(kept, left);
        for (const { from: first, to } of stretches) {
          const begin = parseTimestamp(first) > from ? first : formatTimestamp(from);
          if (begin >= to) continue;
          expect(windows.some((window) => window.from <= begin && to <= window.to)).toBe(true);
        }
        for (const { backup } of decided.filter(({ keep }, index) => keep && !decisions[index]?.keep)) {
          const without = findWindows(
            kept.filter((one) => one !== backup),
            left,
          );
          expect(without).not.toEqual(windows);
        }
        expect(left.at(-1)).toBe(segments.at(-1));
      }),
      { numRuns: 500 },
    );
  });

  it('what is left is kept again, and what stays leads to the same states as before', () => {
    fc.assert(
      fc.property(anySteps, fc.nat(5), (steps, age) => {
        const { bases, segments, end } = simulate(steps);
        const now = new Date(Number(end / 1000n) + 1);
        const candidates = bases.map((base) => ({
          ...base,
          snapshotAt: new Date(base.source.snapshotAt),
          damagedAt: null,
        }));
        const old = storedWhen(segments, -age - 1);
        const limits = { now, keepChanges: age };
        const gone = listOutdated(candidates, segments, old, limits);
        const left = segments.filter((segment) => !gone.includes(segment));
        expect(listOutdated(candidates, left, old, limits)).toEqual([]);
        const latest = planRecovery(candidates, segments, 'latest');
        expect(planRecovery(candidates, left, 'latest')).toEqual(latest);
      }),
    );
  });
});
