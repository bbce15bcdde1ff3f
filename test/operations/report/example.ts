import { parseRetention } from '../../../src/interface/inputs/time-values.ts';
import type {
  DatabaseFacts,
  Records,
  ReportedDatabase,
  ReportFacts,
} from '../../../src/operations/report/facts.ts';
import type { StatusFacts } from '../../../src/operations/status/facts.ts';
import { judgeStatus } from '../../../src/operations/status/judge.ts';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import type { RecordContent, StoredRecord } from '../../../src/repository/records.ts';
import { planRetention } from '../../../src/repository/retention/policy.ts';
import { planJobs } from '../../../src/schedule/plan/plan.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { makeFacts } from '../managed/layers-example.ts';

/* Facts of a shop, in states that its dashboard is shown and tested in. */

const day = 24 * hour;
const million = 1e6;

/** A night's backup of a shop that grows by four rows in a thousand a day; some days are busier than others. */
export function nightly(index: number, hours = 9.7): BackupSummary {
  const rows = Math.round(2.4 * million * 0.996 ** index);
  const begun = ago(hours + 24 * index);
  return shelve(hours + 24 * index, {
    totals: {
      ...{ rows, bytes: rows * 900, stored: rows * 160 },
      added: 11 * million + 100_000 * ((index * 7) % 5),
    },
    encrypted: true,
    verifiedAt: index < 60 ? new Date(begun.getTime() + hour) : null,
    finishedAt: new Date(begun.getTime() + 190_000 + 4000 * ((index * 3) % 7)),
  });
}

function record<Content>(at: Date, content: Content): { at: Date; storedAt: Date; content: Content } {
  return { at, storedAt: at, content };
}

/** Runs of the backups, each under a scheduled workflow. */
function runOf({ id, startedAt, finishedAt, kind }: BackupSummary): StoredRecord<'runs'> {
  return record(new Date(finishedAt.getTime() + 2000), {
    ...{ operation: 'backup', startedAt: startedAt.toISOString(), endedAt: finishedAt.toISOString() },
    ...{ outcome: 'done' as const, exitCode: 0, failure: null, backup: id, backupType: kind },
    ...{ actor: 'schedule', version: '1.0.0', host: 'github-hosted' as const },
    run: { url: 'https://github.com/octo-org/shop/actions/runs/19840', attempt: 1 },
  });
}

export function failedRun(at: Date, message: string, operation = 'backup'): StoredRecord<'runs'> {
  return record(at, {
    ...{ operation, startedAt: new Date(at.getTime() - 9000).toISOString(), endedAt: at.toISOString() },
    ...{ outcome: 'failed' as const, exitCode: 1, backup: null, backupType: 'full' },
    failure: {
      class: 'SourceError/connection',
      message,
      next: 'See that the database is up, and run it again.',
    },
    ...{ actor: 'schedule', version: '1.0.0', host: 'github-hosted' as const },
    run: { url: 'https://github.com/octo-org/shop/actions/runs/19841', attempt: 1 },
  });
}

export function drill(at: Date, content: Partial<RecordContent<'drills'>> = {}): StoredRecord<'drills'> {
  return record(at, {
    ...{
      backup: nightly(Math.max(0, Math.floor((now.getTime() - at.getTime()) / day))).id,
      outcome: 'passed' as const,
    },
    ...{ why: null, recovery: 251_000, phases: {}, parity: true, checks: { asked: 4, failed: [] } },
    ...content,
  });
}

const drills = [
  drill(ago(5 * 24 * 31), { recovery: 214_000 }),
  drill(ago(4 * 24 * 31), { recovery: 226_000 }),
  drill(ago(3 * 24 * 31), { recovery: 1_260_000 }),
  drill(ago(2 * 24 * 31), {
    outcome: 'failed',
    recovery: null,
    parity: null,
    why: 'the server had no room left',
  }),
  drill(ago(24 * 31), { recovery: 239_000 }),
  drill(ago(80)),
];

const restores: Records['restores'] = [
  record(ago(24 * 12), {
    ...{
      backup: nightly(12).id,
      target: 'postgres@db.staging.example.com:5432/shop',
      actor: 'mara',
      run: 'machine 4711',
    },
    ...{ whole: true, outcome: 'equal' as const, why: null, phases: { total: 262_000 } },
  }),
];

const prunes: Records['prunes'] = [
  record(ago(6), {
    ...{ retention: { daily: 7 }, timeZone: 'UTC', marked: 3, retained: 0 },
    ...{
      removed: [{ id: '20260920T021800Z-0000', why: 'older' }],
      objects: { removed: 120, bytes: 91 * million },
    },
  }),
];

const policy = {
  action: `octo-org/supabase-backup@${'0'.repeat(40)}`,
  repository: 'octo-org/shop',
  databases: { shop: { 'database-url': 'DATABASE_URL', storage: 's3://bucket/production' } },
};

/** What a state consists of */
interface Shelf {
  readonly backups: readonly BackupSummary[];
  readonly drills?: Records['drills'];
  readonly runs?: Records['runs'];
  readonly status?: Partial<StatusFacts>;
  readonly facts?: Partial<DatabaseFacts>;
  /** No changes are captured after it */
  readonly windowsEndAt?: Date;
}

/** The facts of a database with these backups, newest first. */
export function describe(shelf: Shelf): DatabaseFacts {
  const { backups } = shelf;
  const records: Records = {
    ...{ validations: [], pins: [], prunes, restores, drills: shelf.drills ?? drills },
    runs: [...backups.toReversed().map(runOf), ...(shelf.runs ?? [])].sort(
      (one, other) => one.at.getTime() - other.at.getTime(),
    ),
  };
  const freshness = measureFreshness({ backups, damaged: [] }, [], records.drills, {
    now,
    warn: () => undefined,
  });
  const recoverable = {
    windows: freshness.usable.toReversed().map(({ snapshotAt }, index, all) => {
      const from = snapshotAt.toISOString();
      const isSpan = index >= all.length - 6 && index !== all.length - 3;
      const end = Math.min((shelf.windowsEndAt ?? ago(1 / 6)).getTime(), snapshotAt.getTime() + 23.9 * hour);
      const until = new Date(Math.max(snapshotAt.getTime(), end));
      return {
        from,
        to: isSpan ? until.toISOString() : from,
        gap: isSpan ? null : 'no changes were captured',
      };
    }),
    ...{ damaged: [], captured: true },
  };
  const planned = planJobs(policy, policy.repository).databases[0];
  if (planned === undefined) throw new Error('no database is planned');
  const status = judgeStatus({
    location: 's3://bucket/production',
    limits: { maxAge: 26 * hour, verifiedWithin: 8 * day, drilledWithin: 35 * day },
    ...{ freshness, recoverable, price: 0.023, vanished: [], prune: prunes.at(-1) },
    ...{ restores, runs: records.runs, unreadRuns: 0, createdAt: ago(24 * 180), now },
    ...{ capturedThrough: undefined, schedules: undefined, slotNow: undefined },
    ...{ managed: undefined, newestCommit: undefined },
    stored: {
      objects: 713 * million,
      manifests: 1.26 * million,
      changes: 40_000,
      records: 41_000,
      others: 22_300,
    },
    ...shelf.status,
  });
  const retention = parseRetention('daily=75 weekly=5 monthly=12');
  return {
    ...{ kind: 'read', name: 'shop', location: 's3://bucket/production', status, freshness, records },
    recoverable: status.recoverable,
    place: {
      ...{ storage: 's3://bucket/production', 's3-endpoint': undefined },
      ...{ 's3-region': 'eu-central-1', 's3-addressing': undefined },
    },
    retention: {
      ...{
        policy: retention,
        timeZone: 'UTC',
        keepChanges: 8 * day,
        changes: { stored: [], replayable: [] },
      },
      decisions: planRetention(backups, retention, { now, timeZone: 'UTC' }),
    },
    rtoTarget: 900_000,
    repository: {
      ...{
        id: 'a'.repeat(32),
        source: { systemIdentifier: '7300000000000000001', database: 'shop' },
        format: 2,
      },
      ...{ keyHeld: 'repository', encryption: { scheme: 'age', recipients: ['age1example'] } },
    },
    newest: {
      ...{ id: backups[0]?.id ?? '', extensions: [], tool: { name: 'supabase-backup', version: '1.0.0' } },
      notCarried: [
        {
          what: 'the files of Storage',
          why: 'the database has only their names; their content is in an object store',
          remedy: 'Copy the buckets over the S3 protocol of Storage, for example with rclone.',
        },
        {
          what: 'passwords of app_owner',
          why: 'only a superuser can read them',
          remedy: 'Store them elsewhere, and set them after a restore with ALTER ROLE … PASSWORD.',
        },
      ],
      tables: [
        { schema: 'auth', name: 'users', rows: 81_204, bytes: 61 * million },
        { schema: 'billing', name: 'invoices', rows: 412_880, bytes: 390 * million },
        { schema: 'public', name: 'customers', rows: 81_204, bytes: 88 * million },
        { schema: 'public', name: 'orders', rows: 1_824_712, bytes: 1621 * million },
      ],
    },
    answers: {
      kind: 'read',
      backups: backups
        .slice(0, 30)
        .toReversed()
        .map(({ id, snapshotAt, totals }) => ({
          ...{ id, at: snapshotAt },
          answers: [
            { sql: 'SELECT count(*) FROM public.orders', sample: String(Math.round(totals.rows * 0.76)) },
          ],
        })),
    },
    planned: {
      ...{ database: planned, timeZone: 'UTC', repository: policy.repository },
      next: [
        { kind: 'capture', at: new Date(now.getTime() + 0.2 * hour) },
        { kind: 'incremental', at: new Date(now.getTime() + hour) },
        { kind: 'full', at: new Date(now.getTime() + 14.3 * hour) },
      ],
    },
    ...shelf.facts,
  };
}

const nights = Array.from({ length: 75 }, (_, index) => nightly(index));
/** Some nights of September went wrong. */
const kept = nights.filter((_, index) => ![52, 53, 54].includes(index));
const troubles = [
  failedRun(ago(24 * 17), 'the connection to db.example.com:5432 was refused'),
  failedRun(ago(24 * 53 + 9), 'the connection to db.example.com:5432 was refused'),
  failedRun(ago(24 * 54 + 9), 'the connection to db.example.com:5432 was refused'),
];

const late = nights.slice(2).map((backup) => backup);
const [newest, ...others] = nights;
if (newest === undefined) throw new Error('there are no nights');

/** The states that the page is shown in */
export const states = {
  good: () => describe({ backups: kept, runs: troubles }),
  late: () =>
    describe({
      backups: late,
      runs: [
        ...troubles,
        failedRun(ago(33.7), 'the password of postgres at db.example.com:5432 was refused'),
        failedRun(ago(9.7), 'the password of postgres at db.example.com:5432 was refused'),
      ],
      drills: [
        ...drills.slice(0, -1),
        drill(ago(80), {
          ...{ outcome: 'failed', recovery: 262_000, fault: 'checks' },
          why: 'check 2 is false: SELECT count(*) > 100000 FROM public.orders',
        }),
      ],
    }),
  'slot-lost': () =>
    describe({
      backups: kept,
      runs: troubles,
      windowsEndAt: ago(27.5),
      status: {
        slotNow: {
          at: ago(0.3),
          state: {
            ...{ name: 'supabase_backup_0123abcd', retainedBytes: 0, safeBytes: null },
            ...{ walStatus: 'lost' as const, isActive: false },
          },
        },
      },
    }),
  shrinking: () =>
    describe({
      backups: [{ ...newest, totals: { ...newest.totals, rows: 900_000, bytes: 900_000 * 900 } }, ...others],
    }),
} as const;

/** Both layers: Supabase's own backup of last night has failed, and the repository's has not. */
export const bothLayers = (): DatabaseFacts => {
  const failed = { status: 'FAILED', at: ago(9), isPhysical: true };
  const completed = Array.from({ length: 6 }, (_, index) => {
    return { status: 'COMPLETED', at: ago(33 + 24 * index), isPhysical: true };
  });
  const listing = { isPitr: false, earliest: undefined, latest: undefined };
  const backups = { kind: 'read' as const, value: { ...listing, backups: [failed, ...completed] } };
  return describe({ backups: kept, runs: troubles, status: { managed: makeFacts({ backups }) } });
};

/** A report about these databases */
export function report(databases: readonly ReportedDatabase[], isPublic = false): ReportFacts {
  return { kind: 'dashboard', at: now, version: '1.0.0', isPublic, databases };
}

export const unreadable: ReportedDatabase = {
  kind: 'unreadable',
  ...{ name: 'archive', location: 's3://bucket/archive' },
  why: 'storage: there is no repository at s3://bucket/archive',
  next: 'Correct the location. The first backup creates a repository.',
};
