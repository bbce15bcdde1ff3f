import { type FindingKind, findingKinds, isLimit, limitKinds } from '../../interface/findings/finding.ts';
import { type Gauge, renderOpenMetrics, type Sample } from '../../report/openmetrics.ts';
import { toolVersion } from '../../runtime/version.ts';
import { findEnds } from '../managed/result.ts';
import type { Status } from './result.ts';

/** What stands before the name of every metric. A name is a promise: dashboards and alarms ask for it. */
const prefix = 'supabase_backup_';

/**
 * Renders the status as OpenMetrics. An event is told by its time: an age would stand still when nobody asks
 * any more. No label names a backup, so that none is left behind that keeps an alarm ringing.
 *
 * @param database what the database is called; the location of the storage by default
 */
export function renderMetrics(status: Status, database = status.location): string {
  const gauges = [
    ...listEvents(status),
    ...listMeasures(status),
    ...listWatched(status),
    ...listFindings(status),
    ...listOrigins(status),
  ];
  return renderOpenMetrics(
    gauges.map((gauge) => ({
      ...gauge,
      name: `${prefix}${gauge.name}`,
      samples: gauge.samples.map(({ labels, value }) => ({ labels: { database, ...labels }, value })),
    })),
  );
}

/** Lists when something happened last, in seconds since 1970. */
function listEvents(status: Status): Gauge[] {
  const { attempts, verified, drilled, recoverable, slot, managed } = status;
  const ends = managed && findEnds(managed.platform);
  const newest = recoverable.windows.at(-1);
  const event = (name: string, help: string, samples: readonly Sample[]): Gauge => {
    return { name: `${name}_timestamp_seconds`, unit: 'seconds', help, samples };
  };
  return [
    event('status', 'When all of this was measured.', [time(status.at)]),
    event(
      'last_success',
      'When the newest backup of the kind ended.',
      newestByKind(status, (backup) => toSeconds(backup.finishedAt)),
    ),
    event(
      'last_attempt',
      'When a run of the kind last ended, however it did.',
      [...attempts].map(([kind, at]) => ({ labels: { kind }, value: toSeconds(at) })),
    ),
    event('last_verified', 'When a backup was last read back whole.', verified ? [time(verified.at)] : []),
    event('last_drill_success', 'When a drill last passed.', drilled ? [time(drilled.at)] : []),
    event(
      'recoverable_from',
      'The oldest time from which on any point in time can be recovered; only with captured changes.',
      recoverable.captured && newest ? [time(new Date(newest.from))] : [],
    ),
    event(
      'recoverable_to',
      'The newest point in time that can be recovered.',
      newest ? [time(new Date(newest.to))] : [],
    ),
    event(
      'managed_recoverable_from',
      "The oldest time that Supabase's own backups can restore; only where it was asked.",
      ends === undefined ? [] : [time(ends.oldest)],
    ),
    event(
      'managed_recoverable_to',
      "The newest time that Supabase's own backups can restore; only where it was asked.",
      ends === undefined ? [] : [time(ends.newest)],
    ),
    event('slot_seen', 'When the slot of captures was last looked at.', slot ? [time(slot.at)] : []),
  ];
}

function listMeasures(status: Status): Gauge[] {
  const { gap, recovery, location, stored, growth } = status;
  const duration = (name: string, help: string, milliseconds: readonly number[]): Gauge => {
    return { name, unit: 'seconds', help, samples: milliseconds.map((each) => sample(each / 1000)) };
  };
  return [
    {
      ...{
        name: 'last_duration_seconds',
        unit: 'seconds',
        help: 'How long the newest backup of the kind took.',
      },
      samples: newestByKind(
        status,
        ({ startedAt, finishedAt }) => (finishedAt.getTime() - startedAt.getTime()) / 1000,
      ),
    },
    {
      ...{
        name: 'last_size_bytes',
        unit: 'bytes',
        help: 'Size of the newest backup of the kind before compression.',
      },
      samples: newestByKind(status, ({ totals }) => totals.bytes),
    },
    {
      ...{ name: 'last_rows', help: 'Rows of the newest backup of the kind.' },
      samples: newestByKind(status, ({ totals }) => totals.rows),
    },
    {
      ...{ name: 'stored_bytes', unit: 'bytes', help: 'What the storage holds, whichever backup needs it.' },
      samples: Object.entries(stored).map(([content, value]) => ({
        labels: { storage: location, content },
        value,
      })),
    },
    {
      ...{
        name: 'month_growth_bytes',
        unit: 'bytes',
        help: 'What backups add in 30 days, as they did in the last.',
      },
      samples: growth.kind === 'measured' ? [sample(growth.bytes)] : [],
    },
    duration(
      'recovery_time_seconds',
      'How long a recovery took by the newest drill that passed.',
      recovery.kind === 'measured' ? [recovery.milliseconds] : [],
    ),
    duration(
      'longest_gap_seconds',
      'The longest time of the last seven days of which no point can be recovered.',
      gap ? [gap.length] : [],
    ),
  ];
}

/** Lists how the runs stand that make the backups. */
function listWatched({ slot, schedules, successRate }: Status): Gauge[] {
  const { retainedBytes, safeBytes = null, walStatus = 'lost' } = slot?.state ?? {};
  const jobs = schedules?.jobs ?? [];
  const operations = [...(successRate?.operations ?? [])];
  return [
    {
      ...{ name: 'slot_retained_bytes', unit: 'bytes' },
      help: 'Write-ahead log that the server keeps for the slot of captures.',
      samples: retainedBytes === undefined || walStatus === 'lost' ? [] : [sample(retainedBytes)],
    },
    {
      ...{ name: 'slot_safe_bytes', unit: 'bytes' },
      help: 'What may still be written until the server gives the slot up; only where it sets a limit.',
      samples: safeBytes === null ? [] : [sample(safeBytes)],
    },
    {
      ...{ name: 'schedule_enabled', help: 'Whether GitHub starts the schedule: 1, or 0 where it does not.' },
      samples: jobs.flatMap(({ kind, workflow }) =>
        workflow === undefined ? [] : [{ labels: { kind }, value: workflow.state === 'enabled' ? 1 : 0 }],
      ),
    },
    {
      ...{ name: 'recorded_runs', help: 'Runs of the last 30 days that are recorded, by how they ended.' },
      samples: operations.flatMap(([operation, counts]) =>
        (['done', 'no', 'failed'] as const).map((outcome) => {
          return { labels: { operation, outcome }, value: counts[outcome] };
        }),
      ),
    },
    {
      ...{ name: 'success_ratio', help: 'Which part of these runs is done, from 0 to 1.' },
      samples: operations.map(([operation, { done, runs }]) => {
        return { labels: { operation }, value: done / runs };
      }),
    },
  ];
}

/** Lists whether each limit that was asked for is broken, and of all other findings whether they were found. */
function listFindings({ findings, managed }: Status): Gauge[] {
  // What was not looked at was not found to be well.
  const others = (Object.keys(findingKinds) as FindingKind[]).filter(
    (kind) =>
      !limitKinds.some((limit) => limit === kind) && (managed !== undefined || !kind.startsWith('managed-')),
  );
  return [
    {
      ...{ name: 'limit_broken', help: 'Whether the limit is broken: 1, or 0 where it is met.' },
      samples: findings
        .filter(isLimit)
        .map(({ kind, severity }) => ({ labels: { limit: kind }, value: severity === 'broken' ? 1 : 0 })),
    },
    {
      ...{ name: 'finding', help: 'Whether this was found: 1, or 0 where it was not.' },
      samples: others.flatMap((kind) =>
        findingKinds[kind].severities.map((severity) => ({
          labels: { finding: kind, severity },
          value: findings.some((finding) => finding.kind === kind && finding.severity === severity) ? 1 : 0,
        })),
      ),
    },
  ];
}

function listOrigins(status: Status): Gauge[] {
  const version = { labels: { version: toolVersion }, value: 1 };
  const backups = { labels: {}, value: status.usable.length };
  return [
    { name: 'backups', help: 'Backups that a restore would use.', samples: [backups] },
    { name: 'info', help: 'The version of supabase-backup that measured this.', samples: [version] },
  ];
}

function newestByKind(
  { usable }: Status,
  measure: (backup: Status['usable'][number]) => number,
): readonly Sample[] {
  return (['full', 'incremental'] as const).flatMap((kind) => {
    const newest = usable.find((backup) => backup.kind === kind);
    return newest === undefined ? [] : [{ labels: { kind }, value: measure(newest) }];
  });
}

const sample = (value: number): Sample => ({ labels: {}, value });
const time = (date: Date): Sample => sample(toSeconds(date));

function toSeconds(date: Date): number {
  return date.getTime() / 1000;
}
