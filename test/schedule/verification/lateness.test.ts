import { describe, expect, test } from 'vitest';
import { judgeLateness } from '../../../src/schedule/verification/lateness.ts';
import { graceMs } from '../../../src/schedule/verification/punctuality.ts';
import { day, hour, minute } from '../../../src/values/duration.ts';

const begin = new Date('2026-10-01T00:00:00Z');
const judge = (crons: string | string[], now: string, succeededAt: string | undefined, timeZone = 'UTC') =>
  judgeLateness([crons].flat(), timeZone, {
    succeededAt: succeededAt === undefined ? undefined : new Date(succeededAt),
    ...{ begin, now: new Date(now) },
  });

describe('a schedule', () => {
  test.each([
    ['a daily backup', '17 2 * * *', '2026-11-19T02:21:00Z', day],
    ['an hourly one', '17 * * * *', '2026-11-20T08:18:00Z', hour],
    ['a capture every quarter of an hour', '8,23,38,53 * * * *', '2026-11-20T08:09:00Z', 15 * minute],
    ['a weekly one', '17 3 * * 0', '2026-11-15T03:20:00Z', 7 * day],
    ['a monthly archive', '17 4 1 * *', '2026-11-01T04:30:00Z', 30 * day],
    ['a yearly one', '17 4 1 1 *', '2026-01-01T04:30:00Z', 365 * day],
    ['one of several times', ['17 2 * * *', '17 14 * * *'], '2026-11-20T02:20:00Z', 12 * hour],
  ])('of %s may be as old as its interval and the grace period', (_what, crons, succeededAt, interval) => {
    const last = Date.parse(succeededAt);
    const limit = interval + graceMs;
    const at = (milliseconds: number) => new Date(milliseconds).toISOString();
    expect(judge(crons, at(last + limit), succeededAt)).toEqual({ limit, age: limit, since: undefined });
    expect(judge(crons, at(last + limit + 1), succeededAt)).toEqual({
      ...{ limit, age: limit + 1, since: new Date(last + limit) },
    });
  });

  test('that rests over night and at weekends is judged by the rest that it is in', () => {
    const office = '17 9-17 * * 1-5';
    expect(judge(office, '2026-11-20T12:00:00Z', '2026-11-20T10:18:00Z')?.limit).toBe(3 * hour);
    expect(judge(office, '2026-11-20T07:00:00Z', '2026-11-19T17:18:00Z')?.limit).toBe(18 * hour);
    const friday = '2026-11-20T17:18:00Z';
    expect(judge(office, '2026-11-23T11:00:00Z', friday)).toMatchObject({
      limit: 66 * hour,
      since: undefined,
    });
    expect(judge(office, '2026-11-23T12:00:00Z', friday)?.since).toEqual(new Date('2026-11-23T11:18:00Z'));
  });

  test('keeps the clock of its time zone', () => {
    // In Berlin the clock went back on 25 October: a day of 25 hours.
    const night = judge('30 1 * * *', '2026-10-26T00:00:00Z', '2026-10-24T23:31:00Z', 'Europe/Berlin');
    expect(night?.limit).toBe(25 * hour + graceMs);
  });

  test('that never succeeded counts from when it could, and has no age', () => {
    const limit = day + graceMs;
    expect(judge('0 0 * * *', '2026-10-02T02:00:00Z', undefined)).toEqual({
      ...{ limit, age: undefined, since: undefined },
    });
    expect(judge('0 0 * * *', '2026-10-02T02:00:01Z', undefined)).toMatchObject({
      ...{ age: undefined, since: new Date('2026-10-02T02:00:00Z') },
    });
  });

  test('that is never due is not judged', () => {
    expect(judge('0 0 31 2 *', '2026-11-20T00:00:00Z', undefined)).toBeUndefined();
  });
});
