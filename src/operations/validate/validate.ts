import type { ValidateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { readBack } from './read-back.ts';
import { describeValidation } from './report.ts';

/** Reads back what is stored, and reports damage. */
export async function validate(inputs: ValidateInputs, context: Context): Promise<Outcome> {
  return describeValidation(await readBack(inputs, context));
}
