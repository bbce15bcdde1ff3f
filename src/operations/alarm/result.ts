import type { NeededJob } from '../../interface/inputs/needed-jobs.ts';
import type { Operation } from '../../interface/inputs/operations.ts';

/** Jobs none of which ended without a word. */
export interface HeardJobs {
  readonly operation: Operation;
  readonly jobs: readonly NeededJob[];
}
