import type { ValidateInputs } from '../../interface/inputs/types.ts';
import type { Outcome, Told } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { readBack } from './read-back.ts';
import { describeValidation } from './report.ts';
import type { Validation } from './result.ts';

/** Reads back what is stored, and reports damage. */
export async function validate(inputs: ValidateInputs, context: Context): Promise<Outcome> {
  return (await tellValidation(inputs, context)).outcome;
}

/** Reads back what is stored. */
export async function tellValidation(inputs: ValidateInputs, context: Context): Promise<Told<Validation>> {
  const result = await readBack(inputs, context);
  return { result, outcome: describeValidation(result) };
}
