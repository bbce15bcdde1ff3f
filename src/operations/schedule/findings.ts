import { parseDuration } from '../../interface/inputs/time-values.ts';
import { isAtPeak } from '../../schedule/plan/cron.ts';
import { isHosted, type SchedulePlan } from '../../schedule/plan/plan.ts';
import { measureLongestPause } from '../../schedule/verification/punctuality.ts';
import { findEndedCaptures } from '../../schedule/workflows/ended-captures.ts';
import type { DatabaseOutlook, Problem, Remark, Schedule } from './result.ts';

/** @param target the rpo-target of the policy; undefined when it has none */
export function findProblems(
  {
    mode,
    changes,
    verification,
    databases,
  }: Pick<Schedule, 'mode' | 'changes' | 'verification' | 'databases'>,
  target: string | undefined,
): Problem[] {
  const { verdicts = [], unreachable } = verification ?? {};
  return [
    ...(mode === 'check' && changes.some(({ state }) => state !== 'same')
      ? [{ kind: 'drift' as const }]
      : []),
    ...changes
      .filter(({ state }) => state === 'foreign')
      .map(({ file, reason }) => ({ kind: 'foreign' as const, file, reason })),
    ...verdicts.flatMap(({ file, problems }) =>
      problems.map((text) => ({ kind: 'workflow' as const, file, text })),
    ),
    ...(unreachable === undefined ? [] : [{ kind: 'unreachable' as const, why: unreachable }]),
    ...(target === undefined ? [] : findBrokenTargets(databases, target)),
  ];
}

function findBrokenTargets(databases: readonly DatabaseOutlook[], target: string): Problem[] {
  const limit = parseDuration(target);
  return databases
    .filter(({ gap }) => gap === undefined || gap.milliseconds > limit)
    .map(({ database, isCaptured, gap }) => {
      return { kind: 'rpo-target', target, database: database.name, isCaptured, gap };
    });
}

export function findRemarks(
  plan: SchedulePlan,
  { changes, verification, databases }: Pick<Schedule, 'changes' | 'verification' | 'databases'>,
  now: Date,
): Remark[] {
  const ended = findEndedCaptures(changes);
  return [
    ...ended.map((database) => ({ kind: 'ended-capture' as const, database })),
    ...findUnencrypted(plan),
    ...findPeaks(plan),
    ...findPauses(plan, verification, now),
    ...findCost(plan, databases),
  ];
}

function findUnencrypted({ databases }: SchedulePlan): Remark[] {
  return databases
    .filter(({ written }) => written['encryption-recipients'] === undefined)
    .map(({ name }) => ({ kind: 'unencrypted', database: name }));
}

/** GitHub drops schedules at busy times; its documentation names the start of every hour. `auto` avoids quarters, too. */
function findPeaks({ databases }: SchedulePlan): Remark[] {
  return databases
    .flatMap(({ jobs }) => jobs)
    .flatMap(({ database, kind: job, crons }) =>
      crons.filter(isAtPeak).map((cron): Remark => ({ kind: 'peak', database, job, cron })),
    );
}

function findPauses(
  { databases }: SchedulePlan,
  verification: Schedule['verification'],
  now: Date,
): Remark[] {
  const captures = databases.flatMap(({ jobs }) => jobs.filter(({ kind }) => kind === 'capture'));
  return captures.flatMap(({ database, crons, file }): Remark[] => {
    const punctuality = verification?.verdicts.find((verdict) => verdict.file === file)?.punctuality;
    const length = punctuality && measureLongestPause(punctuality.due, crons, now);
    return length === undefined ? [] : [{ kind: 'longest-pause', database, length }];
  });
}

/** Minutes a month for private repositories on GitHub's Free plan */
const freeMinutes = 2000;

function findCost({ runsOn }: SchedulePlan, databases: readonly DatabaseOutlook[]): Remark[] {
  const minutes = databases.reduce((sum, { month }) => sum + month.minutes, 0);
  if (!isHosted(runsOn) || minutes <= freeMinutes) return [];
  return [{ kind: 'cost', minutes, free: freeMinutes }];
}
