import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findReach,
  findWindows,
  listUsable,
  planRecovery,
  type RecoveryBase,
} from '../../../src/repository/changes/recoverable.ts';
import type { Segment } from '../../../src/repository/changes/segments.ts';
import { parseLsn } from '../../../src/values/lsn.ts';
import { isVisible, parseSnapshot } from '../../../src/values/pg-snapshot.ts';
import { formatTimestamp, parseTimestamp } from '../../../src/values/timestamp.ts';
import { anySteps, type History, simulate } from '../change-history.ts';
import { atHour, chain, idAt, makeBase, makeChain, makeSegment, sourceAt } from '../changes-example.ts';

const hours = [1, 2, 3, 4, 5, 6, 7, 8];
const whole = makeChain(hours);
const base = makeBase(2.5);

describe('what a backup reaches', () => {
  it('is from its snapshot to where the chain ends', () => {
    expect(findReach(base, whole)).toEqual({
      from: atHour(2.5),
      to: atHour(8),
      segments: whole.slice(2),
      ends: null,
    });
  });

  it('is found in any order of the segments, and when they are given twice', () => {
    expect(findReach(base, [...whole.toReversed(), ...whole])).toEqual(findReach(base, whole));
  });

  it('is only its snapshot when nothing was captured after it', () => {
    const alone = { from: atHour(2.5), to: atHour(2.5), segments: [], ends: null };
    expect(findReach(base, [])).toEqual(alone);
    expect(findReach(base, whole.slice(0, 2))).toEqual(alone);
  });

  it('is nothing for definitions alone', () => {
    expect(findReach(makeBase(2.5, { kind: 'schema' }), whole)).toBeUndefined();
  });

  it('begins with the segment in which the oldest transaction that it does not see may have been running', () => {
    const open = makeBase(5.5, { source: sourceAt(5.5, { snapshot: '250:550:250' }) });
    expect(findReach(open, whole)?.segments).toEqual(whole.slice(2));
    const beginning = makeBase(5.5, { source: sourceAt(5.5, { snapshot: '200:550:200' }) });
    expect(findReach(beginning, whole)?.segments).toEqual(whole.slice(2));
    const before = makeBase(5.5, { source: sourceAt(5.5, { snapshot: '199:550:199' }) });
    expect(findReach(before, whole)?.segments).toEqual(whole.slice(1));
  });

  it('is only its snapshot when a transaction that it does not see began before the chain', () => {
    const late = whole.slice(3);
    const open = makeBase(5.5, { source: sourceAt(5.5, { snapshot: '250:550:250' }) });
    expect(findReach(open, late)).toMatchObject({
      segments: [],
      ends: 'the changes that are stored begin after it',
    });
    expect(findReach(base, late)).toMatchObject({ segments: [], to: atHour(2.5) });
  });

  it('does not begin with a segment behind its position in the log', () => {
    const behind = makeBase(2.5, { source: sourceAt(2.5, { snapshot: '800:800:' }) });
    expect(findReach(behind, whole)?.segments[0]).toEqual(whole[2]);
  });

  it.each([
    ['another server', { systemIdentifier: '1' }],
    ['another database', { databaseOid: 6 }],
    ['another timeline of the server', { timeline: 2 }],
  ])('is only its snapshot when the changes are of %s', (what, source) => {
    const other = makeBase(2.5, { source: sourceAt(2.5, source) });
    expect(findReach(other, whole)).toEqual({
      from: atHour(2.5),
      to: atHour(2.5),
      segments: [],
      ends: `the changes that are stored are of ${what}`,
    });
  });

  it('ends before the segment in which definitions were changed', () => {
    const changed = [...makeChain([1, 2, 3, 4]), ...makeChain([5, 6], { definitions: '0'.repeat(64) })];
    expect(findReach(base, changed)).toMatchObject({
      to: atHour(4),
      segments: changed.slice(2, 4),
      ends: `definitions were changed between ${atHour(4)} and ${atHour(5)}`,
    });
  });

  it('passes what was changed before its snapshot, but not in the segment of its snapshot', () => {
    const later = '0'.repeat(64);
    const changed = [
      ...makeChain([1, 2]),
      ...makeChain([3], { barrier: 'changed' }),
      ...makeChain([4, 5, 6]),
    ];
    const open = { snapshot: '150:450:150', definitions: later };
    const segments = changed.map((segment) => ({ ...segment, definitions: later }));
    const after = makeBase(4.5, { source: sourceAt(4.5, open) });
    expect(findReach(after, segments)).toMatchObject({ to: atHour(6), segments: segments.slice(1) });
    const within = makeBase(2.9, { source: sourceAt(2.9, { ...open, snapshot: '150:290:150' }) });
    expect(findReach(within, segments)).toMatchObject({ to: atHour(2.9), segments: [], ends: 'changed' });
  });

  it('ends before a barrier, even where a segment was complete before the snapshot but ended after it', () => {
    const early = makeChain([1, 2, 3]).map((segment, index) =>
      index === 2 ? { ...segment, through: atHour(2.4), barrier: 'public.t was written anew' } : segment,
    );
    expect(findReach(base, early)).toMatchObject({ segments: [], ends: 'public.t was written anew' });
  });

  it('ends at a gap, whoever made it', () => {
    const missing = 'the changes between 0/50 and 0/60 of the write-ahead log are missing';
    expect(findReach(base, whole.toSpliced(5, 1))).toMatchObject({ to: atHour(5), ends: missing });
    const forged = whole.map((segment, index) =>
      index === 5 ? { ...segment, chain: { ...chain, timeline: 2 } } : segment,
    );
    expect(findReach(base, forged)).toMatchObject({ to: atHour(5), segments: whole.slice(2, 5) });
  });

  it('ends where the chain was broken, and says why', () => {
    const because = 'the slot is gone';
    const next = { ...chain, id: '20261120T053000Z-0000', because };
    const broken = [...makeChain([1, 2, 3, 4, 5]), ...makeChain([6, 7], { chain: next })];
    expect(findReach(base, broken)).toMatchObject({ to: atHour(5), ends: because });
    const anew = broken.map((segment) => ({ ...segment, chain: { ...segment.chain, because: null } }));
    expect(findReach(base, anew)).toMatchObject({ to: atHour(5), ends: 'captures began anew' });
  });

  it('goes the way that leads furthest where segments overlap', () => {
    const long = makeSegment({
      ...whole[3],
      to: '0/60',
      toXmax: '600',
      through: atHour(6),
    });
    expect(findReach(base, [...whole, long])).toMatchObject({ to: atHour(8), segments: whole.slice(2) });
    const dead = makeSegment({ ...whole[3], to: '0/55', through: atHour(5.5) });
    expect(findReach(base, [...whole, dead])).toMatchObject({ to: atHour(8), segments: whole.slice(2) });
    const hole = whole.toSpliced(4, 1);
    expect(findReach(base, [...hole, long])).toMatchObject({
      to: atHour(8),
      segments: [whole[2], long, whole[6], whole[7]],
    });
  });

  it('passes segments of no length, and none that ends before it begins', () => {
    const still = makeSegment({ ...whole[4], from: '0/40', to: '0/40', through: atHour(4.2) });
    expect(findReach(base, [...whole, still])?.segments).toEqual([
      ...whole.slice(2, 4),
      still,
      ...whole.slice(4),
    ]);
    const back = makeSegment({ ...whole[4], from: '0/80', to: '0/40' });
    expect(findReach(base, [...whole, back])).toEqual(findReach(base, whole));
  });

  it('is not longer than the last segment says when the clock of the server was set back', () => {
    const times = [1, 2, 7, 3, 4];
    const odd = makeChain([1, 2, 3, 4, 5]).map((segment, index) => ({
      ...segment,
      through: atHour(times[index] ?? 0),
    }));
    expect(findReach(base, odd)).toMatchObject({ to: atHour(4), segments: odd.slice(2) });
    const plan = planRecovery([base], odd, atHour(2.7));
    // What was committed by then may be in what came after the clock was set back.
    expect(plan).toMatchObject({ kind: 'plan', segments: odd.slice(2, 3) });
    expect(planRecovery([base], odd, atHour(3.5))).toMatchObject({ segments: odd.slice(2) });
  });
});

it('the segments that backups can use are those they are brought forward with, now or later', () => {
  expect(listUsable([base], whole)).toEqual(whole.slice(2));
  expect(listUsable([makeBase(8.5)], whole)).toEqual(whole.slice(7));
  expect(listUsable([makeBase(8.5), base, makeBase(5)], whole)).toEqual(whole.slice(2));
  expect(listUsable([makeBase(2.5, { kind: 'schema' })], whole)).toEqual([]);
  expect(listUsable([], whole)).toEqual([]);
  // What ended before it began is of no use to it.
  expect(listUsable([makeBase(5.5)], whole.toSpliced(4, 1))).toEqual(whole.slice(5));
});

describe('a plan', () => {
  const bases = [makeBase(1.5), makeBase(4.5), makeBase(6.5)];

  it('takes the newest backup before the time, and the segments up to the first that has the time', () => {
    expect(planRecovery(bases, whole, atHour(5.5))).toEqual({
      kind: 'plan',
      base: bases[1],
      segments: whole.slice(4, 6),
      until: atHour(5.5),
    });
    expect(planRecovery(bases, whole, parseTimestamp(atHour(6)))).toMatchObject({
      base: bases[1],
      segments: whole.slice(4, 6),
    });
  });

  it('tells times apart to the microsecond', () => {
    const after = atHour(6).replace('000000Z', '000001Z');
    expect(planRecovery(bases, whole, after)).toMatchObject({ segments: whole.slice(4, 7), until: after });
    const beyond = atHour(8).replace('000000Z', '000001Z');
    expect(planRecovery(bases, whole, beyond)).toEqual({
      kind: 'refused',
      why: `backup ${idAt(6.5)} can be brought to ${atHour(8)} at most: nothing was captured after that`,
      before: atHour(8),
      after: null,
    });
    const own = makeBase(4.5, { source: sourceAt(4.5, { snapshotAt: '2026-11-20T04:30:00.000002Z' }) });
    expect(planRecovery([own], whole, '2026-11-20T04:30:00.000001Z').kind).toBe('refused');
    expect(planRecovery([own], whole, '2026-11-20T04:30:00.000002Z').kind).toBe('plan');
  });

  it('of the latest time is of the newest that can be reached', () => {
    expect(planRecovery(bases, whole, 'latest')).toMatchObject({ base: bases[2], until: atHour(8) });
    expect(planRecovery([...bases, makeBase(9)], whole, 'latest')).toMatchObject({
      base: { id: idAt(9) },
      segments: [],
      until: atHour(9),
    });
  });

  it('passes over a newer backup that cannot be brought to the time', () => {
    const other = makeBase(6.5, { source: sourceAt(6.5, { definitions: '1'.repeat(64) }) });
    expect(planRecovery([makeBase(1.5), other], whole, atHour(7))).toMatchObject({ base: { id: idAt(1.5) } });
  });

  it('with a backup that was named uses no other, and says why it cannot be', () => {
    expect(planRecovery(bases, whole, atHour(7), idAt(1.5))).toMatchObject({
      base: bases[0],
      segments: whole.slice(1, 7),
    });
    expect(planRecovery(bases, whole, 'latest', idAt(1.5))).toMatchObject({
      base: bases[0],
      until: atHour(8),
    });
    expect(planRecovery(bases, whole, atHour(3), idAt(4.5))).toEqual({
      kind: 'refused',
      why: `the oldest backup, ${idAt(4.5)}, is of ${atHour(4.5)}`,
      before: null,
      after: atHour(4.5),
    });
    expect(planRecovery(bases, whole, atHour(3), 'gone')).toMatchObject({ why: 'there is no backup gone' });
    const schema = makeBase(2, { kind: 'schema' });
    expect(planRecovery([schema], whole, 'latest', schema.id)).toMatchObject({
      why: `backup ${schema.id} holds definitions only`,
    });
  });

  it('that cannot be made names the nearest times that can be reached', () => {
    const hole = whole.toSpliced(4, 1);
    expect(planRecovery(bases, hole, atHour(4.7))).toEqual({
      kind: 'refused',
      why: `backup ${idAt(4.5)} can be brought to ${atHour(4.5)} at most: the changes between 0/40 and 0/50 of the write-ahead log are missing`,
      before: atHour(4.5),
      after: atHour(6.5),
    });
    expect(planRecovery(bases, whole, atHour(1))).toMatchObject({ before: null, after: atHour(1.5) });
    expect(planRecovery([], whole, 'latest')).toEqual({
      kind: 'refused',
      why: 'there is no backup with rows',
      before: null,
      after: null,
    });
  });
});

describe('windows', () => {
  it('are merged, and tell why they end', () => {
    const changed = [
      ...makeChain([1, 2, 3]),
      ...makeChain([4], { barrier: 'changed' }),
      ...makeChain([5, 6]),
    ];
    const bases = [makeBase(1.5), makeBase(2.5), makeBase(4.5), makeBase(8)];
    expect(findWindows(bases, changed)).toEqual([
      { from: atHour(1.5), to: atHour(3), gap: 'changed' },
      { from: atHour(4.5), to: atHour(6), gap: 'no changes were captured' },
      { from: atHour(8), to: atHour(8), gap: null },
    ]);
  });

  it('are the snapshots alone where nothing was captured', () => {
    expect(findWindows([makeBase(2), makeBase(1), makeBase(3, { kind: 'schema' })], [])).toEqual([
      { from: atHour(1), to: atHour(1), gap: 'no changes were captured' },
      { from: atHour(2), to: atHour(2), gap: null },
    ]);
    expect(findWindows([], whole)).toEqual([]);
  });
});

/* Over random histories of a simulated source */

const anyHistory = fc
  .record({
    steps: anySteps,
    losses: fc.array(fc.nat(40), { maxLength: 2 }),
    lostBases: fc.array(fc.nat(10), { maxLength: 2 }),
  })
  .map(({ steps, losses, lostBases }) => {
    const history = simulate(steps);
    return {
      ...history,
      segments: history.segments.filter((_, index) => !losses.includes(index)),
      bases: history.bases.filter((_, index) => !lostBases.includes(index)),
    };
  });

/** Every time at which anything happened, and those beside it */
function listTimes({ committed, bases, segments, end }: History): bigint[] {
  const times = [
    ...committed.map(({ time }) => time),
    ...bases.map(({ source }) => parseTimestamp(source.snapshotAt)),
    ...segments.map(({ through }) => parseTimestamp(through)),
    end,
  ];
  return [...new Set(times.flatMap((time) => [time - 1n, time, time + 1n]))];
}

/** What a replay leaves in the database: the transactions of the base, and those of the segments that it does not see. */
function replay(
  history: History,
  used: History['bases'][number],
  segments: readonly Segment[],
  until: bigint,
): Set<bigint> {
  const result = new Set(used.sees);
  const snapshot = parseSnapshot(used.source.snapshot);
  for (const { from, to } of segments) {
    for (const { xid, at, time } of history.committed) {
      if (at <= parseLsn(from) || at > parseLsn(to)) continue;
      if (time > until) return result;
      if (!isVisible(snapshot, xid)) result.add(xid);
    }
  }
  return result;
}

/** Tries every way from every segment that the rule allows to begin with. */
function canReach({ kind, source }: RecoveryBase, segments: readonly Segment[], until: bigint): boolean {
  const snapshotAt = parseTimestamp(source.snapshotAt);
  if (kind === 'schema' || until < snapshotAt) return false;
  const isGood = (segment: Segment) =>
    (parseTimestamp(segment.through) <= snapshotAt && parseLsn(segment.to) <= parseLsn(source.lsn)) ||
    (segment.barrier === null && segment.definitions === source.definitions);
  const leads = (segment: Segment): boolean =>
    isGood(segment) &&
    (parseTimestamp(segment.through) >= until ||
      segments.some((next) => next.chain.id === segment.chain.id && next.from === segment.to && leads(next)));
  const { xmin } = parseSnapshot(source.snapshot);
  const mayBegin = (segment: Segment) =>
    BigInt(segment.fromXmax) <= xmin && parseLsn(segment.from) <= parseLsn(source.lsn);
  return until === snapshotAt || segments.some((segment) => mayBegin(segment) && leads(segment));
}

describe('of any history', () => {
  it('what is planned brings back exactly what was committed by then', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        for (const time of listTimes(history)) {
          const plan = planRecovery(history.bases, history.segments, time);
          if (plan.kind === 'refused') continue;
          const found = replay(history, plan.base, plan.segments, time);
          const isBackup = time === parseTimestamp(plan.base.source.snapshotAt) && plan.segments.length === 0;
          const expected = isBackup
            ? plan.base.sees
            : new Set(history.committed.filter((one) => one.time <= time).map(({ xid }) => xid));
          expect(found).toEqual(expected);
          const redefined = history.committed.some(
            (one) => one.isDefinition && one.time <= time && !plan.base.sees.has(one.xid),
          );
          expect(redefined).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('what can be reached at all is planned, from the newest backup that it can be reached from', () => {
    fc.assert(
      fc.property(anyHistory, ({ bases, segments, ...rest }) => {
        for (const time of listTimes({ bases, segments, ...rest })) {
          const able = bases.filter((one) => canReach(one, segments, time));
          const plan = planRecovery(bases, segments, time);
          expect(plan.kind === 'plan' ? plan.base.id : undefined).toBe(able.at(-1)?.id);
          for (const one of bases) {
            const only = planRecovery(bases, segments, time, one.id);
            expect(only.kind === 'plan').toBe(able.includes(one));
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('windows hold exactly the times that can be planned, and refusals name their nearest bounds', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const { bases, segments } = history;
        const windows = findWindows(bases, segments);
        for (const [index, { from, to, gap }] of windows.entries()) {
          expect(from <= to).toBe(true);
          const next = windows[index + 1];
          if (next === undefined) continue;
          expect(to < next.from).toBe(true);
          expect(gap).not.toBeNull();
        }
        for (const time of listTimes(history)) {
          const text = formatTimestamp(time);
          const plan = planRecovery(bases, segments, time);
          expect(plan.kind === 'plan').toBe(windows.some(({ from, to }) => from <= text && text <= to));
          if (plan.kind === 'plan') continue;
          expect(plan.before).toBe(windows.findLast(({ to }) => to < text)?.to ?? null);
          expect(plan.after).toBe(windows.find(({ from }) => from > text)?.from ?? null);
        }
        const latest = planRecovery(bases, segments, 'latest');
        expect(latest.kind === 'plan' ? latest.until : undefined).toBe(windows.at(-1)?.to);
      }),
      { numRuns: 200 },
    );
  });

  it('neither order nor repetition of segments changes a plan', () => {
    fc.assert(
      fc.property(anyHistory, fc.infiniteStream(fc.nat()), ({ bases, segments }, order) => {
        const shuffled = [...segments, ...segments]
          .map((segment) => ({ segment, at: order.next().value ?? 0 }))
          .sort((one, other) => one.at - other.at)
          .map(({ segment }) => segment);
        expect(planRecovery(bases, shuffled, 'latest')).toEqual(planRecovery(bases, segments, 'latest'));
        expect(findWindows(bases, shuffled)).toEqual(findWindows(bases, segments));
      }),
    );
  });
});
