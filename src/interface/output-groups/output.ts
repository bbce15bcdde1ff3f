import type { Operation } from '../inputs/operations.ts';

/** One output of the Action, and of `--json`. */
export interface Output {
  /** The operations that set it. */
  readonly operations: readonly Operation[];
  readonly description: string;
}
