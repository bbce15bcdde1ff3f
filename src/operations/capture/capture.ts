import type { CaptureInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { openCopies } from '../../storage/copies.ts';
import { copyAfterwards } from '../mirror/after.ts';
import { describeCapture } from './report.ts';
import { storeChanges } from './store.ts';

/** Stores what was committed since the previous capture, copies it where that is asked for, and reports it. */
export async function capture(inputs: CaptureInputs, context: Context): Promise<Outcome> {
  await using resources = new AsyncDisposableStack();
  const copies = await openCopies(inputs.copies, context, resources);
  const stored = await storeChanges(inputs, context);
  return describeCapture(stored, await copyAfterwards(inputs, copies, context));
}
