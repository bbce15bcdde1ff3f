import { announced, type Operation } from './inputs/operations.ts';

/**
 * Every output, defined once: the keys of `Outcome.outputs`, action.yml and `--json`. Whole numbers and bytes
 * are written without separators; the name of a duration contains its unit.
 */
export interface Output {
  /** The operations that set it. */
  readonly operations: readonly Operation[];
  readonly description: string;
}

const schema = {
  'backup-id': {
    operations: ['backup', 'capture', 'restore', 'drill', 'show', 'pin', 'unpin', 'gate', 'status'],
    description:
      'Id of the backup that was made, restored, shown or pinned; for `capture`, of the one it had to take, or empty; for `drill`, of the newest that works; for `gate`, of the one to go back to; ' +
      'for `status`, of the newest.',
  },
  'backup-type': {
    operations: ['backup', 'show'],
    description:
      'What is stored: `full`, `incremental` or `schema`. An incremental backup that found nothing to build upon is `full`.',
  },
  tables: { operations: ['backup', 'restore', 'show'], description: 'Tables whose rows were copied.' },
  rows: { operations: ['backup', 'restore', 'show'], description: 'Rows copied.' },
  bytes: { operations: ['backup', 'show'], description: 'Bytes of the backup before compression.' },
  'stored-bytes': {
    operations: ['backup', 'show'],
    description: 'Bytes of the backup as stored, compressed and encrypted, whoever stored them first.',
  },
  'new-bytes': {
    operations: ['backup', 'capture', 'show', 'mirror', 'repair'],
    description:
      'Stored bytes that were added to the storage; for `mirror`, to all copies; for `repair`, that were healed.',
  },
  'base-id': {
    operations: ['backup'],
    description: 'Id of the backup that an incremental backup was built upon; empty for the others.',
  },
  'reused-share': {
    operations: ['backup'],
    description: 'Share of the bytes of the rows that an incremental backup did not read again, from 0 to 1.',
  },
  transactions: { operations: ['capture'], description: 'Transactions that were captured.' },
  changes: { operations: ['capture'], description: 'Rows inserted, updated or deleted by them.' },
  'captured-through': {
    operations: ['capture'],
    description: 'Until when everything that was committed is captured, ISO 8601.',
  },
  'lag-bytes': {
    operations: ['capture', 'status'],
    description:
      'Bytes of write-ahead log that the slot held when the capture began; for `status`, when it was last looked at, and empty when that was never, or it is gone.',
  },
  barrier: {
    operations: ['capture'],
    description:
      'Why changes alone cannot bring an older backup past this capture, so that a new one was taken; empty when they can.',
  },
  'lost-changes': {
    operations: ['capture'],
    description: 'Why changes since the capture before are lost for good; empty when none are.',
  },
  'recovered-to': {
    operations: ['restore', 'drill'],
    description: 'The point in time that was recovered to, ISO 8601; empty when only a backup was restored.',
  },
  'recoverable-from': {
    operations: ['status'],
    description:
      'The oldest time from which on any point in time can be recovered, without a gap until `recoverable-to`; empty without captures.',
  },
  'recoverable-to': {
    operations: ['status'],
    description: 'The newest point in time that can be recovered, ISO 8601; empty without backups.',
  },
  objects: { operations: ['backup', 'show'], description: 'Stored objects that the backup consists of.' },
  backups: {
    operations: ['validate', 'cleanup', 'list'],
    description: 'Backups that were checked, are left, or are listed.',
  },
  removed: { operations: ['cleanup'], description: 'Backups that were removed, or would be in a dry run.' },
  'removed-objects': { operations: ['cleanup'], description: 'Stored objects that were removed.' },
  'removed-bytes': { operations: ['cleanup'], description: 'Bytes of storage that were freed.' },
  'marked-objects': {
    operations: ['cleanup'],
    description: 'Stored objects that nothing needs and that will be removed after the grace period.',
  },
  retained: {
    operations: ['cleanup'],
    description:
      'Stored files that the storage did not let go: a retention lock, or credentials without that right.',
  },
  list: { operations: ['list'], description: 'The backups, newest first, as a JSON array of objects.' },
  'objects-checked': {
    operations: ['validate', 'repair'],
    description: 'Stored objects that were read back.',
  },
  damaged: {
    operations: ['validate', 'list'],
    description:
      'Backups of which something is missing or damaged; for `list`, those whose manifest is, which are not in `backups`.',
  },
  parity: {
    operations: ['restore', 'drill'],
    description:
      'Whether the restored database is what the backup recorded: `equal`, `different`, or `skipped` when `verify` is `none` and with ' +
      '`side-schema`.',
  },
  'not-carried': {
    operations: ['restore', 'drill'],
    description:
      'How many lines of the comparison are otherwise than in the backup for a reason that the report gives; `equal` does not count them.',
  },
  'safety-backup-id': {
    operations: ['restore'],
    description: 'Id of the backup of the target that was taken before it was emptied; empty when none was.',
  },
  'target-kind': {
    operations: ['restore'],
    description: 'What the target was taken for: `plain`, `supabase-image` or `supabase-project`.',
  },
  'rows-missing': {
    operations: ['restore'],
    description: 'With `side-schema`: rows of the backup that the live tables lack.',
  },
  'rows-changed': {
    operations: ['restore'],
    description: 'With `side-schema`: rows that are otherwise in the live tables.',
  },
  'rows-added': {
    operations: ['restore'],
    description: 'With `side-schema`: rows of the live tables that the backup lacks.',
  },
  drill: {
    operations: ['drill'],
    description:
      '`passed`; `fell-back` when only a backup before the chosen one works; `failed` when none of those tried does.',
  },
  attempts: { operations: ['restore', 'drill'], description: 'Backups that were tried.' },
  'recovery-seconds': {
    operations: ['drill', 'status'],
    description:
      'How long it took until the database could be used, in seconds; empty when no backup works. For `status`, by the newest drill that passed; empty when none has measured it.',
  },
  gate: {
    operations: ['gate'],
    description:
      '`passed`; `backed-up` when a backup was taken first and the release may go on; `stopped` when it may not.',
  },
  destructive: {
    operations: ['gate'],
    description:
      'Migrations since `base-ref` that destroy data, as a JSON array of paths; empty when they were not looked at.',
  },
  status: {
    operations: ['status'],
    description: '`healthy`, or `broken` when a limit is, or the slot of captures is lost.',
  },
  findings: {
    operations: ['status'],
    description:
      'What is wrong and what is worth knowing, as a JSON array of objects with `kind`, `severity`, `limit`, `measured`, `unit`, `since`, `sentence` and `remedy`; docs/status.md has the kinds.',
  },
  'report-path': { operations: ['report'], description: 'The file or folder that was written.' },
  'broken-findings': {
    operations: ['report'],
    description:
      'How many limits are broken, over all databases of the report, and databases that could not be read.',
  },
  'longest-gap-seconds': {
    operations: ['status'],
    description:
      'The longest time of the last seven days of which no point can be recovered, in seconds; empty when there is no backup.',
  },
  'success-share': {
    operations: ['status'],
    description:
      'Share of the recorded runs of the last 30 days that are done, from 0 to 1; empty when none is recorded.',
  },
  'age-seconds': {
    operations: ['gate', 'status'],
    description: 'How old the newest backup with rows is, in seconds; empty when there is none.',
  },
  'verified-age-seconds': {
    operations: ['gate', 'status'],
    description: 'How long ago a backup was last verified, in seconds; empty when none was.',
  },
  'drilled-age-seconds': {
    operations: ['gate', 'status'],
    description: 'How long ago a drill last passed, in seconds; empty when none has.',
  },
  'server-major': {
    operations: ['show'],
    description: 'Major version of PostgreSQL of the server that was backed up, such as `17`.',
  },
  workflows: { operations: ['schedule'], description: 'Workflows that the policy asks for.' },
  drift: {
    operations: ['schedule'],
    description: 'Whether the workflows were otherwise than the policy says: `true` or `false`.',
  },
  announced: {
    operations: [...announced, 'alarm'],
    description:
      'Of the action: `true` where it failed, or its answer is no, and those were told who are to be told; a job after it need not (docs/alarms.md).',
  },
  records: {
    operations: ['records'],
    description: 'Records of runs, restores and drills in the repository, each of which has rows.',
  },
  'rows-written': {
    operations: ['records'],
    description: 'With `rebuild`: rows that were inserted or corrected, or would be in a dry run.',
  },
  'records-missing': {
    operations: ['records'],
    description: 'With `verify`: rows that the repository has and the database lacks.',
  },
  'records-different': {
    operations: ['records'],
    description: 'With `verify`: rows that are otherwise than in the repository.',
  },
  'records-surplus': {
    operations: ['records'],
    description: 'With `verify`: rows that no record of the repository makes.',
  },
  'records-differences': {
    operations: ['records'],
    description:
      'With `verify`: those rows, as a JSON array of objects with `kind`, `table`, `id` and `part`; the first thousand.',
  },
  copies: {
    operations: ['backup', 'capture', 'status', 'mirror'],
    description:
      'What became of each copy, as a JSON array of objects with `name`, `location`, `state` (`complete`, `incomplete`, `failed`), `copied`, `bytes`, `refused` and `lag`; empty without copies.',
  },
  copied: { operations: ['mirror'], description: 'Files that were copied, over all copies.' },
  refused: {
    operations: ['mirror', 'repair'],
    description: 'Files that were left out, because they are damaged or missing where they come from.',
  },
  'missing-backups': {
    operations: ['mirror'],
    description: 'Backups that a copy still lacks, over all copies; in a dry run, before it.',
  },
  'read-from': {
    operations: ['restore', 'drill', 'validate'],
    description: 'The copies that were read in place of the storage, or of parts of it; empty when none was.',
  },
  healed: { operations: ['repair'], description: 'Files that were stored again, or would be in a dry run.' },
  lost: {
    operations: ['repair'],
    description:
      'What is missing or damaged and no copy has whole, as a JSON array of objects with `key` and `why`.',
  },
  'next-run': { operations: ['schedule'], description: 'When the next scheduled run is due, ISO 8601.' },
  'missed-runs': {
    operations: ['schedule'],
    description: 'Scheduled runs of the last seven days that did not come; empty when GitHub was not asked.',
  },
  'duration-seconds': {
    operations: ['backup', 'capture', 'restore', 'drill', 'gate', 'mirror', 'repair'],
    description: 'How long the operation took, in seconds.',
  },
} as const satisfies Record<string, Output>;

export type OutputName = keyof typeof schema;

export const outputs: Readonly<Record<OutputName, Output>> = schema;
export const outputNames = Object.keys(schema) as readonly OutputName[];
