import { GitHubUnreachable, mostRuns, type Workflow, type WorkflowsApi } from '../../github/workflows.ts';
import { minute } from '../../values/duration.ts';
import type { PlannedJob, SchedulePlan } from '../plan/plan.ts';
import type { JobKind } from '../policy/schema.ts';
import type { FileChange } from '../workflows/files.ts';
import { judgePunctuality, lookBack, type Punctuality } from './punctuality.ts';

/** The state of one workflow on GitHub, and of its runs */
export interface WorkflowVerdict {
  readonly file: string;
  /** `enabled again` when this verification enabled it */
  readonly state: 'active' | 'enabled again' | 'disabled' | 'not on GitHub' | 'not pushed yet';
  /** Undefined when its runs were not examined */
  readonly punctuality: Punctuality | undefined;
  /** Problems and their remedies, as complete sentences */
  readonly problems: readonly string[];
}

export interface Verification {
  readonly verdicts: readonly WorkflowVerdict[];
  /** Median minutes of the successful runs of each kind */
  readonly minutes: ReadonlyMap<JobKind, number>;
  /** Why GitHub did not answer; undefined when it did */
  readonly unreachable: string | undefined;
}

interface Asked {
  readonly plan: SchedulePlan;
  readonly changes: readonly FileChange[];
  readonly mayEnable: boolean;
  readonly now: Date;
}

/**
 * Verifies the workflows of a plan; a GitHub that does not answer is reported as `unreachable`.
 *
 * @throws ConfigurationError when GitHub refuses the token or does not know the repository
 */
export async function verifyWorkflows(api: WorkflowsApi, asked: Asked): Promise<Verification> {
  try {
    const known = new Map((await api.listWorkflows()).map((workflow) => [workflow.path, workflow]));
    const verdicts: WorkflowVerdict[] = [];
    for (const change of asked.changes) {
      if (change.state === 'remove') continue;
      verdicts.push(await verifyWorkflow(api, change, known.get(`.github/workflows/${change.file}`), asked));
    }
    return { verdicts, minutes: measureMinutes(verdicts, asked.plan), unreachable: undefined };
  } catch (error) {
    if (!(error instanceof GitHubUnreachable)) throw error;
    return { verdicts: [], minutes: new Map(), unreachable: error.message };
  }
}

async function verifyWorkflow(
  api: WorkflowsApi,
  { file, state }: FileChange,
  workflow: Workflow | undefined,
  { plan, mayEnable, now }: Asked,
): Promise<WorkflowVerdict> {
  // GitHub still runs another version of this workflow, whose runs say nothing about this policy.
  if (state !== 'same') return { file, state: 'not pushed yet', punctuality: undefined, problems: [] };
  if (workflow === undefined || workflow.state === 'deleted') {
    const problem = `${file} is not on GitHub: merge it into the default branch, the only one whose schedules run.`;
    return { file, state: 'not on GitHub', punctuality: undefined, problems: [problem] };
  }
  const enabled = await ensureEnabled(api, workflow, file, mayEnable);
  const jobs = jobsOf(plan, file);
  // A restore is started by people alone.
  if (jobs.length === 0) return { file, ...enabled, punctuality: undefined };
  const changed = await api.findLastChange(workflow.path);
  const born = Math.max(workflow.createdAt.getTime(), changed?.getTime() ?? 0);
  const runs = await api.listScheduledRuns(workflow, new Date(Math.max(born, lookBack(now).getTime())));
  // GitHub may cut the list of runs; only the time that the list covers can be judged.
  const listed = runs.length < mostRuns ? 0 : Math.min(...runs.map(({ createdAt }) => createdAt.getTime()));
  const since = new Date(Math.max(born, listed));
  const crons = [...new Set(jobs.flatMap((job) => job.crons))];
  const punctuality = judgePunctuality(crons, plan.timeZone, runs, { now, since });
  const stalled = punctuality.stalled.map(
    ({ cron, at }) =>
      `${file} did not run as due by '${cron}' at ${at.toISOString()}, nor since: look at its page under Actions, and start it ` +
      `by hand with \`gh workflow run ${file}\`.`,
  );
  return { file, ...enabled, punctuality, problems: [...enabled.problems, ...stalled] };
}

/** Enables a workflow that GitHub disabled for inactivity; a person's decision to disable one stands. */
async function ensureEnabled(
  api: WorkflowsApi,
  workflow: Workflow,
  file: string,
  mayEnable: boolean,
): Promise<Pick<WorkflowVerdict, 'state' | 'problems'>> {
  if (workflow.state === 'active') return { state: 'active', problems: [] };
  const command = `\`gh workflow enable ${file}\``;
  if (workflow.state !== 'disabled_inactivity') {
    const problem = `${file} is ${describeState(workflow.state)}, so nothing of it runs: enable it with ${command}.`;
    return { state: 'disabled', problems: [problem] };
  }
  if (mayEnable && (await api.enable(workflow))) return { state: 'enabled again', problems: [] };
  const why = mayEnable
    ? 'this token may not enable it (`actions: write` is missing)'
    : 'a dry run changes nothing';
  const problem = `${file} was disabled by GitHub after 60 days without activity in the repository, and ${why}: enable it with ${command}.`;
  return { state: 'disabled', problems: [problem] };
}

function describeState(state: string): string {
  return state === 'disabled_manually' ? 'disabled by a person' : state.replace(/_/g, ' ');
}

function jobsOf(plan: SchedulePlan, file: string): PlannedJob[] {
  return plan.databases.flatMap(({ jobs }) => jobs.filter((job) => job.file === file));
}

function measureMinutes(verdicts: readonly WorkflowVerdict[], plan: SchedulePlan): Map<JobKind, number> {
  const found = new Map<JobKind, number[]>();
  for (const { file, punctuality } of verdicts) {
    for (const { cron, run } of punctuality?.due ?? []) {
      if (run === undefined || run.conclusion !== 'success') continue;
      const minutes = (run.updatedAt.getTime() - run.startedAt.getTime()) / minute;
      for (const { kind, crons } of jobsOf(plan, file)) {
        if (crons.includes(cron)) found.set(kind, [...(found.get(kind) ?? []), minutes]);
      }
    }
  }
  return new Map([...found].map(([kind, all]) => [kind, median(all)]));
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor((values.length - 1) / 2)] as number;
}
