import { onlyLooks, type PlannedJob } from '../../schedule/plan/plan.ts';
import { judgeLateness, type Lateness } from '../../schedule/verification/lateness.ts';
import type { Verification, WorkflowVerdict } from '../../schedule/verification/verify.ts';
import type { StatusFacts } from './facts.ts';

/** The schedules of one database, and how they are kept. */
export interface Schedules {
  /** As the policy calls it */
  readonly database: string;
  readonly timeZone: string;
  readonly jobs: readonly KeptSchedule[];
  /** Why GitHub did not answer; undefined when it did, or was not asked */
  readonly unreachable: string | undefined;
}

export interface KeptSchedule extends Pick<PlannedJob, 'kind' | 'crons' | 'file'> {
  /** When a run of the kind last succeeded; undefined when none ever did, or it is not measured */
  readonly succeededAt: Date | undefined;
  /** Undefined: not measured. What looks alone leaves no trace but that of GitHub. */
  readonly lateness: Lateness | undefined;
  /** Undefined: GitHub was not asked, did not answer, or has another version of the workflow */
  readonly workflow: WorkflowSight | undefined;
}

/** What GitHub says of a workflow and the runs of one schedule. */
export interface WorkflowSight {
  /** Whether GitHub starts it when it is due */
  readonly state: 'enabled' | 'disabled' | 'not on GitHub';
  /** When its newest scheduled run began; undefined when none is known */
  readonly ranAt: Date | undefined;
}

/** Judges what was read. Reads nothing itself. */
export function judgeSchedules(facts: StatusFacts): Schedules | undefined {
  const { schedules, createdAt: begin, now } = facts;
  if (schedules === undefined) return undefined;
  const { database, timeZone, verification } = schedules;
  return {
    ...{ database: database.name, timeZone },
    unreachable: verification?.unreachable,
    jobs: database.jobs.map((job): KeptSchedule => {
      const { kind, crons, file } = job;
      const workflow = findWorkflow(job, verification);
      const isTraced = !onlyLooks(kind) || workflow !== undefined;
      const succeededAt = onlyLooks(kind) ? workflow?.ranAt : newest(listSuccesses(job, facts));
      const lateness = isTraced ? judgeLateness(crons, timeZone, { succeededAt, begin, now }) : undefined;
      return { ...{ kind, crons, file, succeededAt, lateness, workflow } };
    }),
  };
}

const states = {
  active: 'enabled',
  'enabled again': 'enabled',
  disabled: 'disabled',
  'not on GitHub': 'not on GitHub',
  'not pushed yet': undefined,
} as const satisfies Record<WorkflowVerdict['state'], WorkflowSight['state'] | undefined>;

function findWorkflow(
  { file, crons }: PlannedJob,
  verification: Verification | undefined,
): WorkflowSight | undefined {
  const verdict = verification?.verdicts.find((each) => each.file === file);
  const state = verdict && states[verdict.state];
  if (state === undefined) return undefined;
  const due = verdict?.punctuality?.due ?? [];
  const runs = due.flatMap(({ cron, run }) => (crons.includes(cron) && run ? [run.createdAt] : []));
  return { state, ranAt: newest(runs) };
}

/**
 * Lists when runs of the kind succeeded, by what they left and by the records of runs: retention may have
 * removed a backup, and a record may be missing.
 */
function listSuccesses({ kind, label }: PlannedJob, facts: StatusFacts): Date[] {
  const { freshness, prune, capturedThrough, runs } = facts;
  const recorded = (operation: string, types: readonly string[] = []) =>
    runs
      .filter(({ content }) => content.operation === operation && content.outcome === 'done')
      .filter(({ content }) => types.length === 0 || types.includes(content.backupType ?? ''))
      .map(({ at }) => at);
  const stored = (...types: readonly string[]) =>
    freshness.catalog.backups.filter((backup) => types.includes(backup.kind) && backup.purpose !== 'safety');
  const ended = (backups: ReturnType<typeof stored>) => backups.map(({ finishedAt }) => finishedAt);
  switch (kind) {
    case 'full':
    case 'schema':
      return [...ended(stored(kind)), ...recorded('backup', [kind])];
    case 'incremental':
      // What has nothing to build upon becomes a full one.
      return [...ended(stored('full', kind)), ...recorded('backup', ['full', kind])];
    case 'archive':
      // Its record says no more than that it was a full one.
      return ended(stored('full').filter((backup) => backup.label === label));
    case 'capture':
      return [...(capturedThrough ? [capturedThrough] : []), ...recorded(kind)];
    case 'drill':
      return [...(freshness.drilled ? [freshness.drilled.at] : []), ...recorded(kind)];
    case 'cleanup':
      return [...(prune ? [prune.at] : []), ...recorded(kind)];
    case 'mirror':
      return recorded(kind);
    case 'watch':
    case 'digest':
      return [];
  }
}

function newest(times: readonly Date[]): Date | undefined {
  return times.toSorted((one, other) => one.getTime() - other.getTime()).at(-1);
}
