import { clockToleranceMs } from '../../values/clock-tolerance.ts';
import { day } from '../../values/duration.ts';
import { compare } from '../../values/ordering.ts';
import { formatInterval, type RetentionPolicy } from '../../values/retention-policy.ts';

/*
 * Which backups stay. docs/retention.md states the rules and the guarantees;
 * test/repository/retention/policy.test.ts proves them over random histories.
 */

/** What retention must know about a backup. */
export interface RetentionCandidate {
  readonly id: string;
  readonly kind: 'full' | 'incremental' | 'schema';
  /** The time of the database state that the backup holds; all rules refer to it. */
  readonly snapshotAt: Date;
  readonly finishedAt: Date;
  readonly pinned: boolean;
  readonly verifiedAt: Date | null;
  readonly damagedAt: Date | null;
}

export interface RetentionDecision<Backup> {
  readonly backup: Backup;
  readonly keep: boolean;
  /** The rules that keep it, or why none does; never empty. */
  readonly reasons: readonly string[];
}

type Period = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly';

/** The bucket of each period that a time falls into, written for people. Equal texts mean the same bucket. */
type Buckets = Readonly<Record<Period, string>>;

const periods: Readonly<Record<Period, string>> = {
  hourly: 'hours',
  daily: 'days',
  weekly: 'weeks',
  monthly: 'months',
  yearly: 'years',
};
const periodNames = Object.keys(periods) as readonly Period[];

/**
 * Decides for every backup whether it stays, in the given order. A pure function: the same arguments give the
 * same plan, and a plan for the remaining backups keeps all of them.
 *
 * @param timeZone a name of the IANA database; decides when hours, days, weeks, months and years begin
 */
export function planRetention<Backup extends RetentionCandidate>(
  backups: readonly Backup[],
  policy: RetentionPolicy,
  { now, timeZone }: { now: Date; timeZone: string },
): RetentionDecision<Backup>[] {
  if (hasNoRule(policy)) {
    return backups.map((backup) => ({ backup, keep: true, reasons: ['the policy has no rule'] }));
  }
  const nameBuckets = createBucketing(timeZone);
  // A backup of definitions alone neither replaces a backup with rows nor displaces one.
  const isSchema = ({ kind }: Backup) => kind === 'schema';
  const withRows = backups.filter((backup) => !isSchema(backup));
  const decideWithRows = weighGroup(withRows, policy, now, nameBuckets);
  const decideSchema = weighGroup(backups.filter(isSchema), policy, now, nameBuckets);
  return backups.map((backup) => (isSchema(backup) ? decideSchema : decideWithRows)(backup));
}

function hasNoRule(policy: RetentionPolicy): boolean {
  return policy.last === 0 && policy.within === 0 && periodNames.every((period) => policy[period] === 0);
}

/** Applies the policy to the backups of a group; the returned function decides for each of them. */
function weighGroup<Backup extends RetentionCandidate>(
  group: readonly Backup[],
  policy: RetentionPolicy,
  now: Date,
  nameBuckets: (time: Date) => Buckets,
): (backup: Backup) => RetentionDecision<Backup> {
  const latest = now.getTime() + clockToleranceMs;
  const isFuture = ({ snapshotAt, finishedAt }: Backup) =>
    snapshotAt.getTime() > latest || finishedAt.getTime() > latest;
  const good = group
    .filter((backup) => backup.damagedAt === null && !isFuture(backup))
    .sort(newestFirst)
    .map((backup) => ({ backup, buckets: nameBuckets(backup.snapshotAt) }));
  const verified = good.filter(({ backup }) => backup.verifiedAt !== null);
  const kept = new Map<Backup, Set<string>>();
  const keep = (backup: Backup | undefined, reason: string) => {
    if (backup === undefined) return;
    kept.set(backup, (kept.get(backup) ?? new Set()).add(reason));
  };

  for (const backup of group) {
    if (backup.pinned) keep(backup, 'pinned');
    if (isFuture(backup)) keep(backup, 'in the future');
  }
  keep(good[0]?.backup, 'newest');
  keep(verified[0]?.backup, 'newest verified');
  applyRules(good, policy, now, keep);
  // Unproven backups, and backups that a person with a stolen key writes, may take places among all backups,
  // but none among the verified ones.
  applyRules(verified, policy, now, (backup, reason) => {
    if (!kept.get(backup)?.has(reason)) keep(backup, `${reason} of the verified`);
  });
  for (const { backup } of verified.slice(1, policy.verified))
    keep(backup, `newest ${policy.verified} verified`);

  const newestVerified = verified[0]?.backup;
  const positions = new Map(good.map(({ backup, buckets }) => [backup, buckets]));
  const explain = createExplanation(good, policy);
  return (backup) => {
    const reasons = kept.get(backup);
    if (reasons !== undefined) return { backup, keep: true, reasons: [...reasons] };
    const buckets = positions.get(backup);
    if (buckets !== undefined) return { backup, keep: false, reasons: explain(buckets) };
    return newestVerified !== undefined && newestFirst(newestVerified, backup) < 0
      ? { backup, keep: false, reasons: [`damaged, and ${newestVerified.id} is newer and verified`] }
      : { backup, keep: true, reasons: ['damaged, but no newer one is verified'] };
  };
}

interface RetentionPosition<Backup> {
  readonly backup: Backup;
  readonly buckets: Buckets;
}

/** @param positions newest first */
function applyRules<Backup extends RetentionCandidate>(
  positions: readonly RetentionPosition<Backup>[],
  policy: RetentionPolicy,
  now: Date,
  keep: (backup: Backup, reason: string) => void,
): void {
  for (const { backup } of positions.slice(0, policy.last)) keep(backup, `last ${policy.last}`);
  if (policy.within > 0) {
    const since = now.getTime() - policy.within;
    for (const { backup } of positions)
      if (backup.snapshotAt.getTime() >= since) keep(backup, `within ${formatInterval(policy.within)}`);
  }
  for (const period of periodNames) {
    const newest = takeNewestBuckets(positions, period, policy[period]);
    const represented = new Set<string>();
    for (const { backup, buckets } of positions) {
      const bucket = buckets[period];
      if (!newest.has(bucket) || represented.has(bucket)) continue;
      represented.add(bucket);
      keep(backup, `${period} ${bucket}`);
    }
  }
}

/**
 * Returns the `count` newest buckets that have a backup.
 *
 * @param positions newest first
 */
function takeNewestBuckets<Backup>(
  positions: readonly RetentionPosition<Backup>[],
  period: Period,
  count: number,
): Set<string> {
  const newest = new Set<string>();
  for (const { buckets } of positions) {
    if (newest.size >= count) break;
    newest.add(buckets[period]);
  }
  return newest;
}

/** Makes the function that explains, for a backup that no rule keeps, what each rule keeps instead. */
function createExplanation<Backup>(
  good: readonly RetentionPosition<Backup>[],
  policy: RetentionPolicy,
): (buckets: Buckets) => string[] {
  const active = periodNames
    .filter((period) => policy[period] > 0)
    .map((period) => ({ period, newest: takeNewestBuckets(good, period, policy[period]) }));
  return (buckets) => [
    ...(policy.last > 0 ? [`not one of the last ${policy.last}`] : []),
    ...(policy.within > 0 ? [`older than ${formatInterval(policy.within)}`] : []),
    ...active.map(({ period, newest }) =>
      newest.has(buckets[period])
        ? `${period} ${buckets[period]} has a newer one`
        : `${period} ${buckets[period]} is not one of the newest ${policy[period]} ${periods[period]}`,
    ),
  ];
}

function newestFirst(one: RetentionCandidate, other: RetentionCandidate): number {
  return other.snapshotAt.getTime() - one.snapshotAt.getTime() || compare(other.id, one.id);
}

/**
 * Names calendar buckets in a time zone. The offset from UTC is part of the hour: when a wall clock is set
 * back, one hour on it is two hours in time.
 */
function createBucketing(timeZone: string): (time: Date) => Buckets {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  return (time) => {
    const name = format.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    // With the offset added, the UTC fields of the Date are those of the wall clock.
    const wall = new Date(time.getTime() + parseOffset(name));
    const text = wall.toISOString();
    const date = text.slice(0, text.indexOf('T'));
    const year = date.slice(0, -6);
    return {
      hourly: `${date} ${pad(wall.getUTCHours())}h ${name.replace('GMT', 'UTC')}`,
      daily: date,
      weekly: nameWeek(wall),
      monthly: `${year}-${pad(wall.getUTCMonth() + 1)}`,
      yearly: year,
    };
  };
}

/** Parses `GMT`, `GMT+02:00` or `GMT-00:44:30` into milliseconds. */
function parseOffset(name: string): number {
  const [, sign, hours, minutes, seconds = '0'] = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name) ?? [];
  if (sign === undefined) return 0;
  const size = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  return sign === '-' ? -size : size;
}

/** Names the week of ISO 8601: it begins on Monday and belongs to the year of its Thursday. */
function nameWeek(wall: Date): string {
  const weekday = (wall.getUTCDay() + 6) % 7;
  const thursday = new Date(wall.getTime() + (3 - weekday) * day);
  const year = thursday.getUTCFullYear();
  const firstDay = new Date(0);
  // Date.UTC would read the years 0 to 99 as 1900 to 1999.
  firstDay.setUTCFullYear(year, 0, 1);
  const week = Math.floor((thursday.getTime() - firstDay.getTime()) / (7 * day)) + 1;
  return `${String(year).padStart(4, '0')}-W${pad(week)}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
