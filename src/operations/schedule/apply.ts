import type { openWorkflows } from '../../github/workflows.ts';
import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { applyChanges } from '../../schedule/workflows/files.ts';
import { findProblems, findRemarks } from './findings.ts';
import { previewSchedule } from './outlook.ts';
import { planWorkflows, verifyPlanned } from './planned.ts';
import { recordSchedules } from './record.ts';
import type { Schedule } from './result.ts';

/**
 * Makes the workflows follow the policy, or reports how they differ; explains the week they lead to; and asks
 * GitHub whether they are enabled and ran when they were due. With `check` or a dry run no file changes;
 * `check` may still enable a workflow that GitHub disabled for inactivity, a dry run changes nothing
 * anywhere.
 *
 * @param openApi for tests, which pass a stand-in of GitHub
 */
export async function applyPolicy(
  inputs: Omit<ScheduleInputs, 'operation'>,
  context: Context,
  openApi?: typeof openWorkflows,
): Promise<Schedule> {
  const planned = await planWorkflows(inputs, context.env);
  const { policy, plan, changes } = planned;
  if (!inputs.check && !inputs.dryRun) await applyChanges(changes, inputs.workflows);
  const now = context.now();
  const verification = inputs.githubToken
    ? await verifyPlanned(planned, { token: inputs.githubToken, mayEnable: !inputs.dryRun }, context, openApi)
    : undefined;
  if (!inputs.dryRun) await recordSchedules(inputs, plan, verification, context);
  const done = {
    mode: inputs.check ? ('check' as const) : inputs.dryRun ? ('dry-run' as const) : ('write' as const),
    ...{ timeZone: plan.timeZone, changes, verification },
    ...previewSchedule(plan, verification, now),
  };
  return {
    ...done,
    problems: findProblems(done, policy.alarms?.['rpo-target']),
    remarks: findRemarks(plan, done, now),
  };
}
