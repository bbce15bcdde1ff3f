import type { NeededJob } from '../../interface/inputs/needed-jobs.ts';
import type { Operation } from '../../interface/inputs/operations.ts';

/** Jobs that succeeded, were skipped, or have raised an alarm of their own. */
export interface HeardJobs {
  readonly operation: Operation;
  readonly jobs: readonly NeededJob[];
}
