import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { nameRepository } from '../../github/run.ts';
import { openWorkflows, type WorkflowsApi } from '../../github/workflows.ts';
import type { ScheduleInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { planJobs } from '../../schedule/plan/plan.ts';
import { parsePolicy } from '../../schedule/policy/parse.ts';
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
  const parsed = parsePolicy(await readPolicyFile(inputs.policy), inputs.policy);
  const repository = parsed.policy.repository ?? (await findRepository(inputs.policy, context.env));
  const plan = planJobs(parsed.policy, repository);
  const policyPath = pathInRepository(inputs);
  const callers = renderCallers({ ...parsed, plan, policyPath });

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
    problems: findProblems(done, parsed.policy.alarms?.['rpo-target']),
    remarks: findRemarks(plan, done, now),
  };

  function connect(token: string): WorkflowsApi {
    const { env, signal } = context;
    return openApi({ repository, token, env, signal, now: () => context.now() });
  }
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
