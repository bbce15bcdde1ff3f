import type { DrillInputs } from '../../interface/inputs/types.ts';
import type { Outcome, Told } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeDrill } from './report.ts';
import type { Drill } from './result.ts';
import { tryBackups } from './try.ts';

/** Restores a backup as a test, and reports what the test showed. */
export async function drill(inputs: DrillInputs, context: Context): Promise<Outcome> {
  return (await tellDrill(inputs, context)).outcome;
}

/** Restores a backup as a test. */
export async function tellDrill(inputs: DrillInputs, context: Context): Promise<Told<Drill>> {
  const result = await tryBackups(inputs, context);
  return { result, outcome: describeDrill(result) };
}
