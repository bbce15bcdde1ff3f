import type { RepairInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { healStorage } from './heal.ts';
import { describeRepair } from './report.ts';

/** Heals a storage from its copies, and reports it. */
export async function repair(inputs: RepairInputs, context: Context): Promise<Outcome> {
  return describeRepair(await healStorage(inputs, context));
}
