import type { GateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { judgeRelease } from './release.ts';
import { describeGate } from './report.ts';

/** Lets a release pass or stops it, and says why. */
export async function gate(inputs: GateInputs, context: Context): Promise<Outcome> {
  return describeGate(await judgeRelease(inputs, context));
}
