import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { openWorkflows } from '../../src/github/workflows.ts';
import type { ScheduleInputs } from '../../src/interface/inputs/types.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { schedule } from '../../src/operations/schedule/schedule.ts';
import { renderText } from '../../src/report/text.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { type PlannedDatabase, planJobs, type SchedulePlan } from '../../src/schedule/plan/plan.ts';
import { parsePolicy } from '../../src/schedule/policy/parse.ts';
import { createContext } from '../support/context.ts';

/** A policy of one database in which nothing but the necessary is said. */
export const smallPolicy = `action: octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567 # v1.2.3
repository: octo-org/shop
databases:
  production:
    database-url: DATABASE_URL
    storage: s3://octo-backups/production
`;

/** A policy with two workflows: one run of each a night. */
export const nightlyPolicy = `${smallPolicy}schedules:
  full: 17 2 * * *
  cleanup: 17 6 * * *
  incremental: false
  schema: false
  archive: false
  capture: false
  drill: false
  watch: false
restore: false
`;

/** @param more further lines of the policy */
export function planOf(more = ''): SchedulePlan {
  return planJobs(parsePolicy(smallPolicy + more, 'policy.yml').policy, 'octo-org/shop');
}

export function production(plan: SchedulePlan): PlannedDatabase {
  const [first] = plan.databases;
  if (first === undefined) throw new Error('the plan has no database');
  return first;
}

/** A checkout in a temporary folder, with the operation bound to it. */
export interface Checkout {
  readonly folder: string;
  run(
    given?: Partial<ScheduleInputs>,
    env?: NodeJS.ProcessEnv,
    openApi?: typeof openWorkflows,
  ): Promise<Outcome>;
  /** The workflows, by name */
  read(): Promise<Record<string, string>>;
  writeWorkflow(name: string, content: string): Promise<void>;
  writePolicy(text: string): Promise<void>;
  writeGitConfig(text: string): Promise<void>;
}

export async function makeCheckout(
  policy = smallPolicy,
  now = new Date('2026-11-20T10:00:00Z'),
): Promise<Checkout> {
  const root = await mkdtemp(path.join(tmpdir(), 'schedule-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const folder = path.join(root, '.github', 'workflows');
  const policyFile = path.join(root, '.github', 'supabase-backup.yml');
  await mkdir(path.dirname(policyFile));
  await writeFile(policyFile, policy);
  const inputs: ScheduleInputs = {
    operation: 'schedule',
    policy: policyFile,
    workflows: folder,
    check: false,
    dryRun: false,
    githubToken: undefined,
    recordsUrl: undefined,
    sslrootcert: undefined,
  };
  return {
    folder,
    run: (given = {}, env = {}, openApi = undefined) =>
      schedule({ ...inputs, ...given }, createContext({ env, now: () => now }), openApi),
    async read() {
      const names = await readdir(folder).catch(() => []);
      const entries = names.map(
        async (name) => [name, await readFile(path.join(folder, name), 'utf8')] as const,
      );
      return Object.fromEntries(await Promise.all(entries));
    },
    async writeWorkflow(name, content) {
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, name), content);
    },
    writePolicy: (text) => writeFile(policyFile, text),
    async writeGitConfig(text) {
      await mkdir(path.join(root, '.git'), { recursive: true });
      await writeFile(path.join(root, '.git', 'config'), text);
    },
  };
}

export async function refusalOf(attempt: () => unknown): Promise<ConfigurationError> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

export function textOf(outcome: Outcome): string {
  return renderText(outcome.report);
}
