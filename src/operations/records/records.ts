import type { RecordsInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { rebuildRecords } from './rebuild.ts';
import { describeRecords } from './report.ts';
import { verifyRecords } from './verify.ts';

/** Fills the records in a database from the repository, or compares them with it. */
export async function records(inputs: RecordsInputs, context: Context): Promise<Outcome> {
  const perform = inputs.recordsTask === 'rebuild' ? rebuildRecords : verifyRecords;
  return describeRecords(await perform(inputs, context));
}
