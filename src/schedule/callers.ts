import { Document, isMap, isScalar, type Scalar } from 'yaml';
import type { Plan, PlannedDatabase, PlannedJob } from './plan.ts';
import type { JobKind, WrittenPolicy } from './policy-schema.ts';
import { type ReusableName, reusableWorkflows } from './reusable.ts';

/** The text of a workflow, without its header. */
export interface Caller {
  /** File name */
  readonly file: string;
  readonly text: string;
}

interface Context {
  readonly policy: WrittenPolicy;
  readonly plan: Plan;
  /** A comment behind the pinned commit */
  readonly actionVersion: string;
  /** Path of the policy in its repository */
  readonly policyPath: string;
}

interface Job {
  readonly id: string;
  readonly name: string;
  readonly calls: ReusableName;
  /** undefined: the job is about no single database */
  readonly database: string | undefined;
  readonly kind: JobKind;
  readonly crons: readonly string[];
  readonly with: Values;
  readonly secrets: Values;
}

type Values = Readonly<Record<string, string | boolean | undefined>>;

const callees: Readonly<Record<JobKind, ReusableName>> = {
  full: 'backup',
  incremental: 'backup',
  schema: 'backup',
  archive: 'backup',
  capture: 'capture',
  drill: 'drill',
  cleanup: 'cleanup',
  watch: 'watch',
};

const titles: Readonly<Record<string, string>> = {
  'supabase-backup.yml': 'Database backup',
  'supabase-backup-incremental.yml': 'Incremental database backup',
  'supabase-backup-capture.yml': 'Database change capture',
  'supabase-backup-drill.yml': 'Database restore drill',
  'supabase-backup-cleanup.yml': 'Database backup cleanup',
  'supabase-backup-watch.yml': 'Database backup watch',
};

/** A job's schedule in a run's name, by which `schedule` tells later what the run was for. */
export const dueMark = ', due ';

/** The workflows of a policy, each with at least one job. */
export function renderCallers(context: Context): Caller[] {
  const jobs = context.plan.databases.flatMap((database) =>
    database.jobs.map((planned) => ({ file: planned.file, job: makeJob(planned, database, context) })),
  );
  return Object.keys(titles).flatMap((file) => {
    const inFile = jobs.filter((entry) => entry.file === file).map(({ job }) => job);
    const [first] = inFile;
    if (first === undefined) return [];
    const all = first.kind === 'watch' ? [...inFile, makeScheduleJob(first.crons, context)] : inFile;
    return [{ file, text: renderWorkflow(file, all, context) }];
  });
}

function makeJob(planned: PlannedJob, { written, retention }: PlannedDatabase, context: Context): Job {
  const { policy } = context;
  const { kind, database } = planned;
  const given: Values = {
    ...commonInputs(context),
    storage: written.storage,
    's3-endpoint': written['s3-endpoint'],
    's3-region': written['s3-region'],
    environment: written.environment,
    database,
    'rpo-target': policy.alarms?.['rpo-target'],
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
    'rto-target': policy.drill?.['rto-target'],
    image: policy.drill?.image,
    retention,
    'time-zone': context.plan.timeZone,
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
    secrets: pick(secretsOf(kind, written, policy), reusableWorkflows[calls].secrets),
  };
}

/** Once, not once per database: whether all the workflows are there, enabled, and ran. */
function makeScheduleJob(crons: readonly string[], context: Context): Job {
  const given = { ...commonInputs(context), policy: context.policyPath };
  return {
    id: 'schedules',
    name: 'schedules',
    calls: 'watch',
    database: undefined,
    kind: 'watch',
    crons,
    with: given,
    secrets: pick(alarmSecrets(context.policy), reusableWorkflows.watch.secrets),
  };
}

function commonInputs({ policy, plan }: Context): Values {
  const { alarms } = policy;
  const issues = alarms?.issues ?? true;
  return {
    'runs-on': plan.runsOn,
    'failure-issues': issues,
    'issue-labels': issues ? join(alarms?.labels) : undefined,
    'issue-assignees': issues ? join(alarms?.assignees) : undefined,
    'issue-mentions': issues ? join(alarms?.mentions) : undefined,
  };
}

function secretsOf(kind: JobKind, written: PlannedDatabase['written'], policy: WrittenPolicy): Values {
  const isS3 = /^s3:/i.test(written.storage);
  // Only what removes backups gets credentials that can.
  const own = kind === 'cleanup' ? policy.cleanup : undefined;
  const id = own?.['aws-access-key-id'] ?? written['aws-access-key-id'] ?? 'AWS_ACCESS_KEY_ID';
  const key = own?.['aws-secret-access-key'] ?? written['aws-secret-access-key'] ?? 'AWS_SECRET_ACCESS_KEY';
  return {
    DATABASE_URL: secret(written['database-url']),
    AWS_ACCESS_KEY_ID: isS3 ? secret(id) : undefined,
    AWS_SECRET_ACCESS_KEY: isS3 ? secret(key) : undefined,
    REPOSITORY_KEY: secret(written['repository-key']),
    ENCRYPTION_IDENTITY: secret(written['encryption-identity']),
    ...alarmSecrets(policy),
  };
}

function alarmSecrets({ alarms }: WrittenPolicy): Values {
  return {
    NOTIFY_URL: secret(alarms?.['notify-url']),
    SLACK_WEBHOOK_URL: secret(alarms?.['slack-webhook-url']),
    HEARTBEAT_URL: secret(alarms?.['heartbeat-url']),
  };
}

function renderWorkflow(file: string, jobs: readonly Job[], context: Context): string {
  const title = titles[file] as string;
  const crons = [...new Set(jobs.flatMap((job) => job.crons))];
  const document = new Document({
    name: title,
    'run-name': expression(
      `github.event.schedule && format('${title}${dueMark}{0}', github.event.schedule) || '${title}, by hand'`,
    ),
    on: {
      schedule: crons.map((cron) => ({ cron, timezone: context.plan.timeZone })),
      workflow_dispatch: renderDispatch(jobs),
    },
    permissions: {},
    jobs: Object.fromEntries(jobs.map((job) => [job.id, renderJob(job, jobs, context)])),
  });
  for (const cron of crons.keys()) quoteNode(document.getIn(['on', 'schedule', cron, 'cron'], true));
  for (const job of jobs) {
    const uses = document.getIn(['jobs', job.id, 'uses'], true);
    if (isScalar(uses) && context.actionVersion !== '') uses.comment = ` ${context.actionVersion}`;
  }
  separate(document);
  return document.toString({ lineWidth: 0 });
}

/** What a person who starts it by hand may choose; nothing where there is nothing to choose. */
function renderDispatch(jobs: readonly Job[]): object {
  const names = [...new Set(jobs.flatMap(({ database }) => database ?? []))];
  const kinds = [...new Set(jobs.map(({ kind }) => kind))];
  const inputs = {
    ...(names.length > 1 && { database: choice('Which database', ['all', ...names]) }),
    ...(kinds.length > 1 && { kind: choice('What to store', kinds) }),
    ...(jobs.some(({ calls }) => calls === 'backup') && {
      description: { description: 'A note kept with the backup', type: 'string' },
      pin: { description: 'Keep the backup for good', type: 'boolean', default: false },
    }),
    ...(jobs.some(({ calls }) => calls === 'cleanup') && {
      'dry-run': { description: 'Only show what would be removed', type: 'boolean', default: false },
    }),
  };
  return Object.keys(inputs).length === 0 ? {} : { inputs };
}

function choice(description: string, options: readonly string[]): object {
  return { description, type: 'choice', options, default: options[0] };
}

function renderJob(job: Job, beside: readonly Job[], { policy }: Context): object {
  const { file, permissions } = reusableWorkflows[job.calls];
  const [repository, commit] = policy.action.split('@');
  const condition = conditionOf(job, beside);
  // Only the job that looks at workflows has to do with them, and whoever reads the artifact of another run.
  const reads = String(job.with.storage ?? '').startsWith('artifact://') ? ('read' as const) : undefined;
  const granted = job.database === undefined ? permissions : { ...permissions, actions: reads };
  const wanted = { ...granted, issues: (policy.alarms?.issues ?? true) ? permissions.issues : undefined };
  const secrets = defined(job.secrets);
  return {
    name: job.name,
    ...(condition !== undefined && { if: condition }),
    permissions: defined(wanted),
    // Nothing that waits is dropped: `queue: max` keeps up to 100 waiting, where one would be without it.
    concurrency: {
      group: groupOf(job),
      'cancel-in-progress': false,
      queue: 'max',
    },
    uses: `${repository}/.github/workflows/${file}@${commit}`,
    with: defined(job.with),
    ...(Object.keys(secrets).length > 0 && { secrets }),
  };
}

/** Backups and cleanups of a database wait for each other. What only reads, or has to be on time, waits for none of them. */
function groupOf({ database, kind, calls }: Job): string {
  const group = `supabase-backup-${database ?? 'schedules'}`;
  return calls === 'backup' || calls === 'cleanup' || database === undefined ? group : `${group}-${kind}`;
}

/** When a run is this job's: its own schedule, or chosen by hand. Undefined when every run is. */
function conditionOf(job: Job, beside: readonly Job[]): string | undefined {
  const sameCrons = beside.every(({ crons }) => crons.join() === job.crons.join());
  const names = new Set(beside.flatMap(({ database }) => database ?? []));
  const kinds = new Set(beside.map(({ kind }) => kind));
  const asked = [
    ...(names.size > 1 && job.database !== undefined
      ? [`(inputs.database == 'all' || inputs.database == ${quote(job.database)})`]
      : []),
    ...(kinds.size > 1 ? [`inputs.kind == ${quote(job.kind)}`] : []),
  ];
  if (sameCrons && asked.length === 0) return undefined;
  const due = job.crons.map((cron) => `github.event.schedule == ${quote(cron)}`);
  const byHand = asked.length === 0 ? ["github.event_name == 'workflow_dispatch'"] : [asked.join(' && ')];
  return [...due, ...byHand.map((text) => (due.length > 0 && asked.length > 1 ? `(${text})` : text))].join(
    ' || ',
  );
}

/** A text of GitHub's expressions. */
function quote(text: string): string {
  return `'${text.replace(/'/g, "''")}'`;
}

function expression(text: string): string {
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

function defined(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function quoteNode(node: unknown): void {
  if (isScalar(node)) (node as Scalar).type = 'QUOTE_DOUBLE';
}

/** An empty line before each job and each part of the file. */
function separate(document: Document): void {
  for (const map of [document.contents, document.get('jobs', true)]) {
    if (!isMap(map)) continue;
    for (const { key } of map.items.slice(1)) {
      if (isScalar(key) && key.value !== 'run-name') key.spaceBefore = true;
    }
  }
}
