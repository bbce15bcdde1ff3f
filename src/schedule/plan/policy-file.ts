import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { nameRepository } from '../../github/run.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { type ParsedPolicy, parsePolicy } from '../policy/parse.ts';
import { planJobs, type SchedulePlan } from './plan.ts';

export interface PlannedPolicy extends ParsedPolicy {
  readonly plan: SchedulePlan;
}

/**
 * Reads a policy file, and plans its jobs.
 *
 * @param checkout the root of the repository, where files that the policy names must be; undefined: not looked for
 * @throws ConfigurationError when it cannot be read, is wrong, or nothing names its repository
 */
export async function planPolicyFile(
  file: string,
  env: NodeJS.ProcessEnv,
  checkout?: string,
): Promise<PlannedPolicy> {
  const hasFile = (name: string) => checkout === undefined || existsSync(path.join(checkout, name));
  const parsed = parsePolicy(await readPolicyFile(file), file, 'workflows', hasFile);
  const repository = parsed.policy.repository ?? (await findRepository(file, env));
  if (repository !== undefined) return { ...parsed, plan: planJobs(parsed.policy, repository) };
  throw new ConfigurationError(
    say`${nameInput('policy')}: names no repository, and neither GITHUB_REPOSITORY nor a Git remote \`origin\` supplies it`,
    'Write `repository: OWNER/REPO` into the policy.',
  );
}

/**
 * Plans the jobs of a policy that is no file yet.
 *
 * @param file where it will be, for messages
 * @throws ConfigurationError when it is wrong
 */
export function planPolicyText(text: string, file: string, repository: string): PlannedPolicy {
  const parsed = parsePolicy(text, file);
  return { ...parsed, plan: planJobs(parsed.policy, repository) };
}

async function readPolicyFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(
      say`${nameInput('policy')}: ${file} cannot be read`,
      'Write the path of the policy file. docs/schedule.md has one to start with.',
      error,
    );
  }
}

/**
 * Finds the name of the repository that a policy file is in, OWNER/REPO; undefined when nothing names it. The
 * minutes of the schedules depend on it, so it must be known wherever this runs.
 */
export async function findRepository(
  policyFile: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const named = nameRepository(env);
  if (named !== undefined) return named;
  for (let folder = path.resolve(policyFile, '..'); ; folder = path.dirname(folder)) {
    const config = await readFile(path.join(folder, '.git', 'config'), 'utf8').catch(() => '');
    const [, origin = ''] = /^\[remote "origin"\]\n(?:[^[].*\n)*?\s*url = (.+)$/m.exec(config) ?? [];
    const [, owner, name] = /([^/:]+)\/([^/]+?)(?:\.git)?\/?$/.exec(origin.trim()) ?? [];
    if (owner !== undefined && name !== undefined) return `${owner}/${name}`;
    if (folder === path.dirname(folder)) return undefined;
  }
}
