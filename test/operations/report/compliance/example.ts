import { createHash } from 'node:crypto';
import type { EvidenceFacts } from '../../../../src/operations/report/compliance/facts.ts';
import type { BackupSummary } from '../../../../src/repository/backups/catalog.ts';
import type { NamedRecord, RecordContent, RecordKind } from '../../../../src/repository/records.ts';
import { makeManifest } from '../../../repository/example.ts';
import { planOf, production } from '../../../schedule/setting.ts';

/*
 * A week of a shop: backups every night at 02:17, one of which failed and was made by hand in the morning, and
 * one of which never ran; a drill that was too slow, a restore of a table, and a cleanup.
 */

const minute = 60_000;
export const now = new Date('2026-11-20T12:00:00Z');
export const recipient = 'age1qpzry9x8gf2tvdw0s3jn54khce6mua7lqpzry9x8gf2tvdw0s3jn54khc';

const url = (run: number) => `https://github.com/acme/shop/actions/runs/${run}`;
const stampOf = (at: Date) => at.toISOString().replace(/[-:]|\.\d+/g, '');

/** The id of a backup or record of some time; the digits tell two of one second apart. */
export function idOf(time: string, digits = '0000'): string {
  return `${stampOf(new Date(time))}-${digits}`;
}

export function record<Kind extends RecordKind>(
  time: string,
  content: RecordContent<Kind>,
): NamedRecord<Kind> {
  const at = new Date(time);
  return { id: idOf(time), at, storedAt: at, content };
}

/** A run that began then and took some minutes. */
export function run(
  time: string,
  minutes: number,
  content: Partial<RecordContent<'runs'>>,
): NamedRecord<'runs'> {
  const end = new Date(Date.parse(time) + minutes * minute).toISOString();
  const number = 7000 + new Date(time).getUTCDate() * 10 + new Date(time).getUTCHours();
  return {
    ...record<'runs'>(end, {
      ...{
        operation: 'backup',
        startedAt: new Date(time).toISOString(),
        endedAt: end,
        outcome: 'done',
        exitCode: 0,
      },
      ...{
        failure: null,
        backup: null,
        backupType: null,
        actor: 'mona',
        run: { url: url(number), attempt: 1 },
      },
      ...{ version: '1.0.0', host: 'github-hosted', ...content },
    }),
    id: `${idOf(end)}000000000000`,
  };
}

export function backup(time: string, overrides: Partial<BackupSummary> = {}): BackupSummary {
  const at = new Date(time);
  return {
    ...{ id: idOf(time), kind: 'full', purpose: 'ordinary', label: null, snapshotAt: at, startedAt: at },
    finishedAt: new Date(at.getTime() + 4 * minute),
    ...{
      base: null,
      fullBecause: null,
      totals: { rows: 2400, bytes: 216_000, stored: 38_000, added: 11_000 },
    },
    ...{ serverVersion: 150018, source: { ...makeManifest().source, snapshotAt: at.toISOString() } },
    ...{ encrypted: true, pinned: false, verifiedAt: null, damagedAt: null, drilled: null },
    ...overrides,
  };
}

const nights = ['13', '14', '15', '17', '18', '20'].map((day) => `2026-11-${day}T02:17:00Z`);
const byHand = '2026-11-16T08:40:00Z';
export const madeAt = [...nights, byHand].sort();
const made = (time: string) => run(time, 4, { backup: idOf(time), backupType: 'full' });

export const refused = run('2026-11-16T02:17:00Z', 1, {
  ...{ outcome: 'failed', exitCode: 1, backupType: 'full' },
  failure: {
    class: 'SourceError/authentication',
    message: 'database-url: the server refuses the password of postgres',
    next: 'Set the secret DATABASE_URL to the password that the project has now.',
  },
});

export const drill = record<'drills'>('2026-11-18T05:20:00Z', {
  ...{
    backup: idOf('2026-11-18T02:17:00Z'),
    outcome: 'passed',
    why: null,
    fault: null,
    recovery: 18 * minute,
  },
  ...{ rtoTarget: 15 * minute, server: 'postgres@localhost:5432/postgres', phases: { total: 20 * minute } },
  ...{ recoveredTo: null, parity: true, checks: { asked: 2, failed: [] } },
});

export const slow = run('2026-11-18T05:00:00Z', 21, {
  ...{ operation: 'drill', backup: drill.content.backup, outcome: 'no', exitCode: 3 },
  failure: { class: 'rto', message: 'the backup failed its drill, or took too long', next: null },
});

export const restore = record<'restores'>('2026-11-19T10:06:00Z', {
  ...{
    backup: idOf('2026-11-18T02:17:00Z'),
    target: 'postgres@db.example.com:5432/postgres',
    actor: 'hubot',
  },
  ...{ run: `${url(7200)}, step restore`, recoveredTo: null, whole: false, kind: 'supabase-project' },
  ...{
    environment: 'production',
    confirmed: true,
    safetyBackup: null,
    staging: [],
    outcome: 'equal',
    why: null,
  },
  phases: { parity: minute, total: 6 * minute },
});

export const prune = record<'prunes'>('2026-11-20T06:02:00Z', {
  ...{ retention: { daily: 5, verified: 3, within: '0d' }, timeZone: 'UTC' },
  removed: [{ id: idOf('2026-11-13T02:17:00Z'), why: 'daily 2026-11-13 is not one of the newest 5 days' }],
  ...{
    kept: madeAt.slice(1).map((time) => idOf(time)),
    segments: 0,
    objects: { removed: 12, bytes: 9_400_000 },
  },
  ...{ marked: 7, retained: 1, hidden: { objects: 0, bytes: 0 } },
});

export const validation = record<'validations'>('2026-11-17T03:00:00Z', {
  share: 1,
  backups: [{ id: idOf('2026-11-17T02:17:00Z'), outcome: 'passed', opened: true }],
  damagedObjects: [],
});

export const policyText = [
  'alarms: { rpo-target: 36h, slack-webhook-url: SLACK }',
  'drill: { rto-target: 15m }',
  'retention: daily=5',
  'schedules:',
  "  full: '17 2 * * *'",
  "  drill: '0 5 18 * *'",
  "  cleanup: '0 6 20 * *'",
  '  incremental: false',
  '  schema: false',
  '  archive: false',
  '  capture: false',
].join('\n');

/** What is read of that week; a test names only what it is about. */
export function makeFacts(overrides: Partial<EvidenceFacts> = {}): EvidenceFacts {
  const runs = [
    ...madeAt.map(made),
    refused,
    run('2026-11-17T02:55:00Z', 6, { operation: 'validate' }),
    slow,
    run('2026-11-19T10:00:00Z', 7, { operation: 'restore', backup: restore.content.backup, actor: 'hubot' }),
    run('2026-11-20T06:00:00Z', 3, { operation: 'cleanup' }),
  ].sort((one, other) => one.at.getTime() - other.at.getTime());
  const stored = madeAt.slice(1).map((time) => {
    const verified = validation.content.backups.some(({ id }) => id === idOf(time));
    return backup(time, { verifiedAt: verified ? validation.at : null });
  });
  const records = {
    runs,
    drills: [drill],
    restores: [restore],
    prunes: [prune],
    validations: [validation],
    pins: [],
  };
  const sha256 = createHash('sha256').update('a manifest').digest('hex');
  return {
    now,
    period: { from: new Date('2026-11-13T00:00:00Z'), to: new Date('2026-11-20T12:00:00Z') },
    database: 'production',
    repository: {
      createdAt: new Date('2026-10-21T02:17:00Z'),
      ...{ id: '5f'.repeat(16), location: 's3://octo-backups/production', keyHeld: 'outside' },
      source: { database: 'postgres', systemIdentifier: '7300000000000000001' },
      keys: [
        ...stored.map(({ id }) => `backups/${id}.json`),
        ...Object.entries(records).flatMap(([kind, all]) =>
          all.map(({ id }) => `records/${kind}/${id}.json`),
        ),
        'records/runs/20261021T021800Z-0000000000000000.json',
      ].sort(),
    },
    managed: undefined,
    policy: {
      ...{
        file: '.github/supabase-backup.yml',
        sha256: createHash('sha256').update(policyText).digest('hex'),
      },
      ...{
        plan: production(planOf(policyText)),
        repository: 'acme/shop',
        timeZone: 'UTC',
        keepChanges: 8 * 1440 * minute,
      },
      retention: { last: 0, hourly: 0, daily: 5, weekly: 0, monthly: 0, yearly: 0, within: 0, verified: 3 },
      ...{ alarms: ['issues', 'Slack'], others: [] },
    },
    targets: { rto: 15 * minute, rpo: 36 * 60 * minute },
    by: { actor: 'auditor', run: { url: url(7300), attempt: 1 } },
    catalog: { backups: stored.toReversed(), damaged: [] },
    manifests: new Map(
      stored.map(({ id }) => [id, { sha256, encryption: { scheme: 'age', recipients: [recipient] } }]),
    ),
    newest: {
      ...{ id: idOf('2026-11-20T02:17:00Z'), tables: 14 },
      notCarried: [
        {
          what: 'password of role app',
          why: 'only a superuser reads passwords',
          remedy: 'Set it after a restore.',
        },
      ],
    },
    records,
    lastPrune: prune,
    changes: { stored: [], replayable: [] },
    vanished: [],
    unreadable: [],
    issues: [
      {
        ...{
          number: 31,
          url: 'https://github.com/acme/shop/issues/31',
          title: 'supabase-backup: backup of production fails',
        },
        body: `| latest | 2026-11-16 02:18 UTC in [backup run 7](${url(7162)}) |`,
        ...{ openedAt: new Date('2026-11-16T02:18:10Z'), closedAt: new Date('2026-11-16T08:44:20Z') },
      },
    ],
    approvals: new Map([[url(7200), [{ by: 'octocat', state: 'approved', environments: ['production'] }]]]),
    ...overrides,
  };
}
