import type { AlarmOperationInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { hearJobs } from './jobs.ts';
import { describeHeard } from './report.ts';

/**
 * Raises the alarm of an operation whose job ended before that could.
 *
 * @throws JobError, by which the entry raises it
 */
export function raiseAlarm(inputs: AlarmOperationInputs): Outcome {
  return describeHeard(hearJobs(inputs));
}
