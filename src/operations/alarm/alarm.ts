import type { AlarmOperationInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { hearJobs } from './jobs.ts';
import { describeHeard } from './report.ts';

/**
 * Raises the alarm of an operation whose job ended before the operation could.
 *
 * @throws JobError, from which the entry raises the alarm
 */
export function raiseAlarm(inputs: AlarmOperationInputs): Outcome {
  return describeHeard(hearJobs(inputs));
}
