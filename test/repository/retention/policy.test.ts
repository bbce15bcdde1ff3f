import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRetention, type RetentionCandidate } from '../../../src/repository/retention/policy.ts';
import type { RetentionPolicy } from '../../../src/values/retention-policy.ts';

const now = new Date('2026-11-20T12:00:00Z');

function makePolicy(overrides: Partial<RetentionPolicy> = {}): RetentionPolicy {
  return {
    last: 0,
    hourly: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    yearly: 0,
    within: 0,
    verified: 1,
    ...overrides,
  };
}

let made = 0;
/** A verified full backup; a test names only what it is about. */
function makeBackup(
  snapshotAt: string | Date,
  overrides: Partial<RetentionCandidate> = {},
): RetentionCandidate {
  const time = new Date(snapshotAt);
  return {
    id: `${time.toISOString()} ${made++}`,
    kind: 'full',
    snapshotAt: time,
    finishedAt: new Date(time.getTime() + 60_000),
    pinned: false,
    verifiedAt: new Date(time.getTime() + 3_600_000),
    damagedAt: null,
    ...overrides,
  };
}

const unverified = { verifiedAt: null };
const damaged = { damagedAt: new Date('2026-11-20T00:00:00Z') };

/** One backup a day at 02:17 UTC, the newest today, newest first. */
function makeDays(count: number, overrides: Partial<RetentionCandidate> = {}): RetentionCandidate[] {
  return Array.from({ length: count }, (_, index) =>
    makeBackup(new Date(Date.UTC(2026, 10, 20 - index, 2, 17)), overrides),
  );
}

function plan(
  backups: readonly RetentionCandidate[],
  policy: Partial<RetentionPolicy>,
  timeZone = 'UTC',
  at = now,
) {
  return planRetention(backups, makePolicy(policy), { now: at, timeZone });
}

function keptOf(
  backups: readonly RetentionCandidate[],
  policy: Partial<RetentionPolicy>,
  timeZone = 'UTC',
  at = now,
) {
  return plan(backups, policy, timeZone, at)
    .filter(({ keep }) => keep)
    .map(({ backup }) => backup);
}

const timesOf = (backups: readonly RetentionCandidate[]) =>
  backups.map(({ snapshotAt }) => snapshotAt.toISOString());

describe('the rules', () => {
  it('keep the newest so many', () => {
    const days = makeDays(5);
    expect(keptOf(days, { last: 2 })).toEqual(days.slice(0, 2));
  });

  it('keep the newest of each hour, and count only hours that have a backup', () => {
    const backups = ['11:50', '11:10', '09:30', '05:45', '05:15', '01:00'].map((time) =>
      makeBackup(`2026-11-20T${time}:00Z`),
    );
    expect(keptOf(backups, { hourly: 3 })).toEqual([backups[0], backups[2], backups[3]]);
  });

  it('keep the newest of each day', () => {
    const backups = ['20T11', '20T01', '19T23', '19T00', '17T12', '16T12'].map((time) =>
      makeBackup(`2026-11-${time}:00:00Z`),
    );
    expect(keptOf(backups, { daily: 3 })).toEqual([backups[0], backups[2], backups[4]]);
  });

  it('keep the newest of each week from Monday to Sunday', () => {
    // 2026-11-16 is a Monday.
    const backups = ['11-20', '11-16', '11-15', '11-09', '11-08'].map((date) =>
      makeBackup(`2026-${date}T02:00:00Z`),
    );
    expect(keptOf(backups, { weekly: 3 })).toEqual([backups[0], backups[2], backups[4]]);
  });

  it('count weeks across the end of a year as ISO 8601 does', () => {
    // Monday 2020-12-28 to Sunday 2021-01-03 is one week, 2020-W53; 2024-12-30 and 2024-12-31 belong to 2025-W01.
    const one = ['2021-01-03', '2020-12-31', '2020-12-28', '2020-12-27'].map((date) =>
      makeBackup(`${date}T12:00:00Z`),
    );
    const [first, , , fourth] = plan(one, { weekly: 5 }, 'UTC', new Date('2021-01-04T00:00:00Z'));
    expect(keptOf(one, { weekly: 5 })).toEqual([one[0], one[3]]);
    expect(first?.reasons).toContain('weekly 2020-W53');
    expect(fourth?.reasons).toContain('weekly 2020-W52');
    const other = ['2025-01-05', '2024-12-30', '2024-12-29'].map((date) => makeBackup(`${date}T12:00:00Z`));
    expect(keptOf(other, { weekly: 5 })).toEqual([other[0], other[2]]);
    expect(plan(other, { weekly: 5 })[0]?.reasons).toContain('weekly 2025-W01');
  });

  it('keep the newest of each month and of each year', () => {
    const backups = ['2026-11-20', '2026-11-01', '2026-10-31', '2025-12-31', '2025-01-01', '2023-06-01'].map(
      (date) => makeBackup(`${date}T02:00:00Z`),
    );
    expect(keptOf(backups, { monthly: 3 })).toEqual([backups[0], backups[2], backups[3]]);
    expect(keptOf(backups, { yearly: 3 })).toEqual([backups[0], backups[3], backups[5]]);
  });

  it('keep all within a time, to the millisecond', () => {
    const backups = [now.getTime(), now.getTime() - 7 * 86_400_000, now.getTime() - 7 * 86_400_000 - 1].map(
      (time) => makeBackup(new Date(time)),
    );
    expect(keptOf(backups, { within: 7 * 86_400_000 })).toEqual(backups.slice(0, 2));
  });

  it('keep so many verified ones beside what the others keep', () => {
    const days = makeDays(6, unverified);
    const verified = [makeBackup('2026-10-03T02:17:00Z'), makeBackup('2026-10-02T02:17:00Z')];
    const oldest = makeBackup('2026-10-01T02:17:00Z');
    expect(keptOf([...days, ...verified, oldest], { last: 1, verified: 2 })).toEqual([days[0], ...verified]);
  });

  it('keep together what any of them keeps', () => {
    const days = makeDays(400);
    const kept = keptOf(days, { daily: 7, weekly: 5, monthly: 12, yearly: 3 });
    const alone = [{ daily: 7 }, { weekly: 5 }, { monthly: 12 }, { yearly: 3 }].flatMap((rule) =>
      keptOf(days, rule),
    );
    expect(new Set(kept)).toEqual(new Set(alone));
    expect(kept.length).toBeLessThan(27);
  });

  it('say why of each backup', () => {
    const backups = [
      makeBackup('2026-11-20T02:00:00Z', unverified),
      makeBackup('2026-11-20T01:00:00Z'),
      makeBackup('2026-11-19T01:00:00Z', { pinned: true, ...unverified }),
      makeBackup('2026-11-18T01:00:00Z', unverified),
      makeBackup('2026-12-18T01:00:00Z'),
      makeBackup('2026-11-01T01:00:00Z', damaged),
      makeBackup('2026-11-20T03:00:00Z', damaged),
    ];
    expect(
      plan(backups, { last: 1, daily: 1, within: 36 * 3_600_000 }).map(({ reasons }) => reasons),
    ).toEqual([
      ['newest', 'last 1', 'within 36h', 'daily 2026-11-20'],
      ['newest verified', 'within 36h', 'last 1 of the verified', 'daily 2026-11-20 of the verified'],
      ['pinned', 'within 36h'],
      ['not one of the last 1', 'older than 36h', 'daily 2026-11-18 is not one of the newest 1 days'],
      ['in the future'],
      [`damaged, and ${backups[1]?.id} is newer and verified`],
      ['damaged, but no newer one is verified'],
    ]);
    const [, second] = plan(
      makeDays(2).map((one) => ({ ...one, snapshotAt: now })),
      { daily: 1 },
    );
    expect(second?.reasons).toEqual(['daily 2026-11-20 has a newer one']);
  });
});

describe('time zones', () => {
  it('decide when a day begins', () => {
    const backups = ['2026-11-19T23:30:00Z', '2026-11-19T22:30:00Z', '2026-11-18T23:30:00Z'].map((time) =>
      makeBackup(time),
    );
    expect(keptOf(backups, { daily: 9 }, 'UTC')).toEqual([backups[0], backups[2]]);
    expect(keptOf(backups, { daily: 9 }, 'Europe/Berlin')).toEqual([backups[0], backups[1]]);
    expect(plan(backups, { daily: 9 }, 'Pacific/Kiritimati')[0]?.reasons).toContain('daily 2026-11-20');
    expect(plan(backups, { daily: 9 }, 'America/Los_Angeles')[0]?.reasons).toContain('daily 2026-11-19');
  });

  it('decide when an hour begins where they are not whole hours from UTC', () => {
    const backups = ['2026-11-20T10:45:00Z', '2026-11-20T10:15:00Z'].map((time) => makeBackup(time));
    expect(keptOf(backups, { hourly: 9 }, 'UTC')).toHaveLength(1);
    expect(keptOf(backups, { hourly: 9 }, 'Asia/Kolkata')).toHaveLength(2);
    expect(keptOf(backups, { hourly: 9 }, 'Asia/Kathmandu')).toHaveLength(1);
    const quarters = ['2026-11-20T10:20:00Z', '2026-11-20T10:10:00Z'].map((time) => makeBackup(time));
    expect(keptOf(quarters, { hourly: 9 }, 'Asia/Kathmandu')).toHaveLength(2);
  });

  it('tell the two hours apart that a wall clock shows twice', () => {
    // Berlin goes from +02:00 to +01:00 at 2026-10-25T01:00:00Z; New York from -04:00 to -05:00 at 2026-11-01T06:00:00Z.
    for (const [timeZone, date, before, after] of [
      ['Europe/Berlin', '2026-10-25', '00', '01'],
      ['America/New_York', '2026-11-01', '05', '06'],
    ]) {
      const [late, early] = [after, before].map((hour) => makeBackup(`${date}T${hour}:30:00Z`));
      const decisions = plan([late, early] as RetentionCandidate[], { hourly: 9 }, timeZone);
      expect(decisions.map(({ keep }) => keep)).toEqual([true, true]);
      expect(keptOf([late, early] as RetentionCandidate[], { daily: 9 }, timeZone)).toEqual([late]);
    }
    const [first] = plan([makeBackup('2026-10-25T00:30:00Z')], { hourly: 1 }, 'Europe/Berlin');
    expect(first?.reasons).toContain('hourly 2026-10-25 02h UTC+02:00');
  });

  it('know days of 23 and of 25 hours', () => {
    const hours = (from: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        makeBackup(new Date(Date.parse(from) + index * 3_600_000)),
      ).reverse();
    // 2026-03-29 lasts from 23:00Z to 22:00Z in Berlin, 2026-10-25 from 22:00Z to 23:00Z.
    for (const [from, count] of [
      ['2026-03-28T23:00:00Z', 23],
      ['2026-10-24T22:00:00Z', 25],
    ] as const) {
      const day = hours(from, count);
      expect(keptOf(day, { daily: 9 }, 'Europe/Berlin')).toEqual([day[0]]);
      expect(keptOf(day, { hourly: 99 }, 'Europe/Berlin')).toHaveLength(count);
      const [before, after] = [-1, count].map((hour) =>
        makeBackup(new Date(Date.parse(from) + hour * 3_600_000)),
      );
      expect(
        keptOf([after, ...day, before] as RetentionCandidate[], { daily: 9 }, 'Europe/Berlin'),
      ).toHaveLength(3);
    }
  });

  it('know a day that a place left out, and a shift of half an hour', () => {
    // Samoa skipped 2011-12-30; Lord Howe goes from +11:00 to +10:30.
    const samoa = ['2011-12-31T10:00:00Z', '2011-12-30T09:59:00Z'].map((time) => makeBackup(time));
    expect(plan(samoa, { daily: 9 }, 'Pacific/Apia').map(({ reasons }) => reasons.at(-1))).toEqual([
      'daily 2012-01-01',
      'daily 2011-12-29',
    ]);
    const [first] = plan([makeBackup('2026-04-04T15:10:00Z')], { hourly: 1 }, 'Australia/Lord_Howe');
    expect(first?.reasons).toContain('hourly 2026-04-05 01h UTC+10:30');
  });
});

describe('what never bends', () => {
  it('a policy without a rule deletes nothing, not even what is damaged', () => {
    const backups = [...makeDays(3), makeBackup('2020-01-01T00:00:00Z', damaged)];
    expect(keptOf(backups, { verified: 1 })).toEqual(backups);
  });

  it('definitions alone neither stand in for backups with rows nor push them out', () => {
    const rows = [
      makeBackup('2026-11-19T02:00:00Z', { kind: 'incremental' }),
      makeBackup('2026-11-18T02:00:00Z'),
    ];
    const schemas = ['20', '17'].map((day) => makeBackup(`2026-11-${day}T02:00:00Z`, { kind: 'schema' }));
    expect(keptOf([schemas[0], ...rows, schemas[1]] as RetentionCandidate[], { last: 1 })).toEqual([
      schemas[0],
      rows[0],
    ]);
  });

  it('full and incremental ones are of one group, for each restores alone', () => {
    const [newest, base] = [
      makeBackup('2026-11-20T02:00:00Z', { kind: 'incremental' }),
      makeBackup('2026-11-19T02:00:00Z'),
    ];
    expect(keptOf([newest, base], { last: 1 })).toEqual([newest]);
  });

  it('unverified ones never push verified ones out', () => {
    const verified = [makeBackup('2026-11-18T02:00:00Z'), makeBackup('2026-11-17T02:00:00Z')];
    const newer = [20, 19].map((date) => makeBackup(`2026-11-${date}T02:00:00Z`, unverified));
    expect(keptOf([...newer, ...verified], { last: 2 })).toEqual([...newer, ...verified]);
    // The newest of its day among the verified stays beside a later one of that day that is not.
    const late = makeBackup('2026-11-18T23:00:00Z', unverified);
    expect(keptOf([late, ...verified], { daily: 2 })).toEqual([late, ...verified]);
  });

  it('what comes from the future stays and takes no place', () => {
    const future = [
      makeBackup('2027-11-20T00:00:00Z', damaged),
      makeBackup('2026-11-20T12:05:01Z', unverified),
      makeBackup('2026-11-20T11:00:00Z', { finishedAt: new Date('2026-11-20T12:05:00.001Z') }),
    ];
    const [today, yesterday] = makeDays(2) as [RetentionCandidate, RetentionCandidate];
    expect(keptOf([...future, today, yesterday], { last: 1, daily: 1 })).toEqual([...future, today]);
    const soon = makeBackup('2026-11-20T12:04:00Z', { finishedAt: new Date('2026-11-20T12:05:00Z') });
    expect(keptOf([soon, today], { last: 1 })).toEqual([soon]);
  });

  it('damaged ones take no place, and go only when a newer one is verified', () => {
    const bad = makeBackup('2026-11-20T02:00:00Z', damaged);
    const [, ...days] = makeDays(3);
    expect(keptOf([bad, ...days], { last: 1 })).toEqual([bad, days[0]]);
    const fresh = makeBackup('2026-11-20T04:00:00Z', unverified);
    expect(keptOf([fresh, bad, ...days], { last: 1 })).toContain(bad);
    expect(keptOf([{ ...fresh, ...verifiedNow }, bad, ...days], { last: 9 })).not.toContain(bad);
    const schema = { ...fresh, ...verifiedNow, kind: 'schema' as const };
    expect(keptOf([schema, bad, ...days], { last: 1 })).toContain(bad);
  });

  it('a damaged one that is pinned stays', () => {
    const bad = makeBackup('2026-11-01T02:00:00Z', { ...damaged, pinned: true });
    expect(keptOf([...makeDays(1), bad], { last: 1 })).toContain(bad);
  });

  it('pinned ones stay and take their place', () => {
    const [today, yesterday, before] = makeDays(3) as [
      RetentionCandidate,
      RetentionCandidate,
      RetentionCandidate,
    ];
    const pinned = { ...yesterday, pinned: true };
    const old = { ...makeBackup('2020-01-01T00:00:00Z'), pinned: true };
    expect(keptOf([today, pinned, before, old], { last: 2 })).toEqual([today, pinned, old]);
  });

  const verifiedNow = { verifiedAt: now };
});

/* The cases of pgBackRest's expireTest.c that have a meaning here. */
describe('as pgBackRest expires', () => {
  it('nothing when there is nothing', () => {
    expect(plan([], { last: 1 })).toEqual([]);
  });

  it('retention not yet met: nothing', () => {
    const days = makeDays(2);
    expect(keptOf(days, { last: 3 })).toEqual(days);
  });

  it('retention met, but the newest must stay', () => {
    const old = makeBackup('2019-01-01T00:00:00Z', unverified);
    expect(keptOf([old], { within: 86_400_000 })).toEqual([old]);
    const verified = makeBackup('2018-01-01T00:00:00Z');
    expect(keptOf([old, verified], { within: 86_400_000 })).toEqual([old, verified]);
  });

  it('a full with incrementals made from it: they stay without it, for a manifest lists all that it needs', () => {
    const backups = ['20', '19', '18'].map((date, index) =>
      makeBackup(`2026-11-${date}T02:00:00Z`, { kind: index < 2 ? 'incremental' : 'full' }),
    );
    expect(keptOf(backups, { last: 2 })).toEqual(backups.slice(0, 2));
  });

  it('retention by time keeps what lies in the period', () => {
    const days = makeDays(40);
    expect(keptOf(days, { within: 35 * 86_400_000 })).toHaveLength(35);
  });

  it('all of a kind: the last of each group stays', () => {
    const [rows, schema] = [
      makeBackup('2019-01-01T00:00:00Z'),
      makeBackup('2019-01-01T00:00:00Z', { kind: 'schema' }),
    ];
    expect(keptOf([rows, schema], { within: 1 })).toEqual([rows, schema]);
  });
});

/* Times a year around now, a few of them equal, a few of the future; every state a backup can be in. */
const anyTime = fc
  .oneof(fc.integer({ min: -400 * 24, max: 48 }), fc.integer({ min: -72, max: 0 }))
  .map((hours) => new Date(now.getTime() + hours * 3_600_000));
const maybe = (chance: number) => fc.integer({ min: 0, max: 99 }).map((value) => value < chance);
const anyBackup = fc
  .record({
    snapshotAt: anyTime,
    kind: fc.constantFrom('full' as const, 'incremental' as const, 'schema' as const),
    pinned: maybe(5),
    verified: maybe(50),
    broken: maybe(10),
    duration: fc.integer({ min: 0, max: 40 }),
  })
  .map(({ snapshotAt, kind, pinned, verified, broken, duration }) =>
    makeBackup(snapshotAt, {
      kind,
      pinned,
      verifiedAt: verified ? snapshotAt : null,
      damagedAt: broken ? snapshotAt : null,
      finishedAt: new Date(snapshotAt.getTime() + duration * 60_000),
    }),
  );
const newestFirst = (backups: readonly RetentionCandidate[]) =>
  backups.toSorted((one, other) => other.snapshotAt.getTime() - one.snapshotAt.getTime());
const anyHistory = fc.array(anyBackup, { maxLength: 60 }).map(newestFirst);
const anyCount = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 12 }));
const anyPolicy = fc.record({
  last: anyCount,
  hourly: anyCount,
  daily: anyCount,
  weekly: anyCount,
  monthly: anyCount,
  yearly: anyCount,
  within: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 90 }).map((days) => days * 86_400_000),
  ),
  verified: fc.integer({ min: 1, max: 5 }),
});
const anyZone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'Asia/Kathmandu',
  'America/Los_Angeles',
  'Pacific/Apia',
);
const isGood = (backup: RetentionCandidate) =>
  backup.damagedAt === null &&
  Math.max(backup.snapshotAt.getTime(), backup.finishedAt.getTime()) <= now.getTime() + 5 * 60_000;
const isVerified = (backup: RetentionCandidate) => isGood(backup) && backup.verifiedAt !== null;
const isSchema = ({ kind }: RetentionCandidate) => kind === 'schema';
const hasRules = ({ verified: _, ...rules }: RetentionPolicy) =>
  Object.values(rules).some((value) => value > 0);
const runs = { numRuns: 500 };

describe('of any history', () => {
  it('the plan names each backup once, in order, with a reason', () => {
    fc.assert(
      fc.property(anyHistory, anyPolicy, anyZone, (history, policy, zone) => {
        const decisions = plan(history, policy, zone);
        expect(decisions.map(({ backup }) => backup)).toEqual(history);
        expect(
          decisions.every(({ reasons }) => reasons.length > 0 && reasons.every((text) => text !== '')),
        ).toBe(true);
      }),
      runs,
    );
  });

  it('the newest good, the newest verified, the pinned and those of the future stay', () => {
    fc.assert(
      fc.property(anyHistory, anyPolicy, anyZone, (history, policy, zone) => {
        const kept = new Set(keptOf(history, policy, zone));
        for (const group of [history.filter(isSchema), history.filter((backup) => !isSchema(backup))]) {
          const good = group.filter(isGood);
          const times = new Set(
            timesOf([...kept].filter((backup) => group.includes(backup) && isGood(backup))),
          );
          if (good[0]) expect(times).toContain(good[0].snapshotAt.toISOString());
          const verified = group.filter(isVerified);
          const keptVerified = verified.filter((backup) => kept.has(backup));
          expect(timesOf(keptVerified.slice(0, policy.verified))).toEqual(
            timesOf(verified.slice(0, policy.verified)),
          );
        }
        for (const backup of history) {
          const future = !isGood({ ...backup, damagedAt: null });
          if (backup.pinned || future) expect(kept).toContain(backup);
        }
      }),
      runs,
    );
  });

  it('a policy without rules keeps all', () => {
    fc.assert(
      fc.property(anyHistory, fc.integer({ min: 1, max: 9 }), (history, verified) => {
        expect(keptOf(history, { verified })).toEqual(history);
      }),
      runs,
    );
  });

  it('more backups that are unverified, forged, damaged or of the future cost no verified one its place', () => {
    const anyIntruder = anyBackup.map((backup) =>
      isVerified(backup) ? { ...backup, verifiedAt: null } : backup,
    );
    fc.assert(
      fc.property(
        anyHistory,
        fc.array(anyIntruder, { maxLength: 60 }),
        anyPolicy,
        anyZone,
        (history, more, policy, zone) => {
          const before = keptOf(history, policy, zone).filter(isVerified);
          const after = new Set(keptOf(newestFirst([...history, ...more]), policy, zone));
          expect(before.filter((backup) => !after.has(backup))).toEqual([]);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('what is left is kept by the same plan', () => {
    fc.assert(
      fc.property(anyHistory, anyPolicy, anyZone, (history, policy, zone) => {
        const kept = keptOf(history, policy, zone);
        expect(keptOf(kept, policy, zone)).toEqual(kept);
      }),
      runs,
    );
  });

  it('a higher count removes no more', () => {
    const rules = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within', 'verified'] as const;
    fc.assert(
      fc.property(
        anyHistory,
        anyPolicy.filter(hasRules),
        fc.constantFrom(...rules),
        anyZone,
        (history, policy, rule, zone) => {
          const raised = { ...policy, [rule]: policy[rule] + (rule === 'within' ? 86_400_000 : 1) };
          const after = new Set(keptOf(history, raised, zone));
          expect(keptOf(history, policy, zone).filter((backup) => !after.has(backup))).toEqual([]);
        },
      ),
      runs,
    );
  });

  it('the order in which it is given does not matter', () => {
    fc.assert(
      fc.property(
        anyHistory.chain((history) =>
          fc.tuple(fc.constant(history), fc.shuffledSubarray(history, { minLength: history.length })),
        ),
        anyPolicy,
        ([history, shuffled], policy) => {
          expect(new Set(keptOf(shuffled, policy))).toEqual(new Set(keptOf(history, policy)));
        },
      ),
      runs,
    );
  });

  it('a damaged one goes only when a newer one of its group is verified', () => {
    fc.assert(
      fc.property(anyHistory, anyPolicy, (history, policy) => {
        for (const { backup, keep } of plan(history, policy)) {
          if (keep || backup.damagedAt === null) continue;
          const newer = history.filter(
            (other) =>
              isVerified(other) &&
              isSchema(other) === isSchema(backup) &&
              other.snapshotAt >= backup.snapshotAt,
          );
          expect(newer).not.toEqual([]);
        }
      }),
      runs,
    );
  });
});
