import type { EstimateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { measureDatabase } from './measure.ts';
import { reportEstimate } from './report.ts';

/** Tells how large backups of a database are, how long they take and what they cost. */
export async function estimate(inputs: EstimateInputs, context: Context): Promise<Outcome> {
  return reportEstimate(await measureDatabase(inputs, context));
}
