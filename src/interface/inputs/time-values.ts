import { day, hour, minute, week } from '../../values/duration.ts';
import { findNearest } from '../../values/nearest.ts';
import { type AskedPeriod, readPeriod } from '../../values/period.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import { list, Problem, patterned, quoteHarmless } from './values.ts';

/* Parsers for times, intervals, and choices by time. Each throws only `Problem`, as those of values.ts. */

/** The words that select a backup to restore, in addition to its id. */
export const drillable = ['latest', 'latest-verified', 'before:<time>', 'random:<interval>'];

/** The words that select backups without a value behind them */
const idWords = ['latest', 'latest-verified', 'all'];

/** The beginning of an id, or all of it: as many characters as somebody cared to write */
const idBeginning = /^\d{1,8}$|^\d{8}T\d{0,6}$|^\d{8}T\d{6}Z(-[0-9a-f]{0,4})?$/;

export function parseBackupId(text: string): string {
  if (idWords.includes(text) || idBeginning.test(text)) return text;
  const [, interval] = /^random:(.*)$/.exec(text) ?? [];
  if (interval !== undefined) return `random:${parseInterval(interval)}`;
  const [, time] = /^before:(.*)$/.exec(text) ?? [];
  if (time === undefined) {
    const near = findNearest(text, idWords);
    throw new Problem(
      `cannot be ${quoteHarmless(text)}`,
      `${near === undefined ? '' : `Did you mean ${near}? `}Write an id such as 20261120T021700Z-7f3a, its beginning, latest, latest-verified, all, before:<time> or random:<interval>.`,
    );
  }
  const date = parseTime(time);
  if (date !== undefined) return `before:${date.toISOString()}`;
  throw new Problem(
    `contains no time: ${JSON.stringify(time)}`,
    'Write it with a time zone, as in before:2026-11-20T06:00:00Z.',
  );
}

/** Returns `latest`, or an ISO 8601 time in UTC to the microsecond, the precision of commit times. */
export function parseRecoveryTarget(text: string): string {
  if (text === 'latest') return text;
  const date = /^\d{4}-\d\d-\d\d[T ]\d/.test(text) ? parseTime(text) : undefined;
  if (date === undefined) {
    throw new Problem(
      `is not a point in time: ${JSON.stringify(text)}`,
      'Write date and time with a time zone, as in 2026-11-20T14:30:00Z, or latest.',
    );
  }
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return date.toISOString().replace(/\.\d+Z$/, `.${fraction.slice(0, 6).padEnd(6, '0')}Z`);
}

/** Undefined for a time without a zone, which would mean a different time on every machine. */
function parseTime(text: string): Date | undefined {
  const isAbsolute = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const date = new Date(text.replace(' ', 'T'));
  return isAbsolute && !Number.isNaN(date.getTime()) ? date : undefined;
}

const intervalUnits: Readonly<Record<string, number>> = { h: hour, d: day, w: week };

const interval = /^(?!0+\D)\d{1,5}[hdw]$/;

/** Parses `36h`, `7d` or `2w` into milliseconds. */
export const parseInterval = patterned(interval, (text) => {
  if (interval.test(text)) return Number(text.slice(0, -1)) * (intervalUnits[text.slice(-1)] ?? Number.NaN);
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write hours, days or weeks, such as 36h, 7d or 2w.',
  );
});

/** Parses `2026`, `2026-Q3`, `2026-10` or `90d`. */
export function parsePeriod(text: string): AskedPeriod {
  const period = readPeriod(text);
  if (period !== undefined) return period;
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write a year, a quarter or a month, such as 2026, 2026-Q3 or 2026-10, or an interval such as 90d.',
  );
}

export function parseTimeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new Problem(
      `is not a time zone: ${JSON.stringify(text)}`,
      'Write a name from the IANA time zone database, such as Europe/Berlin, or UTC.',
    );
  }
}

const retentionCounts = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'verified'] as const;

const retentionRule = [
  `(?:${retentionCounts.filter((name) => name !== 'verified').join('|')})=\\d{1,5}`,
  'verified=(?!0+(?!\\d))\\d{1,5}',
  `within=${interval.source.slice(1, -1)}`,
].join('|');
const twice = '(?![\\s\\S]*\\b([a-z]+)=[\\s\\S]*\\b\\1=)';
const retention = new RegExp(`^${twice}(?:${retentionRule})(?:[\\s,]+(?:${retentionRule}))*$`);

export const parseRetention = patterned(retention, (text): RetentionPolicy => {
  const policy = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within: 0, verified: 3 };
  const seen = new Set<string>();
  for (const rule of text.split(/[\s,]+/)) {
    const [, name = '', value = ''] = /^([a-z]+)=(\w+)$/.exec(rule) ?? [];
    const count = retentionCounts.find((known) => known === name);
    if (seen.has(name)) throw new Problem(`names ${name} twice`, 'Write each rule once.');
    seen.add(name);
    if (name === 'within') {
      policy.within = parseInterval(value);
    } else if (count !== undefined && /^\d{1,5}$/.test(value)) {
      policy[count] = Number(value);
    } else {
      throw new Problem(
        `cannot contain ${JSON.stringify(rule)}`,
        `Write rules such as daily=7 weekly=5 monthly=12; there are ${list(retentionCounts)}=<number> and within=<interval>.`,
      );
    }
  }
  if (policy.verified < 1) {
    throw new Problem(
      'cannot have verified=0',
      'Write verified=1 or more: the newest verified backup always stays.',
    );
  }
  return policy;
});

const shortUnits: Readonly<Record<string, number>> = { s: 1000, m: minute, h: hour, d: day };

const duration = /^(?!0+\D)\d{1,6}[smhd]$/;

/** Parses `90s`, `30m` or `4h` into milliseconds. */
export const parseDuration = patterned(duration, (text) => {
  if (duration.test(text)) return Number(text.slice(0, -1)) * (shortUnits[text.slice(-1)] ?? Number.NaN);
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write seconds, minutes, hours or days, such as 90s, 30m or 4h.',
  );
});
