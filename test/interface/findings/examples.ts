import type { FindingKind, FindingOf } from '../../../src/interface/findings/finding.ts';

const hour = 3_600_000;
const bare = { limit: undefined, measured: undefined, since: undefined } as const;
const since = new Date('2026-11-20T10:00:00Z');
const comparison = { backup: 'a', backupKind: 'full', points: 7 } as const;
const broken = { severity: 'broken', limit: 26 * hour, measured: 30 * hour, since } as const;

/** A finding of every kind; the compiler names a kind that is missing. */
export const examples: { readonly [Kind in FindingKind]: FindingOf<Kind> } = {
  'max-age': { kind: 'max-age', ...broken, newestPoint: 'backup' },
  'verified-within': { kind: 'verified-within', ...broken, measured: undefined, since: undefined },
  'drilled-within': { kind: 'drilled-within', ...broken },
  'slot-lost': {
    ...{ kind: 'slot-lost', severity: 'broken', ...bare, since },
    ...{ slot: 'supabase_backup_0123abcd', seenAt: since },
  },
  'slot-lag': {
    ...{ kind: 'slot-lag', severity: 'warning', limit: 2e9, measured: 3e9, since },
    ...{ slot: 'supabase_backup_0123abcd', safeBytes: 1e9, seenAt: since },
  },
  'managed-off': {
    ...{ kind: 'managed-off', severity: 'broken', ...bare, measured: 0 },
    ...{ why: 'plan', plan: 'free' },
  },
  'managed-late': { kind: 'managed-late', ...broken, what: 'backup', newest: since },
  'managed-failed': {
    ...{ kind: 'managed-failed', severity: 'broken', ...bare, measured: 2, since },
    ...{ what: 'backup', completed: since },
  },
  'managed-ending': { kind: 'managed-ending', severity: 'warning', ...bare, why: 'paused' },
  'managed-out-of-step': {
    ...{ ...broken, kind: 'managed-out-of-step', severity: 'warning', behind: 'repository' },
    ...{ ofRepository: since, ofPlatform: since },
  },
  'managed-unreadable': {
    ...{ kind: 'managed-unreadable', severity: 'broken', ...bare, measured: 1 },
    unread: [{ part: 'backups', cause: 'permission', missing: ['backups_read'] }],
  },
  'late-schedule': {
    ...{ kind: 'late-schedule', severity: 'warning', limit: 26 * hour, measured: 30 * hour, since },
    ...{ job: 'full', crons: ['17 2 * * *'], timeZone: 'UTC' },
  },
  'disabled-schedule': {
    ...{ kind: 'disabled-schedule', severity: 'warning', ...bare },
    ...{ workflow: 'supabase-backup.yml', jobs: ['full', 'archive'], state: 'disabled' },
  },
  'failed-runs': {
    ...{ kind: 'failed-runs', severity: 'warning', ...bare, measured: 3, since },
    ...{ job: 'full', lastClass: 'SourceError/connection' },
  },
  'old-backup': { kind: 'old-backup', ...broken, severity: 'warning' },
  'damaged-changes': {
    ...{ kind: 'damaged-changes', severity: 'warning' },
    ...{ ...bare, measured: 2, keys: ['a', 'b'] },
  },
  shrinkage: {
    ...{ kind: 'shrinkage', severity: 'warning', limit: 1.5, measured: 1, since },
    ...{ before: '20261120T100000Z-0000', rowsBefore: 3, rowsAfter: 1 },
  },
  'unusual-duration': {
    ...{ kind: 'unusual-duration', severity: 'warning', limit: hour, measured: 2 * hour, since },
    ...{ ...comparison, direction: 'jump', median: hour / 2 },
  },
  'unusual-size': {
    ...{ kind: 'unusual-size', severity: 'warning', limit: 4e6, measured: 1e6, since },
    ...{ ...comparison, direction: 'drop', median: 8e6 },
  },
  'unusual-rows': {
    ...{ kind: 'unusual-rows', severity: 'warning', limit: 2000, measured: 1000, since },
    ...{ ...comparison, direction: 'drop', median: 3000 },
  },
  'unreadable-manifests': {
    ...{ kind: 'unreadable-manifests', severity: 'warning' },
    ...{ ...bare, measured: 2, ids: ['a', 'b'] },
  },
  'damaged-backups': {
    ...{ kind: 'damaged-backups', severity: 'warning' },
    ...{ ...bare, measured: 2, since, ids: ['a', 'b'] },
  },
  'vanished-backups': {
    ...{ kind: 'vanished-backups', severity: 'warning' },
    ...{ ...bare, measured: 2, ids: ['a', 'b'] },
  },
  'hidden-versions': {
    ...{ kind: 'hidden-versions', severity: 'warning' },
    ...{ ...bare, measured: 4000, since, objects: 3 },
  },
  'mixed-encryption': {
    ...{ kind: 'mixed-encryption', severity: 'warning' },
    ...{ ...bare, measured: 2, all: 3, newestPlain: 'a' },
  },
  'failed-drill': {
    ...{ kind: 'failed-drill', severity: 'warning' },
    ...{ ...bare, since, backup: 'a', why: 'it is gone' },
  },
  'slow-recovery': {
    ...{ kind: 'slow-recovery', severity: 'warning', limit: hour, measured: 2 * hour, since, backup: 'a' },
  },
  'unmeasured-recovery': {
    ...{ kind: 'unmeasured-recovery', severity: 'note', ...bare },
    prediction: { milliseconds: 90_000, basis: 'restores', bytes: 9e8, bytesPerSecond: 1e7, runs: 3 },
  },
};
