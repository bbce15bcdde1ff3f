import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { nameRepository } from '../../github/run.ts';
import { openWorkflows } from '../../github/workflows.ts';
import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { planJobs, type SchedulePlan } from '../../schedule/plan/plan.ts';
import { type ParsedPolicy, parsePolicy } from '../../schedule/policy/parse.ts';
import { type Verification, verifyWorkflows } from '../../schedule/verification/verify.ts';
import { renderCallers } from '../../schedule/workflows/callers.ts';
import { compareFiles, type FileChange } from '../../schedule/workflows/files.ts';

/** A policy, what follows from it, and how the workflows that are there differ from that. */
export interface PlannedWorkflows {
  readonly policy: ParsedPolicy['policy'];
  readonly plan: SchedulePlan;
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
  const parsed = parsePolicy(await readPolicyFile(inputs.policy), inputs.policy);
  const repository = parsed.policy.repository ?? (await findRepository(inputs.policy, env));
  const plan = planJobs(parsed.policy, repository);
  const policyPath = pathInRepository(inputs);
  const callers = renderCallers({ ...parsed, plan, policyPath });
  const changes = await compareFiles(callers, inputs.workflows, policyPath);
  return { policy: parsed.policy, plan, changes };
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

async function readPolicyFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(
      `policy: ${file} cannot be read`,
      'Write the path of the policy file; docs/schedule.md has one to begin with.',
      error,
    );
  }
}

/**
 * Finds the name of the repository. The minutes of the schedules depend on it, so it must be known wherever
 * this runs.
 *
 * @throws ConfigurationError when nothing names the repository
 */
async function findRepository(policyFile: string, env: NodeJS.ProcessEnv): Promise<string> {
  const named = nameRepository(env);
  if (named !== undefined) return named;
  for (let folder = path.resolve(policyFile, '..'); ; folder = path.dirname(folder)) {
    const config = await readFile(path.join(folder, '.git', 'config'), 'utf8').catch(() => '');
    const [, origin = ''] = /^\[remote "origin"\]\n(?:[^[].*\n)*?\s*url = (.+)$/m.exec(config) ?? [];
    const [, owner, name] = /([^/:]+)\/([^/]+?)(?:\.git)?\/?$/.exec(origin.trim()) ?? [];
    if (owner !== undefined && name !== undefined) return `${owner}/${name}`;
    if (folder === path.dirname(folder)) break;
  }
  throw new ConfigurationError(
    'policy: names no repository, and there is neither GITHUB_REPOSITORY nor a remote `origin` to tell it',
    'Write `repository: OWNER/REPO` into the policy.',
  );
}

/** Returns the path of the policy as the header of a workflow names it: the same on every machine. */
function pathInRepository({ policy, workflows }: Pick<ScheduleInputs, 'policy' | 'workflows'>): string {
  const root = path.resolve(workflows, '..', '..');
  return path.relative(root, path.resolve(policy)).split(path.sep).join('/');
}
