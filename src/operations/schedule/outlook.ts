import { nextTimes } from '../../schedule/plan/cron.ts';
import type { PlannedJob, SchedulePlan } from '../../schedule/plan/plan.ts';
import { drawWeek, type Estimate, estimateMonth, previewWeek } from '../../schedule/plan/week.ts';
import type { Verification } from '../../schedule/verification/verify.ts';
import type { DatabaseOutlook, NextRun, Schedule } from './result.ts';

/**
 * Derives what to expect of a plan. The estimates of a month use measured minutes where there are any. Reads
 * nothing.
 */
export function previewSchedule(
  plan: SchedulePlan,
  verification: Verification | undefined,
  now: Date,
): Pick<Schedule, 'databases' | 'runs'> {
  const { timeZone } = plan;
  const measured: Verification['minutes'] = verification?.minutes ?? new Map();
  const estimate = (jobs: readonly PlannedJob[]) => estimateMonth(jobs, timeZone, now, measured);
  return {
    databases: plan.databases.map((database): DatabaseOutlook => {
      return {
        database,
        ...previewWeek(database, timeZone, now),
        isCaptured: database.jobs.some(({ kind }) => kind === 'capture'),
        month: estimate(database.jobs),
        week: drawWeek(database, plan, now),
      };
    }),
    runs: listNextRuns(plan, estimate, now),
  };
}

function listNextRuns(
  { databases, timeZone }: SchedulePlan,
  estimate: (jobs: readonly PlannedJob[]) => Estimate,
  now: Date,
): NextRun[] {
  return databases.flatMap(({ jobs }) =>
    jobs.flatMap((job): NextRun[] => {
      const times = job.crons.flatMap((cron) => nextTimes(cron, timeZone, now, 2));
      const [at, then] = times.sort((one, other) => one.getTime() - other.getTime());
      return at === undefined ? [] : [{ job, at, then, month: estimate([job]) }];
    }),
  );
}
