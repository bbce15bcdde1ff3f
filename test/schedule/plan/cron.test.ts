import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextTimes, parseCron, timesBetween } from '../../../src/schedule/plan/cron.ts';
import { chooseMinute } from '../../../src/schedule/plan/minutes.ts';

const isoOf = (times: readonly Date[]) => times.map((time) => time.toISOString().replace(':00.000Z', 'Z'));
const daily = (timeZone: string, from: string) => isoOf(nextTimes('17 2 * * *', timeZone, new Date(from), 3));

describe('times', () => {
  test('that the clock skips in the spring move to the next one there is, as on GitHub', () => {
    expect(daily('Europe/Berlin', '2027-03-27T00:00:00Z')).toEqual([
      '2027-03-27T01:17Z',
      '2027-03-28T01:00Z',
      '2027-03-29T00:17Z',
    ]);
    expect(daily('America/New_York', '2027-03-13T00:00:00Z')).toEqual([
      '2027-03-13T07:17Z',
      '2027-03-14T07:00Z',
      '2027-03-15T06:17Z',
    ]);
  });

  test('that the clock shows twice in the autumn are due once', () => {
    expect(daily('Europe/Berlin', '2026-10-24T00:00:00Z')).toEqual([
      '2026-10-24T00:17Z',
      '2026-10-25T00:17Z',
      '2026-10-26T01:17Z',
    ]);
    const twice = nextTimes('17 1 * * *', 'America/New_York', new Date('2026-10-31T00:00:00Z'), 3);
    expect(isoOf(twice)).toEqual(['2026-10-31T05:17Z', '2026-11-01T05:17Z', '2026-11-02T06:17Z']);
  });

  test('every hour are due in each hour of a day of 23 and of 25', () => {
    for (const [from, until, count] of [
      ['2027-03-27T23:00:00Z', '2027-03-28T22:00:00Z', 23],
      ['2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', 25],
    ] as const) {
      expect(timesBetween('17 * * * *', 'Europe/Berlin', new Date(from), new Date(until))).toHaveLength(
        count,
      );
    }
  });

  test('between two moments include the first and not the last', () => {
    const [from, until] = [new Date('2026-11-20T02:17:00Z'), new Date('2026-11-22T02:17:00Z')];
    expect(isoOf(timesBetween('17 2 * * *', 'UTC', from, until))).toEqual([
      '2026-11-20T02:17Z',
      '2026-11-21T02:17Z',
    ]);
  });

  test('that have just passed are not due any more', () => {
    const [from, until] = [new Date('2026-11-20T02:17:00.500Z'), new Date('2026-11-20T02:18:00Z')];
    expect(timesBetween('17 2 * * *', 'UTC', from, until)).toEqual([]);
  });

  test('of a day of the month and a day of the week are those of either, as POSIX has it', () => {
    const times = nextTimes('17 2 1 * MON', 'UTC', new Date('2026-10-31T00:00:00Z'), 3);
    expect(isoOf(times)).toEqual(['2026-11-01T02:17Z', '2026-11-02T02:17Z', '2026-11-09T02:17Z']);
  });
});

describe('an expression', () => {
  test.each([
    '17 2 * * *',
    'auto 9-17 * * 1-5',
    'auto/15 * * * *',
    '5,35 */4 1-7/2 JAN-mar,12 sun,2-4',
    '*/5 * * * *',
  ])('may be %s', (text) => {
    const { minute, rest } = parseCron(text);
    expect(`${minute} ${rest}`).toBe(text);
  });

  test.each([
    '17 2 * *',
    '@daily',
    '60 2 * * *',
    '17 24 * * *',
    '17 2 0 * *',
    '17 2 * 13 *',
    '17 2 * * 7',
    '17 2 L * *',
    '17 2 ? * *',
    '17 2 * * 5#1',
    '17 5-2 * * *',
    '17 */0 * * *',
    '17 1-2-3 * * *',
    '17 2 * * x',
    '17 2 MON * *',
    'auto/7 * * * *',
    'automatic 2 * * *',
    '*/4 * * * *',
    '1,2 * * * *',
    '1,58 * * * *',
  ])('may not be %s', (text) => {
    expect(() => parseCron(text)).toThrow();
  });
});

const anyName = fc.string({ minLength: 1, maxLength: 40 });
const steps = [5, 6, 10, 12, 15, 20, 30] as const;

describe('a minute that is chosen', () => {
  test('is off the peaks and always the same', () => {
    fc.assert(
      fc.property(anyName, fc.option(fc.constantFrom(...steps)), (key, step) => {
        const wish = step === null ? 'auto' : `auto/${step}`;
        const minute = chooseMinute(wish, key, new Set());
        expect(chooseMinute(wish, key, new Set())).toBe(minute);
        const minutes = minute.split(',').map(Number);
        expect(minutes).toHaveLength(step === null ? 1 : 60 / step);
        for (const [index, at] of minutes.entries()) {
          expect([0, 15, 30, 45]).not.toContain(at);
          expect(at).toBeLessThan(60);
          if (index > 0) expect(at - (minutes[index - 1] as number)).toBe(step);
        }
        expect(() => parseCron(`${minute} * * * *`)).not.toThrow();
      }),
    );
  });

  test('is another one for each database, as long as there are some', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyName, { minLength: 2, maxLength: 56 }), (keys) => {
        const taken = new Set<number>();
        const minutes = keys.map((key) => chooseMinute('auto', key, taken));
        expect(new Set(minutes).size).toBe(keys.length);
      }),
    );
  });

  test('does not change when a database is added behind it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyName, { minLength: 2, maxLength: 20 }), (keys) => {
        const choose = (names: readonly string[]) => {
          const taken = new Set<number>();
          return names.map((key) => chooseMinute('auto', key, taken));
        };
        expect(choose(keys).slice(0, -1)).toEqual(choose(keys.slice(0, -1)));
      }),
    );
  });

  test('is found even when all are taken', () => {
    const taken = new Set(Array.from({ length: 60 }, (_, minute) => minute));
    expect(Number(chooseMinute('auto', 'one too many', taken))).toBeGreaterThan(0);
  });

  test('is spread over the hour', () => {
    const minutes = Array.from({ length: 2000 }, (_, index) =>
      chooseMinute('auto', `repo ${index}`, new Set()),
    );
    expect(new Set(minutes).size).toBe(56);
  });
});
