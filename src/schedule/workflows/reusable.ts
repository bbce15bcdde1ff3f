/*
 * The inputs, secrets and permissions of our reusable workflows. The generated workflows pass nothing else,
 * and a test compares this list with the files in .github/workflows. docs/schedule.md says why.
 */

export interface ReusableInput {
  readonly type: 'string' | 'boolean';
  readonly required?: true;
  /** Of a flag that is not passed; false otherwise */
  readonly default?: true;
  readonly description: string;
}

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

const text = (description: string): ReusableInput => ({ type: 'string', description });
const flag = (description: string): ReusableInput => ({ type: 'boolean', description });

const placeInputs = {
  storage: { ...text('Where the backups are kept.'), required: true },
  's3-endpoint': text('Address of an S3 service other than Amazon.'),
  's3-region': text('Region of the bucket.'),
  's3-addressing': text('Where the bucket stands in the address, auto, path or virtual; auto when empty.'),
  's3-sse': text('What the store is asked to encrypt with, AES256, aws:kms or aws:kms:KEY.'),
  's3-storage-class': text('The storage class of what is written.'),
  'aws-role': text('The role of AWS that is taken in place of keys of the storage (OIDC).'),
  'aws-role-seconds': text('For how long it is taken; 3600 when empty.'),
  environment: text('The GitHub environment of the job.'),
  'runs-on': text('The runner of the job; ubuntu-latest when empty.'),
} as const;

/** Of those that write: an artifact is stored anew by each run. */
const artifactInputs = {
  'artifact-retention-days': text(
    'How many days GitHub keeps an artifact, 1 to 90; as the repository is set when empty.',
  ),
} as const;

const clientInputs = {
  'install-client': text('auto, always or never; auto when empty, which changes no runner of your own.'),
} as const;

/** Inputs for a database that is not a server on the runner itself */
const connectionInputs = {
  sslrootcert: text("The authority of the server's certificate, in PEM form."),
} as const;

/** For what asks Supabase of its own backups, or of Vault's root key, beside the token */
const projectInputs = {
  'project-ref': text('The project at Supabase, for what only Supabase tells of it; only with the token.'),
} as const;

const alarmInputs = {
  database: text('What the database is called in reports and alarms.'),
  'failure-issues': flag('Whether a failure opens an issue.'),
  'issue-labels': text('More labels of such issues, separated by commas.'),
  'issue-assignees': text('Who is assigned to them, separated by commas.'),
  'issue-mentions': text('Who is mentioned in them, separated by commas.'),
  'rpo-target': text('How old the newest backup may become.'),
  'notify-format': text('The form of what the webhook gets; default when empty.'),
  'mail-from': text('Whom mail comes from.'),
  'mail-to': text('Who gets mail, separated by commas.'),
  'heartbeat-signals': text('start, fail or both; successes alone when empty.'),
} as const;

const tableInputs = {
  include: text('The tables to take.'),
  exclude: text('The tables to leave out.'),
} as const;

const proofInputs = {
  'verified-within': text('Within which time a backup must have been verified; not asked when empty.'),
  'drilled-within': text('Within which time a drill must have passed; not asked when empty.'),
} as const;

const storageSecrets = {
  AWS_ACCESS_KEY_ID: 'Of the storage.',
  AWS_SECRET_ACCESS_KEY: 'Of the storage.',
  REPOSITORY_KEY: 'Names stored objects; only where the repository keeps none of its own.',
} as const;

/** Not of those that remove: they concern one storage. */
const copiesSecret = { COPIES: 'Other storages with copies, a YAML list (docs/copies.md).' } as const;

const tokenSecret = {
  SUPABASE_ACCESS_TOKEN:
    "A token of Supabase's Management API, which may read backups and secrets of the project.",
} as const;

const recordsSecret = { RECORDS_URL: 'The database that keeps the records in SQL.' } as const;

const alarmSecrets = {
  NOTIFY_URL: 'Address of a webhook.',
  SLACK_WEBHOOK_URL: "Address of Slack's webhook.",
  SMTP_URL: 'Address of a mail server, with its login.',
  HEARTBEAT_URL: 'Address that is called after a success.',
} as const;

const databaseSecret = { DATABASE_URL: 'The database to back up.' } as const;
const identitySecret = { ENCRYPTION_IDENTITY: 'Opens encrypted backups.' } as const;
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
      'backup-type': text('full, incremental or schema; full when empty.'),
      label: text('A note kept with the backup.'),
      pin: flag('Whether the backup is kept for good.'),
      'encryption-recipients': text('Who can open the backup, separated by commas.'),
      checks: text('Questions asked in the snapshot, or a file with them.'),
      freshness: text('Columns that tell how fresh the data is.'),
      runbook: flag(
        'Whether a runbook is written after the backup and kept with the run, unless the repository is public.',
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
        'Who can open the changes, and the backup that a capture may have to take.',
      ),
      checks: text('Questions asked in the snapshot of such a backup, or a file with them.'),
      freshness: text('Columns that tell how fresh the data is.'),
      'unlimited-wal': flag(
        'Whether a slot may be made on a server that sets no limit to the log that it keeps.',
      ),
      'drop-slot': flag('Whether to capture a last time and drop the slot.'),
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
      'backup-id': text('Which backup; latest when empty.'),
      'recovery-target-time': text('The point in time to recover to: an ISO 8601 time, or latest.'),
      fallback: text('How many older backups to try.'),
      checks: text('Questions that must return true, or a file with them.'),
      'rto-target': text('How long a recovery may take.'),
      image: text(
        "The image of the server for drills, postgres:… or supabase/postgres:…; postgres of the backup's major when empty.",
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
      retention: text('Which backups stay.'),
      'keep-changes': text('How far back any point in time stays recoverable; 8d when empty.'),
      'time-zone': text('In which days and weeks begin.'),
      'grace-period': text('How long unneeded objects stay.'),
      'dry-run': flag('Whether only the plan is shown.'),
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
      share: text('How much of what was copied is read back where a store has no checksums; 10% when empty.'),
      'dry-run': flag('Whether only the plan is shown.'),
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
      storage: text('Whose backups are watched; when empty, none.'),
      ...proofInputs,
      digest: flag('Whether a digest of the last seven days is sent.'),
      retention: text('Which backups stay, for what a digest says of the next cleanup.'),
      'keep-changes': text('How far back any point in time stays recoverable, for the same; 8d when empty.'),
      'time-zone': text('In which days and weeks begin, for the same.'),
      policy: text('The policy whose workflows are checked by `schedule` with `check`; when empty, none.'),
      'status-policy': text(
        'The policy by which the status of the storage tells what is late; when empty, that is not asked.',
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
      storage: text('Where the backups of the one database are kept; when empty, policy says it.'),
      policy: text('The policy whose databases the report is about; when empty, storage has the one.'),
      database: text('What the database is called; with a policy, the only one that the report is about.'),
      kind: text('dashboard, compliance, managed or runbook; dashboard when empty.'),
      period: text('The time that evidence is about, such as 2026-Q3 or 90d.'),
      'max-age': text('How old the newest backup may be; 26h when empty, or what the policy says.'),
      ...proofInputs,
      'rto-target': text('How long a recovery may take.'),
      retention: text('Which backups stay, where no policy says it.'),
      'keep-changes': text('How far back any point in time stays recoverable; 8d when empty.'),
      'time-zone': text('In which days and weeks begin.'),
      'price-per-gb-month': text('What a gigabyte of the storage costs for a month; not asked when empty.'),
      pages: flag('Whether the report is also made ready for GitHub Pages, which everybody can read.'),
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
        ...text('The GitHub environment of the target, whose reviewers approve.'),
        required: true,
      },
      'backup-id': text('Which backup; latest when empty.'),
      'recovery-target-time': text('The point in time to recover to: an ISO 8601 time, or latest.'),
      confirm: text('The words that confirm a restore into production.'),
      clean: flag('Whether a target that is not empty is emptied.'),
      'side-schema': text(
        'The rows of the tables in include go into this new schema beside the live tables.',
      ),
      checks: text('Questions that must return true of what was restored, one SELECT a line.'),
      fallback: text('How many older backups are tried on the runner when the chosen one fails there.'),
      'safety-backup': {
        ...flag('Whether a target that is emptied is backed up first.'),
        default: true,
      },
      'safety-storage': text('Where a safety backup goes when the target is another database.'),
      'target-kind': text('auto, plain, supabase-image or supabase-project; auto when empty.'),
      verify: text('content, counts or none; content when empty.'),
      'skip-staging': flag('Whether the target is touched without a trial on the runner first.'),
      image: text(
        "The image of the trial's server, postgres:… or supabase/postgres:…; postgres of the backup's major when empty.",
      ),
      'dry-run': flag('Whether only the plan is shown.'),
    },
    secrets: {
      TARGET_URL: 'The database to restore into.',
      SUPABASE_ACCESS_TOKEN: "A token of Supabase's Management API, which may write secrets of the target.",
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
      'encryption-recipients': text('Who can open a backup that the gate takes.'),
      'max-age': text('How old the newest backup may be.'),
      'on-stale': text('backup or stop; backup when empty.'),
      ...proofInputs,
      migrations: text('The folder of the migrations that are searched; supabase/migrations when empty.'),
      'base-ref': text("What runs in production; when empty, what the run's event says."),
      label: text('A note kept with such a backup.'),
    },
    secrets: backingUpSecrets,
    outputs: ['backup-id', 'gate', 'destructive'],
    permissions: usual,
    timeoutMinutes: 350,
  },
} as const satisfies Record<string, ReusableWorkflow>;

export type ReusableName = keyof typeof reusableWorkflows;
