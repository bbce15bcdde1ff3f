import type { ManagedInputs } from '../../interface/inputs/managed-types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { readManaged } from './read.ts';
import { describeManaged } from './report.ts';

/** Finds out how the platform's own backups stand, and reports it beside the repository's. */
export async function managed(inputs: ManagedInputs, context: Context): Promise<Outcome> {
  return describeManaged(await readManaged(inputs, context));
}
