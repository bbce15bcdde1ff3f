import { describe, expect, test } from 'vitest';
import { drawWeek, estimateMonth, previewWeek } from '../../../src/schedule/plan/week.ts';
import { planOf, production } from '../setting.ts';

const hour = 3_600_000;
const day = 24 * hour;
const now = new Date('2026-11-20T10:00:00Z');
const off = (...kinds: string[]) => kinds.map((kind) => `${kind}: false`).join(', ');
const quiet = off('incremental', 'schema', 'archive', 'capture', 'drill', 'cleanup', 'watch');

function outlookOf(more: string) {
  const plan = planOf(more);
  return previewWeek(production(plan), plan.timeZone, now);
}

describe('the longest time without a backup', () => {
  test('of one a day is the day of 25 hours, where there is one', () => {
    const schedules = `schedules: { full: 17 2 * * *, ${quiet} }\n`;
    expect(outlookOf(schedules).gap?.milliseconds).toBe(day);
    expect(outlookOf(`time-zone: Europe/Berlin\n${schedules}`).gap).toEqual({
      from: new Date('2027-10-31T00:17:00Z'),
      until: new Date('2027-11-01T01:17:00Z'),
      milliseconds: 25 * hour,
    });
    expect(outlookOf(`time-zone: America/New_York\n${schedules}`).gap).toMatchObject({
      from: new Date('2027-11-06T06:17:00Z'),
      until: new Date('2027-11-07T07:17:00Z'),
    });
  });

  test('of office hours is the weekend', () => {
    const { gap } = outlookOf(
      `schedules: { full: false, incremental: 17 9-17 * * 1-5, ${off('archive', 'schema', 'capture')} }\n`,
    );
    expect(gap?.milliseconds).toBe((6 + 48 + 10) * hour);
    expect(gap?.from.toISOString()).toBe('2026-11-20T17:17:00.000Z');
  });

  test('of one a month is the longest month', () => {
    const { gap } = outlookOf(
      `schedules: { archive: 17 4 1 * *, ${off('full', 'incremental', 'schema', 'capture')} }\n`,
    );
    expect(gap?.milliseconds).toBe(31 * day);
  });

  test('with capture is the time between two captures', () => {
    const { gap } = outlookOf('schedules: { capture: auto/10 * * * * }\n');
    expect(gap?.milliseconds).toBe(10 * 60_000);
  });

  test('is not known of definitions alone', () => {
    expect(outlookOf(`schedules: { ${off('full', 'incremental', 'archive')} }\n`).gap).toBeUndefined();
  });
});

test('retention leaves what its rules say of these schedules', () => {
  const schedules = `schedules: { full: 17 2 * * *, ${quiet} }\n`;
  expect(outlookOf(`${schedules}retention: last=5\n`).kept).toMatchObject({ backups: 5 });
  const { kept } = outlookOf(`${schedules}retention: daily=7\n`);
  expect(kept.backups).toBe(7);
  expect(Math.floor(kept.oldest / day)).toBe(6);
  const pinned = outlookOf(`schedules: { archive: { cron: 17 4 1 * *, pin: true } }\nretention: daily=7\n`);
  expect(pinned.kept.backups).toBeGreaterThan(7 + 12);
});

test('a month costs its runs, each in whole minutes: measured ones, else assumed ones', () => {
  const plan = planOf(`schedules: { full: 17 2 * * *, ${quiet} }\n`);
  const estimate = (measured: ReadonlyMap<'full', number>) =>
    estimateMonth(production(plan).jobs, plan.timeZone, now, measured);
  expect(estimate(new Map())).toEqual({ runs: 30, minutes: 300 });
  expect(estimate(new Map([['full', 2.2]]))).toEqual({ runs: 30, minutes: 90 });
  expect(estimate(new Map([['full', 0.1]]))).toEqual({ runs: 30, minutes: 30 });
});

test('what nobody has asked otherwise takes no more minutes than a free plan has for private repositories, captures included', () => {
  const plan = planOf('');
  expect(production(plan).jobs.find(({ kind }) => kind === 'capture')?.crons).toEqual([
    expect.stringMatching(/^\d+ \* \* \* \*$/),
  ]);
  const { minutes } = estimateMonth(production(plan).jobs, plan.timeZone, now, new Map());
  expect(minutes).toBeGreaterThan(1500);
  expect(minutes).toBeLessThan(2000);
  expect(outlookOf('').gap?.milliseconds).toBe(hour);
});

test('a month costs every job that GitHub bills: those beside a drill and beside the watches of several databases, too', () => {
  const count = (more: string, kind: string) => {
    const plan = planOf(more);
    const jobs = plan.databases.flatMap((database) => database.jobs.filter((job) => job.kind === kind));
    return estimateMonth(jobs, plan.timeZone, now, new Map([['watch', 0.2]]));
  };
  // The job that chooses the image, and the drill
  expect(count('', 'drill')).toEqual({ runs: 1, minutes: 1 + 15 });
  expect(count('drill: { image: "postgres:17" }\n', 'drill')).toEqual({ runs: 1, minutes: 15 });
  expect(count('', 'watch')).toEqual({ runs: 180, minutes: 180 });
  const second = '  staging:\n    database-url: STAGING_URL\n    storage: s3://octo-backups/staging\n';
  // Two watches, and the one job that looks at the workflows of both
  expect(count(second, 'watch')).toEqual({ runs: 360, minutes: 540 });
});

test('captures of every quarter of an hour take more minutes than a free plan has for private repositories', () => {
  const plan = planOf('schedules: { capture: auto/15 * * * * }\n');
  const captures = production(plan).jobs.filter(({ kind }) => kind === 'capture');
  expect(estimateMonth(captures, plan.timeZone, now, new Map())).toEqual({ runs: 2880, minutes: 2880 });
});

describe('the week', () => {
  const draw = (more: string, at: Date) => {
    const plan = planOf(more);
    return drawWeek(production(plan), plan, at).map(
      ({ name, hours }) => `${name} ${hours.map((mark) => mark || '·').join(' ')}`,
    );
  };

  test('begins today and has a mark in each hour in which something is due', () => {
    const more =
      'schedules: { full: 17 2 * * *, incremental: 17 9-12 * * 1-5, schema: 18 2 * * 0, capture: false, watch: false }\n';
    expect(draw(more, now)).toEqual([
      'Fri 2026-11-20 · · F · · · x · · i i i i · · · · · · · · · · ·',
      'Sat 2026-11-21 · · F · · · x · · · · · · · · · · · · · · · · ·',
      'Sun 2026-11-22 · · Fs · · · x · · · · · · · · · · · · · · · · ·',
      'Mon 2026-11-23 · · F · · · x · · i i i i · · · · · · · · · · ·',
      'Tue 2026-11-24 · · F · · · x · · i i i i · · · · · · · · · · ·',
      'Wed 2026-11-25 · · F · · · x · · i i i i · · · · · · · · · · ·',
      'Thu 2026-11-26 · · F · · · x · · i i i i · · · · · · · · · · ·',
    ]);
  });

  test.each([
    // At 02:17 of that Sunday the clocks of Berlin and of New York show 03:00 already.
    ['Europe/Berlin', '2027-03-24T10:00:00Z', 'Sun 2027-03-28 · · · F'],
    ['America/New_York', '2027-03-10T12:00:00Z', 'Sun 2027-03-14 · · · F'],
    ['Europe/Berlin', '2026-10-21T10:00:00Z', 'Sun 2026-10-25 · · F ·'],
    ['America/New_York', '2026-10-28T12:00:00Z', 'Sun 2026-11-01 · · F ·'],
  ])('in which the clock of %s changes after %s has %s', (zone, at, row) => {
    const lines = draw(`time-zone: ${zone}\nschedules: { full: 17 2 * * *, ${quiet} }\n`, new Date(at));
    expect(lines).toHaveLength(7);
    expect(lines.filter((line) => line.includes('F'))).toHaveLength(7);
    expect(lines.some((line) => line.startsWith(row))).toBe(true);
  });

  test('begins with the day that a clock in the time zone shows', () => {
    const [first] = draw('time-zone: Pacific/Auckland\n', new Date('2026-11-20T20:00:00Z'));
    expect(first).toMatch(/^Sat 2026-11-21/);
  });
});
