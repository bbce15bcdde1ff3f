import {
  alarmInputs,
  artifactInputs,
  clientInputs,
  connectionInputs,
  flag,
  placeInputs,
  projectInputs,
  proofInputs,
  type ReusableInput,
  tableInputs,
  text,
} from './reusable-inputs.ts';

/*
 * The inputs, secrets and permissions of our reusable workflows. The generated workflows pass nothing else,
 * and a test compares this list with the files in .github/workflows. docs/schedule.md says why.
 */

export interface ReusableWorkflow {
  /** In .github/workflows of this repository */
  readonly file: string;
  readonly inputs: Readonly<Record<string, ReusableInput>>;
  /** No secret is `required`: a secret that only an environment has is an empty text in the caller. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The outputs that callers can read, by the names of the operation's outputs */
  readonly outputs?: readonly string[];
  /**
   * The permissions that the caller grants, besides `id-token: write` when it passes a role. The file
   * declares no permissions, so that a caller may grant fewer.
   */
  readonly permissions: Readonly<Record<string, 'read' | 'write'>>;
  /** The timeout of the workflow's job; a caller cannot set it. */
  readonly timeoutMinutes: number;
}

const storageSecrets = {
  AWS_ACCESS_KEY_ID: 'The access key ID of the S3 storage.',
  AWS_SECRET_ACCESS_KEY: 'The secret access key of the S3 storage.',
  REPOSITORY_KEY: 'The key that names stored objects. Needed only if you set your own key.',
} as const;

/** Not of those that remove: they concern one storage. */
const copiesSecret = { COPIES: 'Other storages that hold copies, as a YAML list (docs/copies.md).' } as const;

const tokenSecret = {
  SUPABASE_ACCESS_TOKEN:
    "An access token for Supabase's Management API that can read the backups and secrets of the project.",
} as const;

const recordsSecret = { RECORDS_URL: 'The connection string of the database for records in SQL.' } as const;

const alarmSecrets = {
  NOTIFY_URL: 'The URL of a webhook that receives failures and recoveries.',
  SLACK_WEBHOOK_URL: 'The URL of a Slack incoming webhook.',
  SMTP_URL: 'The mail server with its login, such as smtps://user:password@host:465.',
  HEARTBEAT_URL: 'The URL to call after each success.',
} as const;

const databaseSecret = { DATABASE_URL: 'The connection string of the database to back up.' } as const;
const identitySecret = { ENCRYPTION_IDENTITY: 'The age identity that decrypts backups.' } as const;
/** Of what takes backups */
const backingUpSecrets = {
  ...{ ...databaseSecret, ...storageSecrets, ...copiesSecret, ...recordsSecret, ...tokenSecret },
  ...alarmSecrets,
} as const;
const usual = { contents: 'read', issues: 'write' } as const;

export const reusableWorkflows = {
  backup: {
    file: 'backup.yml',
    inputs: {
      ...placeInputs,
      ...artifactInputs,
      ...clientInputs,
      ...connectionInputs,
      ...projectInputs,
      ...alarmInputs,
      ...tableInputs,
      'backup-type': text('What to store. One of full, incremental and schema; full when empty.'),
      label: text('A note to store with the backup.'),
      pin: flag('Whether to keep the backup forever.'),
      'encryption-recipients': text('The age recipients that can decrypt the backup, separated by commas.'),
      checks: text(
        'SQL checks whose answers are stored with the backup, one SELECT per line, or a file with them.',
      ),
      freshness: text(
        'Columns whose newest value shows how fresh the data is, such as public.orders.created_at.',
      ),
      runbook: flag(
        'Whether to write a runbook after the backup and keep it with the run, unless the repository is public.',
      ),
    },
    secrets: backingUpSecrets,
    outputs: ['backup-id', 'backup-type', 'rows'],
    permissions: usual,
    timeoutMinutes: 350,
  },
  capture: {
    file: 'capture.yml',
    inputs: {
      ...placeInputs,
      ...artifactInputs,
      ...clientInputs,
      ...connectionInputs,
      ...projectInputs,
      ...alarmInputs,
      ...tableInputs,
      'encryption-recipients': text(
        'The age recipients that can decrypt the changes, and the backup if the capture has to take one.',
      ),
      checks: text(
        'SQL checks whose answers are stored with such a backup, one SELECT per line, or a file with them.',
      ),
      freshness: text(
        'Columns whose newest value shows how fresh the data is, such as public.orders.created_at.',
      ),
      'unlimited-wal': flag(
        'Whether to create the slot on a server that does not limit the write-ahead log that a slot keeps.',
      ),
      'drop-slot': flag('Whether to capture one last time and then drop the slot.'),
    },
    secrets: backingUpSecrets,
    outputs: ['captured-through', 'transactions', 'barrier', 'lost-changes', 'backup-id'],
    permissions: usual,
    // The first capture takes a backup, and so does one after a change of the schema.
    timeoutMinutes: 350,
  },
  drill: {
    file: 'drill.yml',
    inputs: {
      ...placeInputs,
      ...artifactInputs,
      ...clientInputs,
      ...alarmInputs,
      'backup-id': text('The backup to use, such as an id or latest; latest when empty.'),
      'recovery-target-time': text(
        'The point in time to restore, such as 2026-11-20T14:30:00Z, or latest. Needs captures.',
      ),
      fallback: text('How many older backups to try if the chosen one fails.'),
      checks: text('SQL checks that must return true, one SELECT per line, or a file with them.'),
      'rto-target': text('The recovery time objective, such as 30m.'),
      image: text(
        'The container image of the server for drills, postgres:… or supabase/postgres:…; when empty, postgres with the major version of the backup.',
      ),
    },
    secrets: { ...storageSecrets, ...copiesSecret, ...recordsSecret, ...identitySecret, ...alarmSecrets },
    outputs: ['backup-id', 'drill', 'recovery-seconds', 'recovered-to'],
    permissions: usual,
    timeoutMinutes: 350,
  },
  cleanup: {
    file: 'cleanup.yml',
    inputs: {
      ...placeInputs,
      ...artifactInputs,
      ...alarmInputs,
      retention: text('Which backups to keep, such as daily=7 weekly=5 monthly=12.'),
      'keep-changes': text('How far back every point in time stays recoverable; 8d when empty.'),
      'time-zone': text(
        'The time zone in which days and weeks begin, such as Europe/Berlin; UTC when empty.',
      ),
      'grace-period': text(
        'How long to keep stored objects after no backup needs them any more; 24h when empty.',
      ),
      'dry-run': flag('Whether to only print what the operation would do.'),
    },
    secrets: { ...storageSecrets, ...recordsSecret, ...alarmSecrets },
    permissions: usual,
    timeoutMinutes: 120,
  },
  mirror: {
    file: 'mirror.yml',
    inputs: {
      ...placeInputs,
      ...alarmInputs,
      share: text(
        'How much of the copied data to read back from a storage without checksums; 10% when empty.',
      ),
      'dry-run': flag('Whether to only print what the operation would do.'),
    },
    secrets: { ...storageSecrets, ...copiesSecret, ...recordsSecret, ...alarmSecrets },
    outputs: ['copied', 'refused', 'missing-backups'],
    permissions: usual,
    timeoutMinutes: 350,
  },
  watch: {
    file: 'watch.yml',
    inputs: {
      ...placeInputs,
      ...projectInputs,
      ...alarmInputs,
      storage: text('The storage whose backups to check; when empty, none.'),
      ...proofInputs,
      digest: flag('Whether to send a digest of the last seven days.'),
      retention: text('Which backups to keep. The digest lists what the next cleanup will remove.'),
      'keep-changes': text(
        'How far back every point in time stays recoverable, for the digest; 8d when empty.',
      ),
      'time-zone': text('The time zone in which days and weeks begin, for the digest; UTC when empty.'),
      policy: text('The policy whose workflows `schedule` compares and checks; when empty, none.'),
      'status-policy': text(
        'The policy with which `status` checks whether schedules are late; when empty, it does not.',
      ),
    },
    secrets: { ...storageSecrets, ...copiesSecret, ...recordsSecret, ...tokenSecret, ...alarmSecrets },
    // `actions: write` reads the runs of workflows, and enables a workflow that GitHub disabled.
    permissions: { ...usual, actions: 'write' },
    timeoutMinutes: 15,
  },
  report: {
    file: 'report.yml',
    inputs: {
      ...placeInputs,
      ...projectInputs,
      storage: text('Where the backups of the database are stored; when empty, the policy is used.'),
      policy: text(
        'The policy whose databases the report covers; when empty, the report covers the storage.',
      ),
      database: text('The name of the database; with a policy, the only database that the report covers.'),
      kind: text('What to write. One of dashboard, compliance, managed and runbook; dashboard when empty.'),
      period: text('The period that the audit evidence covers, such as 2026-Q3 or 90d.'),
      'max-age': text("How old the newest backup may be; when empty, 26h or the policy's limit."),
      ...proofInputs,
      'rto-target': text('The recovery time objective, such as 30m.'),
      retention: text('Which backups to keep, if there is no policy.'),
      'keep-changes': text('How far back every point in time stays recoverable; 8d when empty.'),
      'time-zone': text(
        'The time zone in which days and weeks begin, such as Europe/Berlin; UTC when empty.',
      ),
      'price-per-gb-month': text(
        'What a gigabyte of storage costs per month, such as 0.023; when empty, the report shows no cost.',
      ),
      pages: flag('Whether to also prepare the report for GitHub Pages, which everybody can read.'),
    },
    secrets: { ...storageSecrets, ...copiesSecret, ...tokenSecret, ...identitySecret },
    // `actions: read` tells whether the workflows of a policy run.
    permissions: { contents: 'read', actions: 'read' },
    timeoutMinutes: 30,
  },
  restore: {
    file: 'restore.yml',
    inputs: {
      ...placeInputs,
      ...artifactInputs,
      ...clientInputs,
      ...connectionInputs,
      ...projectInputs,
      ...alarmInputs,
      ...tableInputs,
      // The environment's reviewers approve the restore. Without protection rules GitHub asks for no
      // approval.
      environment: {
        ...text('The GitHub environment of the target, whose reviewers approve the restore.'),
        required: true,
      },
      'backup-id': text('The backup to use, such as an id or latest; latest when empty.'),
      'recovery-target-time': text(
        'The point in time to restore, such as 2026-11-20T14:30:00Z, or latest. Needs captures.',
      ),
      confirm: text('RESTORE PRODUCTION, to confirm a restore into production.'),
      clean: flag('Whether to empty a target that is not empty.'),
      'side-schema': text('A new schema for the rows of the tables in include, beside the live tables.'),
      checks: text('SQL checks that must return true in the restored database, one SELECT per line.'),
      fallback: text('How many older backups to try on the runner if the chosen one fails there.'),
      'safety-backup': {
        ...flag('Whether to back up the target before it is emptied.'),
        default: true,
      },
      'safety-storage': text(
        'Where to store the safety backup if the target is not the database that was backed up.',
      ),
      'target-kind': text(
        'The kind of target. One of auto, plain, supabase-image and supabase-project; auto when empty.',
      ),
      verify: text('What to compare after the restore. One of content, counts and none; content when empty.'),
      'skip-staging': flag('Whether to restore without a trial restore on the runner first.'),
      image: text(
        'The container image of the server for the trial restore, postgres:… or supabase/postgres:…; when empty, postgres with the major version of the backup.',
      ),
      'dry-run': flag('Whether to only print what the operation would do.'),
    },
    secrets: {
      TARGET_URL: 'The connection string of the database to restore into.',
      SUPABASE_ACCESS_TOKEN:
        "An access token for Supabase's Management API that can write secrets of the target project.",
      ...storageSecrets,
      ...copiesSecret,
      ...recordsSecret,
      ...identitySecret,
      ...alarmSecrets,
    },
    outputs: ['backup-id', 'parity', 'safety-backup-id', 'recovered-to'],
    permissions: usual,
    timeoutMinutes: 350,
  },
  gate: {
    file: 'gate.yml',
    inputs: {
      ...placeInputs,
      ...artifactInputs,
      ...clientInputs,
      ...connectionInputs,
      ...projectInputs,
      ...alarmInputs,
      'encryption-recipients': text('The age recipients that can decrypt a backup that the gate takes.'),
      'max-age': text('How old the newest backup may be, such as 24h.'),
      'on-stale': text(
        'What to do if the newest backup is too old. One of backup and stop; backup when empty.',
      ),
      ...proofInputs,
      migrations: text('The folder with the SQL migrations; supabase/migrations when empty.'),
      'base-ref': text(
        'The commit, tag or branch that runs in production; when empty, the event of the run decides.',
      ),
      label: text('A note to store with a backup that the gate takes.'),
    },
    secrets: backingUpSecrets,
    outputs: ['backup-id', 'gate', 'destructive'],
    permissions: usual,
    timeoutMinutes: 350,
  },
} as const satisfies Record<string, ReusableWorkflow>;

export type ReusableName = keyof typeof reusableWorkflows;
