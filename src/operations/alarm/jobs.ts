import type { NeededJob } from '../../interface/inputs/needed-jobs.ts';
import type { AlarmOperationInputs } from '../../interface/inputs/types.ts';
import { JobError } from '../../runtime/errors.ts';
import type { HeardJobs } from './result.ts';

/**
 * Raises the alarm of an operation whose job ended before the operation could: a service container did not
 * start, the runner was lost, or the process was killed. All that is known is what GitHub reports to a later
 * job.
 *
 * @throws JobError, from which the entry raises the alarm, when a job failed or was cancelled without one
 */
export function hearJobs({ alarmOf, needs }: Pick<AlarmOperationInputs, 'alarmOf' | 'needs'>): HeardJobs {
  const silent = needs.filter(isSilent);
  if (silent.length > 0) throw new JobError(silent.map((job) => describe(job, alarmOf)).join('; '), cure);
  return { operation: alarmOf, jobs: needs };
}

/** A job that was skipped was not meant to run. */
function isSilent({ result, outputs }: NeededJob): boolean {
  return ['failure', 'cancelled'].includes(result) && outputs.announced !== 'true';
}

/** Only the operation sets outputs, so a job with any output has begun the operation. */
function describe({ id, result, outputs }: NeededJob, operation: string): string {
  const hasBegun = Object.values(outputs).some((text) => text !== '');
  return hasBegun
    ? `${operation} ended without reporting: its job ${id} ended as ${result}`
    : `${operation} did not start: its job ${id} ended as ${result}, without any output`;
}

const cure =
  'Look at the first red step of that job. “Initialize containers”: the image of the service is not there, may not be pulled (registries limit ' +
  'pulls without a login) or is not healthy in time. No red step at all: the runner was lost or out of memory, or nobody approved the ' +
  'environment. Then run it again; until it passes, nothing is known of it.';
