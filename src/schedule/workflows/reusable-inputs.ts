/* Inputs that several reusable workflows have; reusable.ts puts them together. */

export interface ReusableInput {
  readonly type: 'string' | 'boolean';
  readonly required?: true;
  /** Of a flag that is not passed; false otherwise */
  readonly default?: true;
  readonly description: string;
}

export const text = (description: string): ReusableInput => ({ type: 'string', description });
export const flag = (description: string): ReusableInput => ({ type: 'boolean', description });

export const placeInputs = {
  storage: { ...text('Where the backups are stored, such as s3://bucket/prefix.'), required: true },
  's3-endpoint': text('The URL of an S3 service other than Amazon.'),
  's3-region': text('The region of the S3 bucket.'),
  's3-addressing': text(
    'Where requests put the bucket name. One of auto, path and virtual; auto when empty.',
  ),
  's3-sse': text('The server-side encryption to request. One of AES256, aws:kms and aws:kms:KEY.'),
  's3-storage-class': text('The storage class of the objects written to S3.'),
  'aws-role': text('The AWS role to assume with OIDC instead of using access keys.'),
  'aws-role-seconds': text('How many seconds the session of the AWS role lasts; 3600 when empty.'),
  environment: text('The GitHub environment of the job.'),
  'runs-on': text('The runner of the job; ubuntu-latest when empty.'),
} as const;

/** Of those that write: an artifact is stored anew by each run. */
export const artifactInputs = {
  'artifact-retention-days': text(
    "How many days GitHub keeps an artifact, 1 to 90; the repository's setting when empty.",
  ),
} as const;

export const clientInputs = {
  'install-client': text(
    'Whether to install missing PostgreSQL client programs. One of auto, always and never; auto when empty, which changes only GitHub-hosted runners.',
  ),
} as const;

/** Inputs for a database that is not a server on the runner itself */
export const connectionInputs = {
  sslrootcert: text("The CA certificate to verify the database server's certificate with, in PEM format."),
} as const;

/** For what asks Supabase of its own backups, or of Vault's root key, beside the token */
export const projectInputs = {
  'project-ref': text(
    'The reference of the Supabase project. Needed with SUPABASE_ACCESS_TOKEN if no database URL shows it.',
  ),
} as const;

export const alarmInputs = {
  database: text('The name of the database in reports and alarms.'),
  'failure-issues': flag('Whether a failure opens an issue.'),
  'issue-labels': text('Additional labels for failure issues, separated by commas.'),
  'issue-assignees': text('GitHub users to assign to failure issues, separated by commas.'),
  'issue-mentions': text('GitHub users and teams to mention in failure issues, separated by commas.'),
  'rpo-target': text('The recovery point objective, such as 24h. Failure issues escalate when it is missed.'),
  'notify-format': text('The format in which the webhook receives messages; default when empty.'),
  'mail-from': text('The sender of the mail.'),
  'mail-to': text('The mail addresses that receive failures and recoveries, separated by commas.'),
  'heartbeat-signals': text('What to report to the heartbeat in addition to successes. start, fail or both.'),
} as const;

export const tableInputs = {
  include: text('The tables to include, such as public.orders or billing.*; all when empty.'),
  exclude: text('The tables to leave out.'),
} as const;

export const proofInputs = {
  'verified-within': text(
    'How long ago a backup may last have been verified, such as 7d; no limit when empty.',
  ),
  'drilled-within': text('How long ago the last drill may have passed, such as 35d; no limit when empty.'),
} as const;
