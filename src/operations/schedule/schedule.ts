import type { openWorkflows } from '../../github/workflows.ts';
import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { applyPolicy } from './apply.ts';
import { describeSchedule } from './report.ts';

/**
 * Makes the workflows follow the policy, and explains them.
 *
 * @param openApi for tests, which pass a stand-in of GitHub
 */
export async function schedule(
  inputs: ScheduleInputs,
  context: Context,
  openApi?: typeof openWorkflows,
): Promise<Outcome> {
  return describeSchedule(await applyPolicy(inputs, context, openApi));
}
