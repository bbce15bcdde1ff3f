import type { CleanupInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { applyRetention } from './apply.ts';
import { describeCleanup } from './report.ts';

/** Removes what the policy does not keep, and reports it. */
export async function cleanup(inputs: CleanupInputs, context: Context): Promise<Outcome> {
  return describeCleanup(await applyRetention(inputs, context));
}
