import type { DoctorInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { examine } from './examine.ts';
import { describeDiagnosis } from './report.ts';

/** Checks everything that was given, before anything is trusted to it. */
export async function doctor(inputs: DoctorInputs, context: Context): Promise<Outcome> {
  return describeDiagnosis(await examine(inputs, context));
}
