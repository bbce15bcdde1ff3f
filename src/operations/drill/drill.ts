import type { DrillInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeDrill } from './report.ts';
import { tryBackups } from './try.ts';

/** Restores a backup as a test, and reports what the test showed. */
export async function drill(inputs: DrillInputs, context: Context): Promise<Outcome> {
  return describeDrill(await tryBackups(inputs, context));
}
