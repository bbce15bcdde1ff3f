import * as v from 'valibot';
import { count, time } from '../fields.ts';
import type { Output } from './output.ts';
import { amount, backupId, listedBackup, share, text } from './values.ts';

/** What was stored, read back, restored, tried and removed. */
export const backupOutputs = {
  'backup-id': {
    value: backupId,
    operations: ['backup', 'capture', 'restore', 'drill', 'show', 'pin', 'unpin', 'gate', 'status'],
    description:
      'Id of the backup that was made, restored, shown or pinned; for `capture`, of the one it had to take, or empty; for `drill`, of the newest that works; for `gate`, of the one to go back to; ' +
      'for `status`, of the newest.',
  },
  'backup-type': {
    value: v.picklist(['full', 'incremental', 'schema']),
    operations: ['backup', 'show'],
    description:
      'What is stored: `full`, `incremental` or `schema`. An incremental backup that found nothing to build upon is `full`.',
  },
  tables: {
    value: count,
    operations: ['backup', 'restore', 'show', 'estimate'],
    description: 'Tables whose rows were copied, or would be.',
  },
  rows: {
    value: count,
    operations: ['backup', 'restore', 'show', 'estimate'],
    description: 'Rows copied; for `estimate`, about how many there are.',
  },
  bytes: {
    value: count,
    operations: ['backup', 'show', 'estimate'],
    description: 'Bytes of the backup before compression, or what they would be.',
  },
  'stored-bytes': {
    value: count,
    operations: ['backup', 'show', 'estimate'],
    description:
      'Bytes of the backup as stored, compressed and encrypted, whoever stored them first; for `estimate`, what they would be.',
  },
  'new-bytes': {
    value: count,
    operations: ['backup', 'capture', 'show', 'mirror', 'repair'],
    description:
      'Stored bytes that were added to the storage; for `mirror`, to all copies; for `repair`, that were healed.',
  },
  'base-id': {
    value: backupId,
    operations: ['backup'],
    description: 'Id of the backup that an incremental backup was built upon; empty for the others.',
  },
  'reused-share': {
    value: share,
    operations: ['backup'],
    description: 'Share of the bytes of the rows that an incremental backup did not read again, from 0 to 1.',
  },
  transactions: { value: count, operations: ['capture'], description: 'Transactions that were captured.' },
  changes: {
    value: count,
    operations: ['capture'],
    description: 'Rows inserted, updated or deleted by them.',
  },
  'captured-through': {
    value: time,
    operations: ['capture'],
    description: 'Until when everything that was committed is captured, ISO 8601.',
  },
  'lag-bytes': {
    value: count,
    operations: ['capture', 'status'],
    description:
      'Bytes of write-ahead log that the slot held when the capture began; for `status`, when it was last looked at, and empty when that was never, or it is gone.',
  },
  barrier: {
    value: text,
    operations: ['capture'],
    description:
      'Why changes alone cannot bring an older backup past this capture, so that a new one was taken; empty when they can.',
  },
  'lost-changes': {
    value: text,
    operations: ['capture'],
    description: 'Why changes since the capture before are lost for good; empty when none are.',
  },
  'recovered-to': {
    value: time,
    operations: ['restore', 'drill'],
    description: 'The point in time that was recovered to, ISO 8601; empty when only a backup was restored.',
  },
  'recoverable-from': {
    value: time,
    operations: ['status'],
    description:
      'The oldest time from which on any point in time can be recovered, without a gap until `recoverable-to`; empty without captures.',
  },
  'recoverable-to': {
    value: time,
    operations: ['status', 'managed'],
    description:
      'The newest point in time that can be recovered from the repository, ISO 8601; empty without backups.',
  },
  objects: {
    value: count,
    operations: ['backup', 'show'],
    description: 'Stored objects that the backup consists of.',
  },
  backups: {
    value: count,
    operations: ['validate', 'cleanup', 'list'],
    description: 'Backups that were checked, are left, or are listed.',
  },
  removed: {
    value: count,
    operations: ['cleanup'],
    description: 'Backups that were removed, or would be in a dry run.',
  },
  'removed-objects': {
    value: count,
    operations: ['cleanup'],
    description: 'Stored objects that were removed.',
  },
  'removed-bytes': {
    value: count,
    operations: ['cleanup'],
    description: 'Bytes of storage that were freed.',
  },
  'marked-objects': {
    value: count,
    operations: ['cleanup'],
    description: 'Stored objects that nothing needs and that will be removed after the grace period.',
  },
  retained: {
    value: count,
    operations: ['cleanup'],
    description:
      'Stored files that the storage did not let go: a retention lock, or credentials without that right.',
  },
  list: {
    value: v.array(listedBackup),
    operations: ['list'],
    description: 'The backups, newest first, as a JSON array of objects.',
  },
  'objects-checked': {
    value: count,
    operations: ['validate', 'repair'],
    description: 'Stored objects that were read back.',
  },
  damaged: {
    value: count,
    operations: ['validate', 'list'],
    description:
      'Backups of which something is missing or damaged; for `list`, those whose manifest is, which are not in `backups`.',
  },
  parity: {
    value: v.picklist(['equal', 'different', 'skipped']),
    operations: ['restore', 'drill'],
    description:
      'Whether the restored database is what the backup recorded: `equal`, `different`, or `skipped` when `verify` is `none` and with ' +
      '`side-schema`.',
  },
  'not-carried': {
    value: count,
    operations: ['restore', 'drill'],
    description:
      'How many lines of the comparison are otherwise than in the backup for a reason that the report gives; `equal` does not count them.',
  },
  'safety-backup-id': {
    value: backupId,
    operations: ['restore'],
    description: 'Id of the backup of the target that was taken before it was emptied; empty when none was.',
  },
  'target-kind': {
    value: v.picklist(['plain', 'supabase-image', 'supabase-project']),
    operations: ['restore'],
    description: 'What the target was taken for: `plain`, `supabase-image` or `supabase-project`.',
  },
  'rows-missing': {
    value: count,
    operations: ['restore'],
    description: 'With `side-schema`: rows of the backup that the live tables lack.',
  },
  'rows-changed': {
    value: count,
    operations: ['restore'],
    description: 'With `side-schema`: rows that are otherwise in the live tables.',
  },
  'rows-added': {
    value: count,
    operations: ['restore'],
    description: 'With `side-schema`: rows of the live tables that the backup lacks.',
  },
  drill: {
    value: v.picklist(['passed', 'fell-back', 'failed']),
    operations: ['drill'],
    description:
      '`passed`; `fell-back` when only a backup before the chosen one works; `failed` when none of those tried does.',
  },
  attempts: { value: count, operations: ['restore', 'drill'], description: 'Backups that were tried.' },
  'recovery-seconds': {
    value: amount,
    operations: ['drill', 'status'],
    description:
      'How long it took until the database could be used, in seconds; empty when no backup works. For `status`, by the newest drill that passed; empty when none has measured it.',
  },
} as const satisfies Record<string, Output>;
