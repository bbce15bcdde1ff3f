import type { GateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { World } from '../../runtime/context.ts';
import { judgeRelease } from './release.ts';
import { describeGate } from './report.ts';

/** Lets a release pass or stops it, and says why. */
export async function gate(inputs: GateInputs, world: World): Promise<Outcome> {
  return describeGate(await judgeRelease(inputs, world));
}
