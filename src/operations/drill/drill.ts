import type { DrillInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { World } from '../../runtime/context.ts';
import { describeDrill } from './report.ts';
import { tryBackups } from './try.ts';

/** Restores a backup on purpose, and tells what it showed. */
export async function drill(inputs: DrillInputs, world: World): Promise<Outcome> {
  return describeDrill(await tryBackups(inputs, world));
}
