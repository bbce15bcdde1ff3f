import type { CaptureInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeCapture } from './report.ts';
import { storeChanges } from './store.ts';

/** Stores what was committed since the previous capture, and reports it. */
export async function capture(inputs: CaptureInputs, context: Context): Promise<Outcome> {
  return describeCapture(await storeChanges(inputs, context));
}
