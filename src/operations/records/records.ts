import type { RecordsInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { performTask } from './perform.ts';
import { describeRecords } from './report.ts';

/** Fills the records in a database from the repository, or compares them with it. */
export async function records(inputs: RecordsInputs, context: Context): Promise<Outcome> {
  return describeRecords(await performTask(inputs, context));
}
