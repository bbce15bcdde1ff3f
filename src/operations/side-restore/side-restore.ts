import type { RestoreInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeAside } from './report.ts';
import { restoreAside } from './restore-aside.ts';

/** Restores rows beside the live tables, and reports how the two differ. */
export async function sideRestore(inputs: RestoreInputs, context: Context): Promise<Outcome> {
  return describeAside(await restoreAside(inputs, context));
}
