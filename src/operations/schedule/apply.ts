import path from 'node:path';
import { openWorkflows, type WorkflowsApi } from '../../github/workflows.ts';
import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { planPolicyFile } from '../../schedule/plan/policy-file.ts';
import { verifyWorkflows } from '../../schedule/verification/verify.ts';
import { renderCallers } from '../../schedule/workflows/callers.ts';
import { applyChanges, compareFiles } from '../../schedule/workflows/files.ts';
import { findProblems, findRemarks } from './findings.ts';
import { previewSchedule } from './outlook.ts';
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
  openApi: typeof openWorkflows = openWorkflows,
): Promise<Schedule> {
  const planned = await planPolicyFile(inputs.policy, context.env);
  const { policy, plan } = planned;
  const policyPath = pathInRepository(inputs);
  const callers = renderCallers({ ...planned, policyPath });

  const changes = await compareFiles(callers, inputs.workflows, policyPath);
  if (!inputs.check && !inputs.dryRun) await applyChanges(changes, inputs.workflows);
  const now = context.now();
  const verification = inputs.githubToken
    ? await verifyWorkflows(connect(inputs.githubToken), { plan, changes, mayEnable: !inputs.dryRun, now })
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

  function connect(token: string): WorkflowsApi {
    const { env, signal } = context;
    return openApi({ repository: plan.repository, token, env, signal, now: () => context.now() });
  }
}

/** Returns the path of the policy as the header of a workflow names it: the same on every machine. */
function pathInRepository({ policy, workflows }: Pick<ScheduleInputs, 'policy' | 'workflows'>): string {
  const root = path.resolve(workflows, '..', '..');
  return path.relative(root, path.resolve(policy)).split(path.sep).join('/');
}
