import * as v from 'valibot';
import { parseColumns, parseImage, parsePatterns } from '../../interface/inputs/database-values.ts';
import { parsePem, parseRecipients } from '../../interface/inputs/key-values.ts';
import { parseRecipientsOfMail, parseSender } from '../../interface/inputs/mail-values.ts';
import { parseProjectRef } from '../../interface/inputs/management-values.ts';
import { notifyFormats } from '../../interface/inputs/operations.ts';
import { inputs } from '../../interface/inputs/schema.ts';
import {
  checkEndpoint,
  parseRegion,
  parseS3Addressing,
  parseS3Encryption,
  parseStorage,
  parseStorageClass,
} from '../../interface/inputs/storage-values.ts';
import { parseDuration, parseInterval, parseRetention } from '../../interface/inputs/time-values.ts';
import { oneOf, Problem, parseSignals, patterned } from '../../interface/inputs/values.ts';
import { databaseNamePattern, pinnedActionPattern } from '../../values/policy-names.ts';
import { parseCron } from '../plan/cron.ts';
import { count, keysOf, secretName, shaped, text, texts } from './texts.ts';
import { parseZoneName } from './time-zones.ts';

/*
 * The schema of a policy file. Texts stay as they are written, because they go into the workflows; they are
 * checked by the parsers of the inputs. schema/policy.schema.json is generated from this schema, for editors.
 */

/** The entries for a role, which is used instead of keys */
const roleEntries = {
  'aws-role': v.optional(
    shaped(
      'ARN of the role of AWS that is taken in place of keys (OIDC).',
      /^arn:aws(-cn|-us-gov)?:iam::\d{12}:role\/[\w+=,.@/-]*[\w+=,.@-]$/,
      'is not the ARN of a role',
      'Write it as in arn:aws:iam::123456789012:role/database-backup',
    ),
  ),
  'aws-role-seconds': v.optional(
    count(900, 43_200, 'For how many seconds the role is taken; 3600 when absent.'),
  ),
};

export const cron = text(
  'When: five fields of cron (minute, hour, day of the month, month, day of the week) in the time zone of the policy. The minute may be ' +
    '`auto`, a stable minute off the peaks, or `auto/15`, every so many minutes.',
  patterned(parseCron.pattern, (value) => {
    // To YAML 1.2 these are texts.
    if (/^(yes|no|on|off)$/i.test(value))
      throw new Problem(`is the text ${value}`, `Write ${/^(yes|on)$/i.test(value) ? 'true' : 'false'}`);
    return parseCron(value);
  }),
);
const cronList = v.pipe(v.array(cron), v.minLength(1, 'is an empty list. Write false to switch the job off'));
const crons = v.union([cron, cronList], 'is neither a cron expression nor a list of them. Write one');

/** The schedule of a kind of job: false (off), true (default times), times, or times with settings */
function schedule<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.union([v.boolean(), cron, cronList, keysOf({ cron: v.optional(crons), ...entries })]);
}

export const schedulesSchema = keysOf({
  full: v.optional(schedule({})),
  incremental: v.optional(schedule({})),
  schema: v.optional(schedule({})),
  archive: v.optional(
    schedule({
      label: v.optional(text('The label of the archive; `archive` when absent.')),
      pin: v.optional(v.pipe(v.boolean(), v.description('Whether archives are kept for good.'))),
    }),
  ),
  capture: v.optional(
    schedule({
      'unlimited-wal': v.optional(
        v.pipe(
          v.boolean(),
          v.description(
            'Whether captures may begin on a server that sets no limit to the write-ahead log that their slot keeps.',
          ),
        ),
      ),
    }),
  ),
  drill: v.optional(schedule({})),
  cleanup: v.optional(schedule({})),
  mirror: v.optional(schedule({})),
  watch: v.optional(schedule({})),
  digest: v.optional(schedule({})),
});

export const retention = text(
  'Which backups stay: rules such as `hourly=24 daily=7 weekly=5 monthly=12`.',
  parseRetention,
);

export const keepChanges = text(
  'How far back any point in time stays recoverable, such as `8d`, where changes are captured.',
  parseInterval,
);

const restoreSchema = keysOf({
  environment: v.optional(
    text('The GitHub environment of restores, whose reviewers approve; `<database>-restore` when absent.'),
  ),
  'target-url': v.optional(
    secretName('the connection string of the database to restore into; TARGET_URL when absent'),
  ),
  'safety-storage': v.optional(
    text('Where a safety backup goes when the target is another database.', parseStorage),
  ),
  image: v.optional(text('The container image of the trial on the runner.', parseImage)),
});

export const databaseSchema = keysOf({
  'database-url': secretName('the connection string of the database'),
  sslrootcert: v.optional(
    text(
      "The authority of the server's certificate, in PEM form: Supabase has it under Database settings.",
      parsePem,
    ),
  ),
  storage: text(
    'Where the backups are kept: `s3://bucket/prefix`, `artifact://name`, or a folder of a self-hosted runner.',
    parseStorage,
  ),
  'artifact-retention-days': v.optional(
    count(
      1,
      90,
      'How many days GitHub keeps the artifact of each run that writes into an `artifact://` storage.',
    ),
  ),
  's3-endpoint': v.optional(text('Address of an S3 service other than Amazon.', checkEndpoint)),
  's3-region': v.optional(text('Region of the bucket.', parseRegion)),
  's3-addressing': v.optional(
    text('Where the bucket stands in the address: `auto`, `path` or `virtual`.', parseS3Addressing),
  ),
  's3-sse': v.optional(
    text('What the store is asked to encrypt with: `AES256`, `aws:kms` or `aws:kms:KEY`.', parseS3Encryption),
  ),
  's3-storage-class': v.optional(text('The storage class of what is written.', parseStorageClass)),
  'aws-access-key-id': v.optional(secretName('the id of the access key; AWS_ACCESS_KEY_ID when absent')),
  'aws-secret-access-key': v.optional(secretName('the access key; AWS_SECRET_ACCESS_KEY when absent')),
  ...roleEntries,
  'repository-key': v.optional(secretName('the key that names stored objects')),
  copies: v.optional(
    secretName(
      'the storages with copies, as the input `copies` has them; backups and captures copy there, too',
    ),
  ),
  'encryption-identity': v.optional(secretName('the age identity; only drills and restores get it')),
  'project-ref': v.optional(
    text(
      "The project at Supabase, as the twenty letters in the address of its dashboard: what is told of the backups tells of the platform's own, too.",
      parseProjectRef,
    ),
  ),
  'supabase-access-token': v.optional(
    secretName("the token of Supabase's Management API; SUPABASE_ACCESS_TOKEN when absent"),
  ),
  'heartbeat-url': v.optional(
    secretName('the address that the watch of this database calls when all is well with it'),
  ),
  'encryption-recipients': v.optional(texts('Who can open the backups: age recipients.', parseRecipients)),
  environment: v.optional(text('The GitHub environment of its jobs, whose secrets and rules they get.')),
  checks: v.optional(text('Questions to the database, one SELECT a line, or the path of a file with them.')),
  freshness: v.optional(
    texts('Columns that tell how fresh the data is: `schema.table.column`.', parseColumns),
  ),
  include: v.optional(texts('The tables to take: `schema.table`, `schema.*` or `*`.', parsePatterns)),
  exclude: v.optional(texts('The tables to leave out.', parsePatterns)),
  schedules: v.optional(schedulesSchema),
  retention: v.optional(retention),
  'keep-changes': v.optional(keepChanges),
  restore: v.optional(restoreSchema),
});

const drillChoice = new RegExp(
  `^(?:latest|latest-verified|random:${parseInterval.pattern.source.slice(1, -1)})$`,
);

const drillSchema = keysOf({
  'backup-id': v.optional(
    shaped(
      'Which backup to restore: `latest`, `latest-verified` or `random:7d`.',
      drillChoice,
      'is no choice of a backup',
      'Write latest, latest-verified or random:<interval>, such as random:7d',
    ),
  ),
  fallback: v.optional(count(0, 100, 'How many older backups to try when the chosen one fails.')),
  'rto-target': v.optional(text('How long a recovery may take, such as `30m`.', parseDuration)),
  checks: v.optional(
    text('Questions that must return true, one SELECT a line, or the path of a file with them.'),
  ),
  image: v.optional(text('The container image of the server for drills.', parseImage)),
});

const cleanupSchema = keysOf({
  'aws-access-key-id': v.optional(secretName('the id of an access key that may delete')),
  'aws-secret-access-key': v.optional(secretName('the access key that may delete')),
  ...roleEntries,
  'grace-period': v.optional(text('How long unneeded objects stay before they are removed.', parseInterval)),
});

export const alarmsSchema = keysOf({
  issues: v.optional(
    v.pipe(v.boolean(), v.description('Whether a failure opens an issue; true when absent.')),
  ),
  labels: v.optional(texts('More labels of these issues.', inputs['issue-labels'].parse)),
  assignees: v.optional(texts('Who is assigned to them.', inputs['issue-assignees'].parse)),
  mentions: v.optional(
    texts('Who is mentioned in them: `@team` or `@person`.', inputs['issue-mentions'].parse),
  ),
  'notify-url': v.optional(secretName('the address of a webhook')),
  'notify-format': v.optional(
    text(
      'The form of what the webhook gets, such as `discord`; `default` when absent.',
      oneOf(notifyFormats),
    ),
  ),
  'slack-webhook-url': v.optional(secretName("the address of Slack's webhook")),
  'smtp-url': v.optional(secretName('the address of a mail server, with its login')),
  'mail-from': v.optional(text('Whom mail comes from.', parseSender)),
  'mail-to': v.optional(texts('Who gets mail.', parseRecipientsOfMail)),
  'heartbeat-url': v.optional(
    secretName('the address that the watch calls when all is well with all databases'),
  ),
  'heartbeat-signals': v.optional(
    texts('What the heartbeat tells besides successes: `start`, `fail` or both.', parseSignals),
  ),
  'rpo-target': v.optional(
    text(
      'How old the newest backup may become, such as `24h`; checked against the schedules.',
      parseDuration,
    ),
  ),
});

const databaseName = v.pipe(
  v.string(),
  v.regex(
    databaseNamePattern,
    'is no name for a database. Write lower-case letters, digits and -; `all` is taken',
  ),
);

/** A policy in which each key is valid by itself */
export const policySchema = keysOf({
  $schema: v.optional(v.string()),
  action: shaped(
    'This action, pinned: OWNER/REPO@COMMIT, with the version as a comment behind it.',
    pinnedActionPattern,
    'is not OWNER/REPO@COMMIT with a commit of 40 hexadecimal digits',
    'Pin a commit, for a tag can be moved; the release page names it',
  ),
  repository: v.optional(
    shaped(
      'The repository with the workflows, OWNER/REPO. When absent, GITHUB_REPOSITORY or the remote `origin`.',
      /^[\w.-]+\/[\w.-]+$/,
      'is not OWNER/REPO',
      'Write it as in octo-org/shop',
    ),
  ),
  'runs-on': v.optional(text('The runner of all jobs; ubuntu-latest when absent.')),
  'install-client': v.optional(
    text(
      'Whether missing client programs are installed: `auto` on runners of GitHub only, `always` on yours, too, or `never`.',
      oneOf(['auto', 'always', 'never']),
    ),
  ),
  'time-zone': v.optional(
    text('The time zone of all schedules, such as `Europe/Berlin`; UTC when absent.', parseZoneName),
  ),
  'records-url': v.optional(secretName('the URL of the database that keeps the records in SQL')),
  databases: v.pipe(
    v.record(databaseName, databaseSchema),
    v.minEntries(1, 'names no database. Write at least one'),
  ),
  schedules: v.optional(schedulesSchema),
  retention: v.optional(retention),
  'keep-changes': v.optional(keepChanges),
  runbook: v.optional(
    v.pipe(
      v.boolean(),
      v.description(
        'Whether each backup is followed by a runbook, as an artifact of the run; true when absent. Never in a public repository.',
      ),
    ),
  ),
  restore: v.optional(
    v.pipe(v.boolean(), v.description('Whether a workflow to restore by hand is made; true when absent.')),
  ),
  drill: v.optional(drillSchema),
  cleanup: v.optional(cleanupSchema),
  alarms: v.optional(alarmsSchema),
});

export type WrittenPolicy = v.InferOutput<typeof policySchema>;
export type WrittenDatabase = v.InferOutput<typeof databaseSchema>;
export type WrittenSchedules = v.InferOutput<typeof schedulesSchema>;
export type JobKind = keyof WrittenSchedules;
