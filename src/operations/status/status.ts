import type { StatusInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { refuseInside } from '../../storage/folder-path.ts';
import { listStorages } from '../schedule/storages.ts';
import { readDigest } from './digest.ts';
import { renderMetrics } from './metrics.ts';
import { writeMetricsFile } from './metrics-file.ts';
import { readStatus } from './read.ts';
import { describeStatus } from './report.ts';

/** Finds out how well the database can be recovered, and reports it. */
export async function status(inputs: StatusInputs, context: Context): Promise<Outcome> {
  await refuseInside(inputs.metricsFile, 'metrics-file', await listStorages(inputs, context));
  const found = await readStatus(inputs, context);
  const metrics = renderMetrics(found, inputs.database);
  if (inputs.metricsFile !== undefined) await writeMetricsFile(inputs.metricsFile, metrics, context);
  const digest = inputs.digest && (await readDigest({ ...inputs, ...inputs.digest }, found, context));
  const outcome = { ...describeStatus(found), ...(digest && { digest }) };
  return inputs.format === 'openmetrics' ? { ...outcome, printed: metrics } : outcome;
}
