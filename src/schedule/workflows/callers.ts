import { Document, isMap, isScalar, type Scalar } from 'yaml';
import {
  expression,
  isArtifact,
  type JobContext,
  makeJob,
  makeRestoreJob,
  makeScheduleJob,
  quote,
  type Values,
  type WorkflowJob,
} from '../plan/job-steps.ts';
import { type ReusableWorkflow, reusableWorkflows } from './reusable.ts';

/** A generated workflow that calls reusable ones */
export interface Caller {
  /** File name */
  readonly file: string;
  /** The content without the header */
  readonly text: string;
}

const titles: Readonly<Record<string, string>> = {
  'supabase-backup.yml': 'Database backup',
  'supabase-backup-incremental.yml': 'Incremental database backup',
  'supabase-backup-capture.yml': 'Database change capture',
  'supabase-backup-drill.yml': 'Database restore drill',
  'supabase-backup-cleanup.yml': 'Database backup cleanup',
  'supabase-backup-mirror.yml': 'Database backup mirror',
  'supabase-backup-watch.yml': 'Database backup watch',
  'supabase-backup-digest.yml': 'Database backup digest',
  'supabase-backup-restore.yml': 'Database restore',
};

const restoreFile = 'supabase-backup-restore.yml';

/** Precedes the schedule in a run's name, by which `schedule` later assigns the run to a due time. */
export const dueMark = ', due ';

/** Renders the workflows of a policy; each has at least one job. */
export function renderCallers(context: JobContext): Caller[] {
  const { databases } = context.plan;
  const scheduled = databases.flatMap((database) =>
    database.jobs.map((planned) => ({ file: planned.file, job: makeJob(planned, database, context) })),
  );
  const restores = (context.policy.restore ?? true) ? databases : [];
  const jobs = [
    ...scheduled,
    ...restores.map((database) => ({ file: restoreFile, job: makeRestoreJob(database, context) })),
  ];
  return Object.keys(titles).flatMap((file) => {
    const inFile = jobs.filter((entry) => entry.file === file).map(({ job }) => job);
    const [first] = inFile;
    if (first === undefined) return [];
    const all =
      first.kind === 'watch' && inFile.length > 1 ? [...inFile, makeScheduleJob(inFile, context)] : inFile;
    return [{ file, text: renderWorkflow(file, all, context) }];
  });
}

function renderWorkflow(file: string, jobs: readonly WorkflowJob[], context: JobContext): string {
  const title = titles[file] as string;
  const crons = [...new Set(jobs.flatMap((job) => job.crons))];
  const document = new Document({
    name: title,
    ...(crons.length > 0 && {
      'run-name': expression(
        `github.event.schedule && format('${title}${dueMark}{0}', github.event.schedule) || '${title}, by hand'`,
      ),
    }),
    on: {
      ...(crons.length > 0 && {
        schedule: crons.map((cron) => ({ cron, timezone: context.plan.timeZone })),
      }),
      workflow_dispatch: file === restoreFile ? renderRestoreDispatch(jobs) : renderDispatch(jobs),
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

/** Renders the inputs of a manual start; empty when there is nothing to choose. */
function renderDispatch(jobs: readonly WorkflowJob[]): object {
  const names = [...new Set(jobs.flatMap(({ database }) => database ?? []))];
  const kinds = [...new Set(jobs.map(({ kind }) => kind))];
  const inputs = {
    ...(names.length > 1 && { database: choice('Which database', ['all', ...names]) }),
    ...(kinds.length > 1 && { kind: choice('What to store', kinds) }),
    ...(jobs.some(({ calls }) => calls === 'backup') && {
      description: { description: 'A note to store with the backup', type: 'string' },
      pin: { description: 'Keep the backup forever', type: 'boolean', default: false },
    }),
    ...(jobs.some(({ calls }) => calls === 'capture') && {
      'drop-slot': {
        description: 'Capture one last time, then drop the slot',
        type: 'boolean',
        default: false,
      },
    }),
    ...(jobs.some(({ calls }) => calls === 'mirror') && {
      'dry-run': { description: 'Only print what would be copied', type: 'boolean', default: false },
    }),
    ...(jobs.some(({ calls }) => calls === 'cleanup') && {
      'dry-run': { description: 'Only print what would be removed', type: 'boolean', default: false },
    }),
  };
  return Object.keys(inputs).length === 0 ? {} : { inputs };
}

/** Renders what a restore asks for. Nothing is touched unless somebody takes `dry-run` back. */
function renderRestoreDispatch(jobs: readonly WorkflowJob[]): object {
  const names = jobs.flatMap(({ database }) => database ?? []);
  const text = (description: string) => ({ description, type: 'string' });
  const flag = (description: string, isOn: boolean) => ({ description, type: 'boolean', default: isOn });
  return {
    inputs: {
      ...(names.length > 1 && { database: choice('The database whose backup to restore', names) }),
      'dry-run': flag('Only print what would be done', true),
      'backup-id': {
        ...text('The backup to use: latest, latest-verified, an id, or before:2026-11-20T06:00:00Z'),
        default: 'latest',
      },
      'recovery-target-time': text(
        'The point in time to restore, in UTC, such as 2026-11-20T14:30:00Z, or latest; needs captures',
      ),
      include: text('Only these tables, such as public.orders, billing.*'),
      'side-schema': text('A new schema for the rows of these tables; the live tables are not changed'),
      clean: flag('Replace what is there (everything, or the tables above), after a safety backup', false),
      confirm: text('RESTORE PRODUCTION, if the dry run asks for these words'),
      checks: text('SQL checks that must return true, one SELECT per line'),
      fallback: {
        ...text('How many older backups to try if the chosen one fails its trial restore'),
        default: '3',
      },
      'target-kind': choice('The kind of target', ['auto', 'supabase-project', 'supabase-image', 'plain']),
      'safety-backup': flag('Back up the target before it is emptied', true),
      'skip-staging': flag(
        'Skip the trial restore on the runner, for a backup that is too large for it',
        false,
      ),
    },
  };
}

function choice(description: string, options: readonly string[]): object {
  return { description, type: 'choice', options, default: options[0] };
}

function renderJob(job: WorkflowJob, beside: readonly WorkflowJob[], { policy }: JobContext): object {
  const { file, permissions }: ReusableWorkflow = reusableWorkflows[job.calls];
  const [repository, commit] = policy.action.split('@');
  const due = conditionOf(job, beside);
  // A watch that failed does not keep the job after it from looking.
  const condition =
    job.needs === undefined ? due : due === undefined ? '!cancelled()' : `!cancelled() && (${due})`;
  // Only what checks the schedules needs write access to workflows. A job with an artifact storage reads
  // artifacts of other runs, and a status whether the workflows run.
  const reads = isArtifact(job.with.storage) || job.calls === 'watch' ? ('read' as const) : undefined;
  const granted = job.with.policy === undefined ? { ...permissions, actions: reads } : permissions;
  const wanted = {
    ...granted,
    issues: (policy.alarms?.issues ?? true) ? permissions.issues : undefined,
    // With this permission a job gets a token of its identity, which is all that assuming a role requires: no
    // other job gets it.
    'id-token': job.with['aws-role'] === undefined ? undefined : ('write' as const),
  };
  const secrets = defined(job.secrets);
  return {
    name: job.name,
    ...(job.needs !== undefined && { needs: [...job.needs] }),
    ...(condition !== undefined && { if: condition }),
    permissions: defined(wanted),
    // `queue: max` lets up to 100 runs wait; without it only one waits, and a newer one cancels it.
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

/**
 * Names the concurrency group of a job. Backups and cleanups of a database share a group and wait for each
 * other. Other jobs only read or have to be on time, and wait only for their own kind. No policy captures into
 * an artifact, which holds the whole repository, so that of two writers each would keep its own changes alone.
 */
function groupOf({ database, kind, calls }: WorkflowJob): string {
  const group = `supabase-backup-${database ?? 'schedules'}`;
  const isWriter = calls === 'backup' || calls === 'cleanup';
  return isWriter || database === undefined ? group : `${group}-${kind}`;
}

/**
 * Returns the condition for a run of this job: its own schedule, or a choice by hand. Undefined when every
 * run includes the job.
 */
function conditionOf(job: WorkflowJob, beside: readonly WorkflowJob[]): string | undefined {
  const sameCrons = beside.every(({ crons }) => crons.join() === job.crons.join());
  const names = new Set(beside.flatMap(({ database }) => database ?? []));
  const kinds = new Set(beside.map(({ kind }) => kind));
  const asked = [
    ...(names.size > 1 && job.database !== undefined
      ? [
          job.kind === 'restore'
            ? `inputs.database == ${quote(job.database)}`
            : `(inputs.database == 'all' || inputs.database == ${quote(job.database)})`,
        ]
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

function defined(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function quoteNode(node: unknown): void {
  if (isScalar(node)) (node as Scalar).type = 'QUOTE_DOUBLE';
}

/** Adds an empty line before each top-level key and each job. */
function separate(document: Document): void {
  for (const map of [document.contents, document.get('jobs', true)]) {
    if (!isMap(map)) continue;
    for (const { key } of map.items.slice(1)) {
      if (isScalar(key) && key.value !== 'run-name') key.spaceBefore = true;
    }
  }
}
