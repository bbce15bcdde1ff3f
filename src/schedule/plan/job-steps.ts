import { type Role, roleOf } from '../policy/aws-roles.ts';
import type { JobKind, WrittenPolicy } from '../policy/schema.ts';
import { type ReusableName, reusableWorkflows } from '../workflows/reusable.ts';
import {
  listWatched,
  type PlannedDatabase,
  type PlannedJob,
  type SchedulePlan,
  tokenNameOf,
} from './plan.ts';

/*
 * The reusable workflow that a planned job calls, and the inputs and secrets that it passes: only those that
 * the workflow takes.
 */

export interface JobContext {
  readonly policy: WrittenPolicy;
  readonly plan: SchedulePlan;
  /** The version, for a comment behind the pinned commit; empty when not known */
  readonly actionVersion: string;
  /** Path of the policy within its repository */
  readonly policyPath: string;
}

export interface WorkflowJob {
  readonly id: string;
  readonly name: string;
  readonly calls: ReusableName;
  /** Undefined for a job that concerns all databases */
  readonly database: string | undefined;
  /** `restore` has no schedule */
  readonly kind: JobKind | 'restore';
  readonly crons: readonly string[];
  /** Ids of the jobs of its file that it waits for, however they end */
  readonly needs?: readonly string[];
  readonly with: Values;
  readonly secrets: Values;
}

export type Values = Readonly<Record<string, string | boolean | undefined>>;

const callees: Readonly<Record<JobKind, ReusableName>> = {
  full: 'backup',
  incremental: 'backup',
  schema: 'backup',
  archive: 'backup',
  capture: 'capture',
  drill: 'drill',
  cleanup: 'cleanup',
  mirror: 'mirror',
  watch: 'watch',
  digest: 'watch',
};

/**
 * Creates the job for a planned one.
 *
 * @param owner the database of the job
 */
export function makeJob(planned: PlannedJob, owner: PlannedDatabase, context: JobContext): WorkflowJob {
  const { policy } = context;
  const { kind, database } = planned;
  const { written, retention, keepChanges, jobs } = owner;
  const role = roleOf(kind, written, policy);
  // Changes are replayed only on the latest backup; a backup chosen by another rule is drilled as it is.
  const drillsChanges =
    jobs.some((job) => job.kind === 'capture') && (policy.drill?.['backup-id'] ?? 'latest') === 'latest';
  // A cleanup removes backups, and a digest says which ones the next cleanup will.
  const removes = kind === 'cleanup' || kind === 'digest';
  const isHeard = kind === 'watch' && heartbeatOf(written, policy) !== undefined;
  const given: Values = {
    ...commonInputs(context),
    ...(isHeard && { 'heartbeat-signals': join(policy.alarms?.['heartbeat-signals']) }),
    'install-client': policy['install-client'],
    ...placeInputs(written, role),
    environment: written.environment,
    sslrootcert: written.sslrootcert,
    'project-ref': written['project-ref'],
    database,
    'rpo-target': policy.alarms?.['rpo-target'],
    // One watch alone looks at the workflows, too; several leave that to a job of its own.
    policy: kind === 'watch' && listWatched(policy).length === 1 ? context.policyPath : undefined,
    include: join(written.include),
    exclude: join(written.exclude),
    'encryption-recipients': join(written['encryption-recipients']),
    freshness: join(written.freshness),
    checks: kind === 'drill' ? policy.drill?.checks : written.checks,
    'backup-type': kind === 'archive' ? 'full' : kind,
    label: expression(
      `inputs.description${planned.label === undefined ? '' : ` || ${quote(planned.label)}`}`,
    ),
    pin: planned.pin ? true : expression('inputs.pin == true'),
    'backup-id': policy.drill?.['backup-id'],
    fallback: policy.drill?.fallback?.toString(),
    'recovery-target-time': drillsChanges ? 'latest' : undefined,
    'rto-target': policy.drill?.['rto-target'],
    image: policy.drill?.image,
    runbook: policy.runbook ?? true,
    digest: kind === 'digest' ? true : undefined,
    ...(removes && { retention, 'keep-changes': keepChanges, 'time-zone': context.plan.timeZone }),
    'status-policy': context.policyPath,
    'unlimited-wal': planned.unlimitedWal ? true : undefined,
    'drop-slot': expression('inputs.drop-slot == true'),
    'grace-period': policy.cleanup?.['grace-period'],
    'dry-run': expression('inputs.dry-run == true'),
  };
  const calls = callees[kind];
  return {
    id: `${database}-${kind}`,
    name: `${database}: ${kind}`,
    calls,
    database,
    kind,
    crons: planned.crons,
    with: pick(given, reusableWorkflows[calls].inputs),
    secrets: pick(secretsOf(kind, written, role, policy), reusableWorkflows[calls].secrets),
  };
}

/** What is asked of whoever starts a restore, and passed on as it is answered. */
const askedOfRestores = [
  ...(['backup-id', 'recovery-target-time', 'include', 'side-schema', 'checks', 'fallback'] as const),
  ...(['target-kind', 'clean', 'safety-backup', 'skip-staging', 'dry-run', 'confirm'] as const),
];

/** Creates the job that restores backups of a database, when somebody starts it. */
export function makeRestoreJob({ name, written }: PlannedDatabase, context: JobContext): WorkflowJob {
  const { policy } = context;
  const { restore = {} } = written;
  // It reads and records as a drill does.
  const role = roleOf('drill', written, policy);
  const given: Values = {
    ...commonInputs(context),
    'install-client': policy['install-client'],
    ...placeInputs(written, role),
    sslrootcert: written.sslrootcert,
    environment: restore.environment ?? `${name}-restore`,
    database: name,
    'safety-storage': restore['safety-storage'],
    image: restore.image ?? policy.drill?.image,
    ...Object.fromEntries(askedOfRestores.map((input) => [input, expression(`inputs.${input}`)])),
  };
  const { inputs, secrets } = reusableWorkflows.restore;
  return {
    id: `${name}-restore`,
    name: `${name}: restore`,
    calls: 'restore',
    database: name,
    kind: 'restore',
    crons: [],
    with: pick(given, inputs),
    secrets: pick(
      {
        ...secretsOf('restore', written, role, policy),
        TARGET_URL: secret(restore['target-url'] ?? 'TARGET_URL'),
      },
      secrets,
    ),
  };
}

/**
 * Creates the one job, for all databases, that checks whether the workflows exist, are enabled, and ran. It
 * comes after the watches, and calls the heartbeat of all only when all of them went well.
 *
 * @param watches the jobs of its file
 */
export function makeScheduleJob(watches: readonly WorkflowJob[], context: JobContext): WorkflowJob {
  const { alarms } = context.policy;
  const isHeard = alarms?.['heartbeat-url'] !== undefined;
  const given = {
    ...commonInputs(context),
    policy: context.policyPath,
    ...(isHeard && { 'heartbeat-signals': join(alarms?.['heartbeat-signals']) }),
  };
  // Who starts the watch of one database by hand learns nothing of the others.
  const allWell =
    "!contains(needs.*.result, 'failure') && !contains(needs.*.result, 'cancelled') && " +
    "(github.event_name == 'schedule' || !contains(needs.*.result, 'skipped'))";
  return {
    id: 'schedules',
    name: 'schedules',
    calls: 'watch',
    database: undefined,
    kind: 'watch',
    crons: watches[0]?.crons ?? [],
    ...(isHeard && { needs: watches.map(({ id }) => id) }),
    with: given,
    secrets: pick(
      {
        ...sharedSecrets(context.policy),
        HEARTBEAT_URL: isHeard
          ? expression(`${allWell} && secrets.${alarms['heartbeat-url']} || ''`)
          : undefined,
      },
      reusableWorkflows.watch.secrets,
    ),
  };
}

/**
 * Returns the secret with the address that the watch of a database calls: its own, or that of all where it is
 * the only one. Only a watch calls it, because it fails when the newest backup is old, whatever went well.
 */
function heartbeatOf(written: PlannedDatabase['written'], policy: WrittenPolicy): string | undefined {
  const isAlone = listWatched(policy).length === 1;
  return written['heartbeat-url'] ?? (isAlone ? policy.alarms?.['heartbeat-url'] : undefined);
}

/** @param role the role that the job takes for the storage */
function placeInputs(written: PlannedDatabase['written'], role: Role | undefined): Values {
  return {
    storage: written.storage,
    'artifact-retention-days': written['artifact-retention-days']?.toString(),
    's3-endpoint': written['s3-endpoint'],
    's3-region': written['s3-region'],
    's3-addressing': written['s3-addressing'],
    's3-sse': written['s3-sse'],
    's3-storage-class': written['s3-storage-class'],
    'aws-role': role?.arn,
    'aws-role-seconds': role?.seconds?.toString(),
  };
}

function commonInputs({ policy, plan }: JobContext): Values {
  const { alarms } = policy;
  const issues = alarms?.issues ?? true;
  return {
    'runs-on': plan.runsOn,
    'failure-issues': issues,
    'issue-labels': issues ? join(alarms?.labels) : undefined,
    'issue-assignees': issues ? join(alarms?.assignees) : undefined,
    'issue-mentions': issues ? join(alarms?.mentions) : undefined,
    'notify-format': alarms?.['notify-format'],
    'mail-from': alarms?.['mail-from'],
    'mail-to': join(alarms?.['mail-to']),
  };
}

/** @param role the role that the job assumes; a job with a role gets no keys */
function secretsOf(
  kind: WorkflowJob['kind'],
  written: PlannedDatabase['written'],
  role: Role | undefined,
  policy: WrittenPolicy,
): Values {
  const hasKeys = /^s3:/i.test(written.storage) && role === undefined;
  // Only cleanups get credentials that may delete.
  const own = kind === 'cleanup' ? policy.cleanup : undefined;
  const id = own?.['aws-access-key-id'] ?? written['aws-access-key-id'] ?? 'AWS_ACCESS_KEY_ID';
  const key = own?.['aws-secret-access-key'] ?? written['aws-secret-access-key'] ?? 'AWS_SECRET_ACCESS_KEY';
  return {
    DATABASE_URL: secret(written['database-url']),
    AWS_ACCESS_KEY_ID: hasKeys ? secret(id) : undefined,
    AWS_SECRET_ACCESS_KEY: hasKeys ? secret(key) : undefined,
    REPOSITORY_KEY: secret(written['repository-key']),
    COPIES: secret(written.copies),
    ENCRYPTION_IDENTITY: secret(written['encryption-identity']),
    // Without a project there is nothing to ask with it, and the target of a restore may be another one: its token
    // is a secret of the environment of restores.
    SUPABASE_ACCESS_TOKEN:
      written['project-ref'] === undefined || kind === 'restore' ? undefined : secret(tokenNameOf(written)),
    HEARTBEAT_URL: kind === 'watch' ? secret(heartbeatOf(written, policy)) : undefined,
    ...sharedSecrets(policy),
  };
}

function sharedSecrets({ alarms, ...policy }: WrittenPolicy): Values {
  return {
    RECORDS_URL: secret(policy['records-url']),
    NOTIFY_URL: secret(alarms?.['notify-url']),
    SLACK_WEBHOOK_URL: secret(alarms?.['slack-webhook-url']),
    SMTP_URL: secret(alarms?.['smtp-url']),
  };
}

/** Writes a string literal of GitHub's expressions. */
export function quote(text: string): string {
  return `'${text.replace(/'/g, "''")}'`;
}

export function expression(text: string): string {
  return `\${{ ${text} }}`;
}

function secret(name: string | undefined): string | undefined {
  return name === undefined ? undefined : expression(`secrets.${name}`);
}

function join(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}

function pick(values: Values, wanted: object): Values {
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, values[name]]));
}

export function isArtifact(storage: Values[string]): boolean {
  return String(storage ?? '').startsWith('artifact://');
}
