import type { GateInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { openCopies } from '../../storage/copies.ts';
import { copyAfterwards } from '../mirror/after.ts';
import { judgeRelease } from './release.ts';
import { describeGate } from './report.ts';

/** Lets a release pass or stops it, and says why. A backup that it takes is copied like any other. */
export async function gate(inputs: GateInputs, context: Context): Promise<Outcome> {
  await using resources = new AsyncDisposableStack();
  const copies = await openCopies(inputs.copies, context, resources);
  const result = await judgeRelease(inputs, context);
  const copied = result.taken === undefined ? [] : await copyAfterwards(inputs, copies, context);
  return describeGate(result, copied);
}
