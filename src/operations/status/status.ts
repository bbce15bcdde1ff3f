import type { StatusInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { readStatus } from './read.ts';
import { describeStatus } from './report.ts';

/** Finds out how well the database can be recovered, and reports it. */
export async function status(inputs: StatusInputs, context: Context): Promise<Outcome> {
  return describeStatus(await readStatus(inputs, context));
}
