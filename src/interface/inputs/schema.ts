import { parseNeeds } from './needed-jobs.ts';
import {
  databaseUrlForm,
  listOf,
  matching,
  oneOf,
  parseBackupId,
  parseBoolean,
  parseCertificates,
  parseChecks,
  parseColumns,
  parseDatabaseUrl,
  parseDuration,
  parseEndpoint,
  parseFolder,
  parseIdentities,
  parseImage,
  parseInterval,
  parsePatterns,
  parseRecipients,
  parseRecoveryTarget,
  parseRetention,
  parseS3Addressing,
  parseS3Encryption,
  parseShare,
  parseStorage,
  parseStorageClass,
  parseTimeZone,
  parseWebhook,
  wholeNumber,
} from './values.ts';

/**
 * Every input, once. The Action's `with:`, the command line, the environment, action.yml, `--help` and the README's table
 * all come from `schema`; past `parseInputs` nobody reads a raw input again.
 */

export const operations = [
  'backup',
  'capture',
  'validate',
  'restore',
  'drill',
  'cleanup',
  'list',
  'show',
  'pin',
  'unpin',
  'gate',
  'status',
  'schedule',
  'alarm',
] as const;
export type Operation = (typeof operations)[number];

export const operationSummaries: Readonly<Record<Operation, string>> = {
  backup: 'Store a restore point of the database',
  capture: 'Store what was committed since the capture before, for recovery to any point in time',
  validate: 'Read back what is stored and check every byte of it; needs no database',
  restore: 'Restore a stored backup into a database and compare the result with what was recorded',
  drill: 'Restore a backup into a throwaway database, compare and test it, and record how long that took',
  cleanup: 'Remove the backups that the retention policy does not keep, and what only they needed',
  list: 'List the stored backups, and what keeps each of them',
  show: 'Show all that is known of one stored backup',
  pin: 'Keep a backup for good, whatever the retention policy says',
  unpin: 'Leave a pinned backup to the retention policy again',
  gate: 'Let a release pass when the newest backup is fresh and proven, or take one first, or stop it',
  status: 'Tell how fresh, verified and drilled the backups are, and fail when a limit is broken',
  schedule: 'Make the workflows of a policy file, explain the week, and check that GitHub runs them',
  alarm:
    'Raise the alarm of an operation whose job failed before it could, as GitHub tells it to a job after it',
};

export interface Input {
  /** The operations that read it. */
  readonly operations: readonly Operation[];
  /** One of these operations cannot do without it. */
  readonly required?: true;
  /** What an absent input means: the same for every operation, or one value each. */
  readonly default?: string | Readonly<Partial<Record<Operation, string>>>;
  /** Never printed, and masked on a runner before the first line. */
  readonly secret?: true;
  /** `true` or `false`; on the command line its name alone means true. */
  readonly flag?: true;
  /** Stands for the value in `--help`. */
  readonly placeholder: string;
  /** What a value looks like, for those who gave none. */
  readonly example?: string;
  /** Complete sentences; the default and the secrecy are added where it is printed. */
  readonly description: string;
  /** Gets a trimmed text that is not empty. Throws `Problem` and nothing else. */
  parse(text: string): unknown;
}

/** Those that work on a storage. */
const storing = operations.filter((name) => name !== 'schedule');

/** Those whose failure somebody should hear of, and whose success ends the alarm. */
export const announced = [
  'backup',
  'capture',
  'validate',
  'restore',
  'drill',
  'cleanup',
  'gate',
  'status',
  'schedule',
] as const;

/** The same, and what speaks for one of them */
const alarming = [...announced, 'alarm'] as const;

/** What stands for a backup besides its id, where it is to be restored. */
export const drillable = ['latest', 'latest-verified', 'before:<time>', 'random:<interval>'];

export const schema = {
  operation: {
    operations,
    required: true,
    placeholder: 'name',
    example: 'backup',
    description: `What to do: ${operations.map((name) => `\`${name}\``).join(', ')}.`,
    parse: oneOf(operations),
  },
  storage: {
    operations: storing,
    required: true,
    placeholder: 'location',
    example: './backups or s3://bucket/prefix',
    description:
      'Where the backups are kept: a folder such as `./backups`, or `s3://bucket/prefix` for Amazon S3 and everything that speaks ' +
      'its protocol (Cloudflare R2, MinIO, Backblaze B2, Supabase Storage), or `artifact://name` for an ' +
      'artifact of the GitHub repository. S3 credentials come from the default AWS chain: ' +
      '`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a profile, or a role.',
    parse: parseStorage,
  },
  's3-endpoint': {
    operations: storing,
    placeholder: 'url',
    description:
      'Address of an S3 service other than Amazon, for example `https://<account>.r2.cloudflarestorage.com`. Only with an `s3://` storage. ' +
      'When empty, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` is used.',
    parse: parseEndpoint,
  },
  's3-region': {
    operations: storing,
    placeholder: 'region',
    description: 'Region of the S3 bucket. When empty, `AWS_REGION` or the AWS profile decides.',
    parse: matching(
      /^[a-z0-9-]+$/,
      'is not the name of a region',
      'Write it as in `eu-central-1` or `auto`.',
    ),
  },
  's3-addressing': {
    operations: storing,
    default: 'auto',
    placeholder: 'style',
    description:
      'Where the name of the bucket stands in the address of the store: `virtual` in the host name, `path` in the path. `auto` takes the ' +
      'path with an `s3-endpoint`, until the store refuses that, and the host name at Amazon.',
    parse: parseS3Addressing,
  },
  's3-sse': {
    operations: storing,
    placeholder: 'how',
    description:
      'What the store is asked to encrypt each object with, where the bucket demands it: `AES256`, `aws:kms`, or `aws:kms:KEY` with the id or ' +
      'ARN of a key. When empty, the store does as the bucket is set.',
    parse: parseS3Encryption,
  },
  's3-storage-class': {
    operations: storing,
    placeholder: 'class',
    description:
      'Storage class of what is written to S3, such as `STANDARD_IA` or `GLACIER_IR`. Classes that cannot be read at once are refused. When ' +
      'empty, the store does as the bucket is set.',
    parse: parseStorageClass,
  },
  'repository-key': {
    operations: storing,
    secret: true,
    placeholder: 'hex',
    description:
      'The key that names stored objects by their content, 64 hexadecimal digits as `openssl rand -hex 32` prints them. When empty, ' +
      'a key is made with the repository and kept in it; give your own to keep it elsewhere, and then with every operation.',
    parse: matching(
      /^[0-9a-f]{64}$/i,
      'is not 64 hexadecimal digits',
      'Make one with `openssl rand -hex 32`, once, and keep it.',
    ),
  },
  'encryption-identity': {
    operations: storing,
    secret: true,
    placeholder: 'identity',
    description:
      'The age identity that opens encrypted backups: the text of the file that `age-keygen` wrote (`AGE-SECRET-KEY-1…`, one or ' +
      'several lines, comments allowed), or the path of such a file. A backup does not need it to be written, only to be read.',
    parse: parseIdentities,
  },
  'client-path': {
    operations: storing,
    placeholder: 'folder',
    description:
      "The folder with `pg_dump` and `pg_restore` of the server's major version or newer. When empty, they are looked for on this machine.",
    parse: parseFolder,
  },
  'install-client': {
    operations: storing,
    default: 'auto',
    placeholder: 'when',
    description:
      "Whether client programs that are missing are installed with apt, as root or by `sudo -n`, which changes the machine: `auto` on GitHub's " +
      'own runners only, `always` on any, `never`.',
    parse: oneOf(['auto', 'always', 'never'] as const),
  },
  'database-url': {
    operations: ['backup', 'capture', 'gate'],
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'The database to back up: `postgresql://user:password@host:5432/database`, with a direct connection or the session pooler (port ' +
      '5432, not 6543). When empty, the variables of libpq (`PGHOST`, `PGUSER`, `PGPASSWORD`, …) are used.',
    parse: parseDatabaseUrl,
  },
  'backup-type': {
    operations: ['backup'],
    default: 'full',
    placeholder: 'type',
    description:
      'What to store: `full` for schema and rows, `incremental` for the same without reading again what provably did not change since ' +
      'the backup before, `schema` for definitions without rows. Each restores alone.',
    parse: oneOf(['full', 'incremental', 'schema'] as const),
  },
  label: {
    operations: ['backup', 'gate'],
    placeholder: 'text',
    description:
      'A note kept with the backup, for example the release that follows it. At most 200 characters.',
    parse: matching(/^\P{Cc}{1,200}$/u, 'is not one line of at most 200 characters', 'Shorten it.'),
  },
  pin: {
    operations: ['backup'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether the backup is kept for good, whatever a retention policy says.',
    parse: parseBoolean,
  },
  recheck: {
    operations: ['backup', 'capture', 'gate'],
    default: '1%',
    placeholder: 'percentage',
    description:
      'How much of what an incremental backup finds unchanged it reads all the same, another part each hour, and compares with what is ' +
      'stored. A difference fails the run, which then reads everything.',
    parse: parseShare,
  },
  ledger: {
    operations: ['backup', 'capture', 'gate'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether each backup leaves a token in the database, in a schema named `supabase_backup`, so that an incremental backup notices ' +
      'that the database was rolled back to an earlier state. Needs the right to create that schema.',
    parse: parseBoolean,
  },
  'target-url': {
    operations: ['restore', 'drill'],
    required: true,
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'The database to restore into: `postgresql://user:password@host:5432/database`. For `drill` any database of a server for drills: the ' +
      'throwaway database is made beside it, and dropped.',
    parse: parseDatabaseUrl,
  },
  'backup-id': {
    operations: ['validate', 'restore', 'drill', 'show', 'pin', 'unpin'],
    default: { validate: 'all', restore: 'latest', drill: 'latest', show: 'latest' },
    placeholder: 'id',
    example: '20261120T021700Z-7f3a',
    description:
      'Which backup: an id such as `20261120T021700Z-7f3a` or `latest`; for `validate` also `all`; for `restore` and `drill` also ' +
      '`latest-verified`, the newest that was read back whole or drilled, ' +
      '`before:<time>`, the newest backup made before a time such as `before:2026-11-20T06:00:00Z`, and ' +
      '`random:<interval>`, any of the last so many hours, days or weeks such as `random:7d`.',
    parse: parseBackupId,
  },
  'recovery-target-time': {
    operations: ['restore', 'drill'],
    placeholder: 'time',
    example: '2026-11-20T14:30:00Z',
    description:
      'The point in time to recover to, such as `2026-11-20T14:30:00Z`, or `latest` for the last that was captured: the best backup before it is ' +
      'restored, and what was committed from then until that time is replayed. Needs `capture`. docs/point-in-time.md.',
    parse: parseRecoveryTarget,
  },
  'unlimited-wal': {
    operations: ['capture'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `capture` may make its slot on a server that sets no limit to the write-ahead log that a slot keeps ' +
      '(`max_slot_wal_keep_size = -1`): when captures stop, the log fills the disk of the server until the slot is dropped.',
    parse: parseBoolean,
  },
  'drop-slot': {
    operations: ['capture'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to capture a last time and then drop the slot, for good or before the platform restores the project. What was captured stays.',
    parse: parseBoolean,
  },
  include: {
    operations: ['backup', 'capture', 'restore', 'gate'],
    placeholder: 'tables',
    description:
      'The tables to take, separated by commas or lines: `schema.table`, `schema.*` or `*`, names as they are. Double quotes around a part ' +
      'make its dots, commas and stars ordinary. When empty, all. `backup` stores the rows of no other table, and the definitions of all; `restore` restores no other table.',
    parse: parsePatterns,
  },
  exclude: {
    operations: ['backup', 'capture', 'restore', 'gate'],
    placeholder: 'tables',
    description: 'The tables to leave out, of those that `include` takes; written as there.',
    parse: parsePatterns,
  },
  'encryption-recipients': {
    operations: ['backup', 'capture', 'gate'],
    placeholder: 'recipients',
    description:
      'Who can open the backup: age recipients (`age1…`), separated by commas or lines. When empty, the backup is stored unencrypted.',
    parse: parseRecipients,
  },
  'compression-level': {
    operations: ['backup', 'capture', 'gate'],
    // Of COPY text, level 2 makes about the size of zstd's own default, 3, in two thirds of its time; docs/benchmarks.md.
    default: '2',
    placeholder: '1-19',
    description: 'The zstd level, 1 to 19. Higher is smaller and slower.',
    parse: wholeNumber(1, 19),
  },
  jobs: {
    operations: ['backup', 'capture', 'restore', 'drill', 'gate'],
    default: '4',
    placeholder: '1-16',
    description: 'How many connections copy rows at the same time, 1 to 16.',
    parse: wholeNumber(1, 16),
  },
  'lock-timeout': {
    operations: ['backup', 'capture', 'gate'],
    default: '30',
    placeholder: 'seconds',
    description:
      'How many seconds to wait for the lock of a table before giving way to whoever holds it, 1 to 3600.',
    parse: wholeNumber(1, 3600),
  },
  sslrootcert: {
    operations: ['backup', 'capture', 'restore', 'drill', 'gate'],
    placeholder: 'file',
    description:
      "The certificate authority that the database server's certificate is checked against, in PEM form, or the path of a file with it. Supabase has it under Database settings. With it, sslmode is verify-full where nothing else is said.",
    parse: parseCertificates,
  },
  share: {
    operations: ['validate'],
    default: '100%',
    placeholder: 'percentage',
    description: 'How much of the stored objects to read back, chosen at random: a percentage such as `10%`.',
    parse: parseShare,
  },
  verify: {
    operations: ['restore'],
    default: 'content',
    placeholder: 'depth',
    description:
      'What is compared after the restore: `content` of every restored table, `counts` of rows only, or `none`.',
    parse: oneOf(['content', 'counts', 'none'] as const),
  },
  'default-privileges': {
    operations: ['restore'],
    default: 'narrower',
    placeholder: 'whose',
    description:
      'What `anon`, `authenticated`, `service_role` and everybody get, in a project, on what is created in `public` from now on: the ' +
      '`narrower` of what the source and the target grant, or as in the `source`. Projects made before 2026-10-30 may grant everything.',
    parse: oneOf(['narrower', 'source'] as const),
  },
  'target-kind': {
    operations: ['restore'],
    default: 'auto',
    placeholder: 'kind',
    description:
      'What the target is: `plain` for any PostgreSQL, `supabase-image` for a container of `supabase/postgres` reached as its superuser, ' +
      '`supabase-project` for a hosted project or whatever keeps its own `auth` and `storage`. `auto` looks.',
    parse: oneOf(['auto', 'plain', 'supabase-image', 'supabase-project'] as const),
  },
  environment: {
    operations: ['restore'],
    placeholder: 'name',
    description:
      'What the target is used for, kept in the record of the restore. Any but `staging`, `test`, `dev`, `preview` and `local`, as words of ' +
      'the name, needs `confirm`; so does whatever has `prod` or `live` in it.',
    parse: matching(
      /^[\w .-]{1,100}$/u,
      'is not a name of at most 100 letters',
      'Write it as in `production`.',
    ),
  },
  confirm: {
    operations: ['restore'],
    placeholder: 'words',
    description:
      'The words `RESTORE PRODUCTION`, typed by whoever answers for it: needed where the target is the database that was backed up, where ' +
      '`environment` does not say that it is no production, and where a Supabase project is not empty.',
    parse: matching(
      /^RESTORE PRODUCTION$/,
      'is not the words that confirm it',
      'Write RESTORE PRODUCTION, in capitals, or leave it out.',
    ),
  },
  clean: {
    operations: ['restore'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether what is in the way is removed first: all of a target that is not empty or that a restore left unfinished; with `include` or ' +
      '`exclude` only the chosen tables, and nothing else. Without it such a target is refused.',
    parse: parseBoolean,
  },
  'safety-backup': {
    operations: ['restore'],
    default: 'true',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a target that is to be emptied is backed up first, pinned, and encrypted for the same recipients as the backup that is restored.',
    parse: parseBoolean,
  },
  'safety-storage': {
    operations: ['restore'],
    placeholder: 'location',
    description:
      'Where the safety backup goes when the target is another database than the one that was backed up: a repository holds one database. ' +
      'Written like `storage`.',
    parse: parseStorage,
  },
  'staging-url': {
    operations: ['restore'],
    secret: true,
    placeholder: 'url',
    description:
      'A server on which the backup is restored and compared first, in a throwaway database as `drill` makes it. The target is touched only ' +
      'when that went well, with the newest backup with which it did.',
    parse: parseDatabaseUrl,
  },
  image: {
    operations: ['drill', 'restore'],
    placeholder: 'image',
    description:
      'The container image of the server on which a backup is tried, as the reusable workflows start it: `postgres:…` or ' +
      '`supabase/postgres:…`, with a digest or without. Another one is refused, because it would read the backup.',
    parse: parseImage,
  },
  'side-schema': {
    operations: ['restore'],
    placeholder: 'schema',
    description:
      'Restores the rows of the tables that `include` names into a new schema beside the live tables, compares the two, and writes the SQL ' +
      'that brings back what is missing or was changed. The live tables stay as they are.',
    parse: matching(
      /^[^"\p{Cc}]{1,63}$/u,
      'is not the name of a schema',
      'Write a name of at most 63 characters, without quotes.',
    ),
  },
  'report-folder': {
    operations: ['restore', 'drill'],
    placeholder: 'folder',
    description:
      'A folder in which the comparison is written as `parity.md` and `parity.json`, every line of it, and for `side-schema` the SQL. It is ' +
      'made where it does not exist.',
    parse: matching(/^[^\0]{1,4000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  retention: {
    operations: ['cleanup', 'list'],
    default: 'daily=7 weekly=5 monthly=12',
    placeholder: 'rules',
    description:
      'Which backups stay: the newest of each of that many hours, days, weeks, months or years that have one (`hourly=24 daily=7 weekly=5 ' +
      'monthly=12 yearly=3`), the newest so many (`last=3`), all within a time (`within=7d`), and at least so many verified ones ' +
      '(`verified=3`). What one rule keeps, stays. Pinned backups and the newest verified one always stay.',
    parse: parseRetention,
  },
  'keep-changes': {
    operations: ['cleanup', 'list'],
    default: '8d',
    placeholder: 'interval',
    description:
      'How far back any point in time stays recoverable, such as `8d`: captured changes are kept from the backup on that reaches back so far.',
    parse: parseInterval,
  },
  'time-zone': {
    operations: ['cleanup', 'list'],
    default: 'UTC',
    placeholder: 'zone',
    description: 'The time zone in which days, weeks, months and years begin, such as `Europe/Berlin`.',
    parse: parseTimeZone,
  },
  'grace-period': {
    operations: ['cleanup'],
    default: '24h',
    placeholder: 'interval',
    description:
      'How long stored objects that nothing needs any more are kept before they are removed, such as `24h`. Longer than any backup runs.',
    parse: parseInterval,
  },
  fallback: {
    operations: ['restore', 'drill'],
    default: '3',
    placeholder: '0-100',
    description:
      'How many backups before the chosen one to try when it fails, each with the next older one, until one works. For `restore` only with ' +
      '`staging-url`, where a failure costs nothing.',
    parse: wholeNumber(0, 100),
  },
  checks: {
    operations: ['backup', 'capture', 'restore', 'drill', 'gate'],
    placeholder: 'sql',
    description:
      'Questions to the database, one `SELECT` a line, or the path of a file with them, asked in a transaction that cannot write. `backup` ' +
      'asks them in its snapshot and keeps a digest of the answers, which every restore and drill must answer alike; those given to ' +
      '`restore` or `drill` must return true.',
    parse: parseChecks,
  },
  freshness: {
    operations: ['backup', 'capture', 'gate'],
    placeholder: 'columns',
    example: 'public.orders.created_at',
    description:
      'Columns whose newest value tells how fresh the data is, as `schema.table.column`, separated by commas or lines. Recorded with the ' +
      'backup, and compared and shown by restores and drills.',
    parse: parseColumns,
  },
  command: {
    operations: ['drill'],
    placeholder: 'command',
    description:
      'A shell command that tests the restored database, for example with the tests of the application. It finds it in `PGHOST`, `PGPORT`, ' +
      '`PGUSER`, `PGPASSWORD` and `PGDATABASE`, and must end with 0.',
    parse: matching(/^.{1,8000}$/s, 'has more than 8,000 characters', 'Put it into a script, and name that.'),
  },
  'rto-target': {
    operations: ['drill'],
    placeholder: 'duration',
    description:
      'How long a recovery may take, such as `30m`: from the beginning until the database can be used. A drill that takes longer ends with 3.',
    parse: parseDuration,
  },
  'allow-unencrypted': {
    operations: ['backup', 'capture', 'gate'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a backup may be stored unencrypted where that is refused: by a public GitHub repository, whose artifacts anybody can download, and ' +
      'beside backups that are encrypted.',
    parse: parseBoolean,
  },
  'artifact-retention-days': {
    operations: storing,
    placeholder: 'days',
    description:
      'How many days GitHub keeps the artifact of an `artifact://` storage after each run that writes it, 1 to 90. When empty, as the ' +
      'repository is set.',
    parse: wholeNumber(1, 90),
  },
  'max-age': {
    operations: ['gate', 'status'],
    default: { gate: '24h', status: '26h' },
    placeholder: 'duration',
    description:
      'How old the newest backup with rows may be, such as `24h`. `gate` takes one when it is older, or stops; `status` ends with 3.',
    parse: parseDuration,
  },
  'verified-within': {
    operations: ['gate', 'status'],
    placeholder: 'duration',
    description:
      'Within which time a backup must have been verified: read back whole, or drilled. When empty, that is not asked.',
    parse: parseDuration,
  },
  'drilled-within': {
    operations: ['gate', 'status'],
    placeholder: 'duration',
    description: 'Within which time a drill must have passed, such as `35d`. When empty, that is not asked.',
    parse: parseDuration,
  },
  'on-stale': {
    operations: ['gate'],
    default: 'backup',
    placeholder: 'action',
    description:
      'What `gate` does when the newest backup is too old, or a destructive migration asks for one of its own: `backup` takes one, pinned for ' +
      'such a migration, and lets the release pass; `stop` ends with 3.',
    parse: oneOf(['backup', 'stop'] as const),
  },
  migrations: {
    operations: ['gate'],
    default: 'supabase/migrations',
    placeholder: 'folder',
    description:
      'The folder of the SQL migrations that `gate` looks through for what destroys data (DROP TABLE, DROP COLUMN, TRUNCATE, DELETE without ' +
      'WHERE, …), of those that came since `base-ref`.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  'base-ref': {
    operations: ['gate'],
    placeholder: 'ref',
    description:
      'The commit, tag or branch of what runs in production, with which the migrations are compared. When empty, what the event of the run says ' +
      '(the base of a pull request, the commit before a push); without either no migration is looked at.',
    parse: matching(/^[\w][\w./@^~-]{0,199}$/, 'is not a git ref', 'Write a commit, a tag or a branch.'),
  },
  policy: {
    operations: ['schedule'],
    default: '.github/supabase-backup.yml',
    placeholder: 'file',
    description:
      'The policy: databases, storages, schedules, retention, drills and alarms. docs/schedule.md describes it.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of the policy file.'),
  },
  workflows: {
    operations: ['schedule'],
    default: '.github/workflows',
    placeholder: 'folder',
    description: 'The folder in which `schedule` writes the workflows of the policy.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  check: {
    operations: ['schedule'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `schedule` writes nothing and ends with 3 when the workflows are not what the policy says.',
    parse: parseBoolean,
  },
  'alarm-of': {
    operations: ['alarm'],
    required: true,
    placeholder: 'operation',
    example: 'drill',
    description: 'The operation whose alarm is raised: its next success ends it.',
    parse: oneOf(announced),
  },
  needs: {
    operations: ['alarm'],
    required: true,
    placeholder: 'json',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
    example: '${{ toJSON(needs) }}',
    description:
      'What GitHub knows of the jobs before, as `toJSON(needs)` writes it. One that did not succeed, and does not say in an output ' +
      '`announced` that its alarm is raised already, raises it.',
    parse: parseNeeds,
  },
  'github-token': {
    operations,
    secret: true,
    placeholder: 'token',
    description:
      'The token of the workflow. `schedule` looks with it whether workflows are enabled and ran (`actions: read`, and `actions: write` to enable ' +
      'one); failure issues need `issues: write`; an `artifact://` storage of another run needs `actions: read`.',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub's
    parse: matching(/^\S{1,4000}$/, 'is not a token', 'Write `${{ github.token }}`.'),
  },
  database: {
    operations: alarming,
    placeholder: 'name',
    description: 'What the database is called in issues and messages. When empty, the storage stands for it.',
    parse: matching(/^\P{Cc}{1,100}$/u, 'is not one line of at most 100 characters', 'Shorten it.'),
  },
  'failure-issues': {
    operations: alarming,
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a failure opens an issue in the repository of the workflow, which the next success closes. Needs `issues: write`. docs/alarms.md.',
    parse: parseBoolean,
  },
  'issue-labels': {
    operations: alarming,
    default: 'backup-failure',
    placeholder: 'labels',
    description: 'Labels of such issues besides `supabase-backup`, separated by commas.',
    parse: listOf(/^\P{Cc}{1,50}$/u, 'a label has at most 50 characters', 'Shorten it.'),
  },
  'issue-assignees': {
    operations: alarming,
    placeholder: 'users',
    description: 'Who is assigned to such issues: names of users, separated by commas.',
    parse: listOf(
      /^@?[A-Za-z0-9-]{1,39}$/,
      'that is no name of a user',
      'Write names as in `mona`, separated by commas.',
    ),
  },
  'issue-mentions': {
    operations: alarming,
    placeholder: 'names',
    description: 'Who is mentioned in such issues: users and teams, separated by commas.',
    parse: listOf(
      /^@?[A-Za-z0-9-]{1,39}(\/[\w.-]{1,100})?$/,
      'that is no name of a user or a team',
      'Write names as in `mona` or `acme/on-call`, separated by commas.',
    ),
  },
  'notify-url': {
    operations: alarming,
    secret: true,
    placeholder: 'url',
    description:
      'A webhook that gets failures, and the recovery from them, as JSON. docs/alarms.md has its fields.',
    parse: parseWebhook,
  },
  'slack-webhook-url': {
    operations: alarming,
    secret: true,
    placeholder: 'url',
    description: 'An incoming webhook of Slack that gets failures, and the recovery from them.',
    parse: parseWebhook,
  },
  'heartbeat-url': {
    operations: alarming,
    secret: true,
    placeholder: 'url',
    description:
      'Called after each success, for a service that raises the alarm when the calls stop: the only one that notices that nothing runs any more.',
    parse: parseWebhook,
  },
  'rpo-target': {
    operations: alarming,
    placeholder: 'duration',
    description:
      'How much work may be lost at most, such as `24h`: failure issues tell how long until the newest backup is older, and escalate then.',
    parse: parseDuration,
  },
  'dry-run': {
    operations: ['restore', 'cleanup', 'schedule'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether to print what the operation would do and stop there.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;

export type InputName = keyof typeof schema;

export const inputNames = Object.keys(schema) as readonly InputName[];

/** The schema for those who print it rather than parse with it. */
export const inputs: Readonly<Record<InputName, Input>> = schema;

/** The text of an input as the user gave it; undefined or empty means not given. */
export type ReadInput = (name: InputName) => string | undefined;
