import type { InitInputs } from '../../interface/inputs/setup-types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeSetUp } from './report.ts';
import { setUp } from './set-up.ts';

/** Sets a repository up for backups by a policy. */
export async function init(inputs: InitInputs, context: Context): Promise<Outcome> {
  return describeSetUp(await setUp(inputs, context));
}
