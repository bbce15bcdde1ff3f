import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ScheduledRun } from '../../../src/github/workflows.ts';
import { timesBetween } from '../../../src/schedule/plan/cron.ts';
import { judgePunctuality, measureLongestPause } from '../../../src/schedule/verification/punctuality.ts';

const now = new Date('2026-11-20T10:00:00Z');
const since = new Date('2026-01-01T00:00:00Z');
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const nightly = '17 2 * * *';

const runAt = (createdAt: Date | string, more: Partial<ScheduledRun> = {}): ScheduledRun => ({
  id: 1,
  title: 'a run',
  createdAt: new Date(createdAt),
  startedAt: new Date(createdAt),
  updatedAt: new Date(createdAt),
  conclusion: 'success',
  url: '',
  ...more,
});
const nights = (delay = 0) =>
  timesBetween(nightly, 'UTC', new Date(now.getTime() - 7 * day), now).map((at) =>
    runAt(new Date(at.getTime() + delay)),
  );
const judge = (crons: string[], runs: ScheduledRun[], at = now, from = since) =>
  judgePunctuality(crons, 'UTC', runs, { now: at, since: from });
const timesOf = (due: readonly { at: Date }[]) => due.map(({ at }) => at.toISOString().slice(0, 16));

describe('of a week of nightly runs', () => {
  test('all that are there are on time', () => {
    const found = judge([nightly], nights());
    expect(found.due).toHaveLength(7);
    expect(found).toMatchObject({ missed: [], waiting: [], stalled: [], medianDelayMs: 0, maxDelayMs: 0 });
  });

  test('late ones are counted with their delay, not as missing', () => {
    const runs = nights(20 * minute).with(3, runAt('2026-11-17T08:17:00Z'));
    const found = judge([nightly], runs);
    expect(found).toMatchObject({ missed: [], medianDelayMs: 20 * minute, maxDelayMs: 6 * hour });
  });

  test('one that is missing in the middle is missed, and the schedule does not stand still', () => {
    const found = judge([nightly], nights().toSpliced(3, 1));
    expect(timesOf(found.missed)).toEqual(['2026-11-17T02:17']);
    expect(found.stalled).toEqual([]);
  });

  test('the newest is awaited until the next is due and two hours more, then it is missing', () => {
    const runs = nights().slice(0, -1);
    expect(judge([nightly], runs)).toMatchObject({ missed: [], stalled: [], waiting: [{ cron: nightly }] });
    const before = judge([nightly], runs, new Date('2026-11-21T04:17:00Z'));
    expect(before.stalled).toEqual([]);
    const after = judge([nightly], runs, new Date('2026-11-21T04:17:00.001Z'));
    expect(timesOf(after.stalled)).toEqual(['2026-11-20T02:17']);
    expect(timesOf(after.missed)).toEqual(['2026-11-20T02:17']);
  });

  test('failed ones ran', () => {
    const found = judge(
      [nightly],
      nights().with(2, runAt('2026-11-16T02:18:00Z', { conclusion: 'failure' })),
    );
    expect(timesOf(found.failed)).toEqual(['2026-11-16T02:17']);
    expect(found.missed).toEqual([]);
    expect(judge([nightly], [runAt('2026-11-20T02:18:00Z', { conclusion: null })]).failed).toEqual([]);
  });

  test('none before the schedule was there is missed', () => {
    const young = new Date('2026-11-19T12:00:00Z');
    expect(judge([nightly], [], now, young)).toMatchObject({
      missed: [],
      stalled: [],
      due: [{ cron: nightly }],
    });
  });

  test('a schedule that never ran stands still since its first time', () => {
    expect(timesOf(judge([nightly], []).stalled)).toEqual(['2026-11-14T02:17']);
  });
});

test('what is due once a month is judged by its last time', () => {
  const monthly = '17 4 1 * *';
  expect(judge([monthly], [runAt('2026-11-01T04:30:00Z')])).toMatchObject({
    missed: [],
    maxDelayMs: 13 * minute,
  });
  // It is not awaited for a month: no run is a day late.
  expect(timesOf(judge([monthly], []).stalled)).toEqual(['2026-11-01T04:17']);
  expect(judge([monthly], [], new Date('2026-11-01T12:00:00Z')).stalled).toEqual([]);
});

describe('of captures every quarter of an hour', () => {
  const quarterly = '7,22,37,52 * * * *';
  const due = timesBetween(quarterly, 'UTC', new Date(now.getTime() - 7 * day), now);
  const pauseOf = (runs: ScheduledRun[], at = now) =>
    measureLongestPause(judge([quarterly], runs, at).due, [quarterly], at);

  test('those that GitHub drops are missed, and the schedule stands still only after two hours more', () => {
    const runs = due.filter((_, index) => index % 3 === 0).map((at) => runAt(at));
    const found = judge([quarterly], runs);
    expect(found.due).toHaveLength(7 * 96);
    expect(found.missed.length).toBeGreaterThan(7 * 60);
    expect(found.stalled).toEqual([]);
    const last = runs.at(-1)?.createdAt.getTime() ?? 0;
    expect(judge([quarterly], runs, new Date(last + 2.5 * hour)).stalled).toEqual([]);
    expect(judge([quarterly], runs, new Date(last + 2.5 * hour + 1)).stalled).toHaveLength(1);
  });

  test('the longest time between two that succeeded is measured, up to now', () => {
    const runs = due.map((at) => runAt(at));
    expect(pauseOf(runs)).toBe(15 * minute);
    expect(pauseOf(runs.toSpliced(100, 3))).toBe(60 * minute);
    expect(pauseOf(runs.with(100, runAt(due[100] as Date, { conclusion: 'failure' })))).toBe(30 * minute);
    expect(pauseOf(runs.slice(0, -8))).toBe(2 * hour + 8 * minute);
    expect(pauseOf([])).toBeUndefined();
  });
});

describe('of two schedules in one file', () => {
  const [one, other] = ['17 2 * * *', '31 2 * * *'] as const;
  const from = new Date('2026-11-20T00:00:00Z');

  test('two late runs are one for each, whatever their order', () => {
    const runs = [runAt('2026-11-20T02:55:00Z'), runAt('2026-11-20T02:50:00Z')];
    expect(judge([one, other], runs, now, from)).toMatchObject({ missed: [], waiting: [] });
  });

  test('a late run leaves those that can only be for the other', () => {
    const hourly = '17 * * * *';
    const [from, at] = [new Date('2026-11-20T01:20:00Z'), new Date('2026-11-20T04:00:00Z')];
    const runs = ['02:20', '03:20', '03:40'].map((time) => runAt(`2026-11-20T${time}:00Z`));
    const found = judge(['31 1 * * *', hourly], runs, at, from);
    expect(timesOf(found.due)).toEqual(['2026-11-20T01:31', '2026-11-20T02:17', '2026-11-20T03:17']);
    expect(found).toMatchObject({ missed: [], waiting: [] });
  });

  test('the name of a run tells whose it is', () => {
    const runs = [runAt('2026-11-20T02:50:00Z', { title: `Database backup, due ${other}` })];
    const found = judge([one, other], runs, now, from);
    expect(timesOf(found.waiting)).toEqual(['2026-11-20T02:17']);
  });

  test('one that stands still is told though the other runs', () => {
    const runs = nights().map(({ createdAt }) => runAt(createdAt, { title: `x, due ${one}` }));
    const found = judge([one, other], runs);
    expect(found.stalled.map(({ cron }) => cron)).toEqual([other]);
  });
});

describe('of any history', () => {
  const anyCron = fc.constantFrom(
    '17 2 * * *',
    '17 * * * *',
    '7,27,47 * * * *',
    '17 9-17 * * 1-5',
    '17 4 1 * *',
  );

  test('each run is for one time at most, and each time is ran, missed or awaited', () => {
    const anyRuns = fc.array(
      fc.integer({ min: 0, max: 8 * 24 * 60 }).map((ago) => runAt(new Date(now.getTime() - ago * minute))),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.uniqueArray(anyCron, { minLength: 1, maxLength: 3 }), anyRuns, (crons, runs) => {
        const { due, missed, waiting } = judge(crons, runs);
        const used = due.flatMap(({ run }) => run ?? []);
        expect(new Set(used).size).toBe(used.length);
        expect(missed.length + waiting.length + used.length).toBe(due.length);
        for (const { at, until, run } of due) {
          if (run === undefined) continue;
          expect(run.createdAt.getTime()).toBeGreaterThanOrEqual(at.getTime() - minute);
          expect(run.createdAt.getTime()).toBeLessThan(until.getTime());
        }
      }),
      { numRuns: 60 },
    );
  });

  test('runs that are all there within their interval leave none missed', () => {
    fc.assert(
      fc.property(
        anyCron,
        fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 1 }),
        (cron, parts) => {
          const { due } = judge([cron], []);
          const runs = due.map(({ at, until }, index) => {
            const part = parts[index % parts.length] as number;
            return runAt(new Date(at.getTime() + part * (until.getTime() - at.getTime())));
          });
          expect(judge([cron], runs)).toMatchObject({ missed: [], waiting: [], stalled: [] });
        },
      ),
      { numRuns: 60 },
    );
  });
});
