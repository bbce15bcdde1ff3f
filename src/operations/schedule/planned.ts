import path from 'node:path';
import { openWorkflows } from '../../github/workflows.ts';
import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { type PlannedPolicy, planPolicyFile } from '../../schedule/plan/policy-file.ts';
import { type Verification, verifyWorkflows } from '../../schedule/verification/verify.ts';
import { renderCallers } from '../../schedule/workflows/callers.ts';
import { compareFiles, type FileChange } from '../../schedule/workflows/files.ts';

/** A policy, what follows from it, and how the workflows that are there differ from that. */
export interface PlannedWorkflows extends Pick<PlannedPolicy, 'policy' | 'plan'> {
  readonly changes: readonly FileChange[];
}

/**
 * Reads the policy and the workflows. Changes nothing.
 *
 * @throws ConfigurationError when the policy has mistakes, or something cannot be read
 */
export async function planWorkflows(
  inputs: Pick<ScheduleInputs, 'policy' | 'workflows'>,
  env: NodeJS.ProcessEnv,
): Promise<PlannedWorkflows> {
  return compareWorkflows(await planPolicyFile(inputs.policy, env, rootOf(inputs)), inputs);
}

/**
 * Compares the workflows that are there with those of a planned policy. Changes nothing.
 *
 * @throws ConfigurationError when a workflow cannot be read
 */
export async function compareWorkflows(
  planned: PlannedPolicy,
  inputs: Pick<ScheduleInputs, 'policy' | 'workflows'>,
): Promise<PlannedWorkflows> {
  const policyPath = pathInRepository(inputs);
  const callers = renderCallers({ ...planned, policyPath });
  const changes = await compareFiles(callers, inputs.workflows, policyPath);
  return { policy: planned.policy, plan: planned.plan, changes };
}

/**
 * Asks GitHub whether the workflows are enabled, and ran when they were due.
 *
 * @param mayEnable whether a workflow that GitHub disabled for inactivity is enabled
 * @param openApi for tests, which pass a stand-in of GitHub
 * @throws ConfigurationError when GitHub refuses the token or does not know the repository
 */
export function verifyPlanned(
  { plan, changes }: Pick<PlannedWorkflows, 'plan' | 'changes'>,
  { token, mayEnable }: { token: string; mayEnable: boolean },
  { env, signal, now }: Pick<Context, 'env' | 'signal' | 'now'>,
  openApi: typeof openWorkflows = openWorkflows,
): Promise<Verification> {
  const api = openApi({ repository: plan.repository, token, env, signal, now });
  return verifyWorkflows(api, { plan, changes, mayEnable, now: now() });
}

/** Returns the path of the policy as the header of a workflow names it: the same on every machine. */
function pathInRepository({ policy, workflows }: Pick<ScheduleInputs, 'policy' | 'workflows'>): string {
  return path.relative(rootOf({ workflows }), path.resolve(policy)).split(path.sep).join('/');
}

/** Finds the root of the repository, two folders above its workflows. */
function rootOf({ workflows }: Pick<ScheduleInputs, 'workflows'>): string {
  return path.resolve(workflows, '..', '..');
}
