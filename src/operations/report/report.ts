import type { ReportInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeWritten } from './file-report.ts';
import { writeReport } from './write.ts';

/** Writes a report about the backups of one or more databases. */
export async function report(inputs: ReportInputs, context: Context): Promise<Outcome> {
  return describeWritten(await writeReport(inputs, context));
}
