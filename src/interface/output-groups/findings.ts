import * as v from 'valibot';
import { count, time } from '../fields.ts';
import { announced } from '../inputs/operations.ts';
import type { Output } from './output.ts';
import { amount, findings, layer, recordDifferences, share, text, yesOrNo } from './values.ts';

/** What was found about backups, those of the platform too, and in the records of them. */
export const findingOutputs = {
  gate: {
    value: v.picklist(['passed', 'backed-up', 'stopped']),
    operations: ['gate'],
    description:
      '`passed`; `backed-up` when a backup was taken first and the release may go on; `stopped` when it may not.',
  },
  destructive: {
    value: v.array(text),
    operations: ['gate'],
    description:
      'Migrations since `base-ref` that destroy data, as a JSON array of paths; empty when they were not looked at.',
  },
  status: {
    value: v.picklist(['healthy', 'broken']),
    operations: ['status', 'managed'],
    description:
      "`healthy`, or `broken` when a limit is, or the slot of captures is lost; for `managed`, when something is wrong with Supabase's own backups.",
  },
  findings: {
    value: findings,
    operations: ['status', 'managed'],
    description:
      'What is wrong and what is worth knowing, as a JSON array of objects with `kind`, `severity`, `limit`, `measured`, `unit`, `since`, `sentence` and `remedy`; docs/status.md has the kinds.',
  },
  'project-ref': {
    value: text,
    operations: ['managed', 'restore'],
    description: 'The project that was asked about, or that the platform was asked to restore.',
  },
  'project-status': {
    value: text,
    operations: ['managed', 'restore'],
    description: 'Its state as the platform calls it, such as `ACTIVE_HEALTHY`; empty when it was not read.',
  },
  plan: {
    value: text,
    operations: ['managed'],
    description: 'The plan of its organization, such as `pro`; empty when it was not read.',
  },
  'managed-layer': {
    value: v.picklist(['daily', 'pitr', 'none']),
    operations: ['managed'],
    description:
      'What Supabase can restore: `daily` backups, any second (`pitr`), or `none`; empty when it was not read.',
  },
  'managed-from': {
    value: time,
    operations: ['managed', 'restore'],
    description:
      'The oldest time that Supabase can restore, ISO 8601; empty when there is none, or it was not read.',
  },
  'managed-to': {
    value: time,
    operations: ['managed', 'restore'],
    description: 'The newest such time, ISO 8601.',
  },
  'managed-backups': {
    value: count,
    operations: ['managed'],
    description:
      'How many daily backups of Supabase can be restored; empty when that was not read, and for point-in-time recovery.',
  },
  'retention-days': {
    value: amount,
    operations: ['managed'],
    description: 'For how many days the plan keeps backups; 0: it has none; empty when that was not read.',
  },
  'pitr-days': {
    value: count,
    operations: ['managed'],
    description:
      'How many days the add-on for point-in-time recovery reaches back; 0 without it; empty when that was not read.',
  },
  'managed-schedule': {
    value: text,
    operations: ['managed'],
    description:
      'The time of day of the daily backup, UTC; empty when that was not read, and with plans that do not tell it.',
  },
  better: {
    value: v.strictObject({
      'newest-point': layer,
      'older-point': layer,
      'whole-project': layer,
      part: layer,
      'deleted-project': layer,
    }),
    operations: ['managed'],
    description:
      'Which layer is better to bring back what, as a JSON object: `newest-point`, `older-point`, `whole-project`, `part` and `deleted-project`, each ' +
      '`platform`, `repository`, `both`, `neither` or `not measured`; empty without a storage.',
  },
  'managed-restore': {
    value: v.picklist(['back', 'unconfirmed', 'waiting', 'failed', 'planned']),
    operations: ['restore'],
    description:
      'With `managed`: `back` when the project was seen to leave and to come back; `unconfirmed` when it was never seen to leave; `waiting` when the time to ' +
      'wait was over; `failed`; `planned` for a dry run.',
  },
  'report-path': { value: text, operations: ['report'], description: 'The file or folder that was written.' },
  'broken-findings': {
    value: count,
    operations: ['report'],
    description:
      'How many limits are broken, over all databases of the report, and databases that could not be read.',
  },
  'longest-gap-seconds': {
    value: amount,
    operations: ['status'],
    description:
      'The longest time of the last seven days of which no point can be recovered, in seconds; empty when there is no backup.',
  },
  'success-share': {
    value: share,
    operations: ['status'],
    description:
      'Share of the recorded runs of the last 30 days that are done, from 0 to 1; empty when none is recorded.',
  },
  'age-seconds': {
    value: amount,
    operations: ['gate', 'status'],
    description: 'How old the newest backup with rows is, in seconds; empty when there is none.',
  },
  'verified-age-seconds': {
    value: amount,
    operations: ['gate', 'status'],
    description: 'How long ago a backup was last verified, in seconds; empty when none was.',
  },
  'drilled-age-seconds': {
    value: amount,
    operations: ['gate', 'status'],
    description: 'How long ago a drill last passed, in seconds; empty when none has.',
  },
  'server-major': {
    value: count,
    operations: ['show'],
    description: 'Major version of PostgreSQL of the server that was backed up, such as `17`.',
  },
  workflows: {
    value: count,
    operations: ['schedule', 'init'],
    description: 'Workflows that the policy asks for.',
  },
  drift: {
    value: yesOrNo,
    operations: ['schedule'],
    description: 'Whether the workflows were otherwise than the policy says: `true` or `false`.',
  },
  announced: {
    value: yesOrNo,
    operations: [...announced, 'alarm'],
    description:
      'Of the action: `true` where it failed, or its answer is no, and those were told who are to be told; a job after it need not (docs/alarms.md).',
  },
  records: {
    value: count,
    operations: ['records'],
    description: 'Records of runs, restores and drills in the repository, each of which has rows.',
  },
  'rows-written': {
    value: count,
    operations: ['records'],
    description: 'With `rebuild`: rows that were inserted or corrected, or would be in a dry run.',
  },
  'records-missing': {
    value: count,
    operations: ['records'],
    description: 'With `verify`: rows that the repository has and the database lacks.',
  },
  'records-different': {
    value: count,
    operations: ['records'],
    description: 'With `verify`: rows that are otherwise than in the repository.',
  },
  'records-surplus': {
    value: count,
    operations: ['records'],
    description: 'With `verify`: rows that no record of the repository makes.',
  },
  'records-differences': {
    value: recordDifferences,
    operations: ['records'],
    description:
      'With `verify`: those rows, as a JSON array of objects with `kind`, `table`, `id` and `part`; the first thousand.',
  },
} as const satisfies Record<string, Output>;
