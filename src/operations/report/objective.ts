import type { RecordContent } from '../../repository/records.ts';
import type { Objective } from './compliance/result.ts';

/** @param target null or undefined: there is none */
export function judge(target: number | null | undefined, measured: number | null): Objective {
  const rounded = measured === null ? null : Math.round(measured);
  if (rounded === null) return { target: target ?? null, measured: null, verdict: 'not measured' };
  if (target == null) return { target: null, measured: rounded, verdict: 'no target' };
  return { target, measured: rounded, verdict: rounded <= target ? 'met' : 'not met' };
}

/**
 * Judges how long the recovery of a drill took, by the target that it was given then; where it was given
 * none, by that of the page. Whether it passed is another question.
 */
export function judgeRecovery(
  { rtoTarget, recovery }: Pick<RecordContent<'drills'>, 'rtoTarget' | 'recovery'>,
  pageTarget: number | undefined,
): Objective {
  return judge(rtoTarget ?? pageTarget, recovery);
}
