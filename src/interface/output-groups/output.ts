import type * as v from 'valibot';
import type { Operation } from '../inputs/operations.ts';

/** One output of the Action, and of `--json`. */
export interface Output {
  /** The operations that set it. */
  readonly operations: readonly Operation[];
  /** The value that `--json` has. A step's output has it as text: a list or an object as JSON, null as nothing. */
  readonly value: v.GenericSchema;
  readonly description: string;
}
