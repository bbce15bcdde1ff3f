import { hostname, userInfo } from 'node:os';
import type { Context } from '../runtime/context.ts';
import { stepVariable } from './step.ts';

/** The run of GitHub Actions that this process is part of */
export interface WorkflowRun {
  readonly url: string;
  /** Unique in the repository; a re-run keeps it. */
  readonly id: number;
  /** Counts the runs of one workflow file. */
  readonly number: number;
  /** 1 for the first attempt; each re-run adds 1. */
  readonly attempt: number;
  /** The workflow's name, for people; several workflows may share one. */
  readonly workflow: string;
  /** The workflow's file, whose runs `number` counts; the workflow's name where the runner names no file */
  readonly workflowFile: string;
  /** `owner/name` */
  readonly repository: string;
  readonly actor: string;
}

/** Reads the run from the runner's environment; undefined outside of a runner. */
export function readRun(env: NodeJS.ProcessEnv): WorkflowRun | undefined {
  const repository = nameRepository(env) ?? '';
  const id = Number(env.GITHUB_RUN_ID);
  if (!isRepository(repository) || !(id > 0)) return undefined;
  const server = env.GITHUB_SERVER_URL || 'https://github.com';
  const workflow = env.GITHUB_WORKFLOW || 'workflow';
  return {
    url: `${server}/${repository}/actions/runs/${id}`,
    id,
    number: Number(env.GITHUB_RUN_NUMBER) || 0,
    attempt: Number(env.GITHUB_RUN_ATTEMPT) || 1,
    workflow,
    workflowFile: env.GITHUB_WORKFLOW_REF?.replace(/@.*$/, '') || workflow,
    repository,
    actor: env.GITHUB_ACTOR ?? '',
  };
}

/** `owner/name`, unchecked; undefined where the environment does not name it, as outside of a runner */
export function nameRepository(env: NodeJS.ProcessEnv): string | undefined {
  return env.GITHUB_REPOSITORY || undefined;
}

/** The commit of the run; undefined outside of a runner */
export function nameCommit(env: NodeJS.ProcessEnv): string | undefined {
  return env.GITHUB_SHA || undefined;
}

/** Tells whether a text is `owner/name`, and so safe as part of a URL. */
export function isRepository(text: string): boolean {
  return /^(?!\.{1,2}\/)[\w.-]+\/(?!\.{1,2}$)[\w.-]+$/.test(text);
}

/** Returns the workflow's actor, or outside of a runner the machine's user. */
export function nameActor(context: Pick<Context, 'env'>): string {
  return context.env.GITHUB_ACTOR ?? nameUser() ?? `user ${process.getuid?.()}`;
}

/** The user of this process; undefined for a number without a name, as containers give to processes. */
function nameUser(): string | undefined {
  try {
    return userInfo().username;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SYSTEM_ERROR') return undefined;
    throw error;
  }
}

/** The kinds of machines that a run can be on. */
export type HostKind = 'github-hosted' | 'self-hosted' | 'machine';

/** Tells GitHub's machines from a user's own runner, and both from any other machine. */
export function nameHost(env: NodeJS.ProcessEnv): HostKind {
  if (env.GITHUB_ACTIONS !== 'true') return 'machine';
  return env.RUNNER_ENVIRONMENT === 'github-hosted' ? 'github-hosted' : 'self-hosted';
}

/**
 * Identifies the holder of a lock: the current step of a run on GitHub, or this process. The id is the same
 * in all locks of one holder.
 */
export function identifyHolder(env: NodeJS.ProcessEnv): { readonly id: string; readonly name: string } {
  return { id: env[stepVariable] || `${hostname()}/${process.pid}`, name: describeHolder(env) };
}

/** Describes the holder of a lock for people: the run on GitHub, or the process. */
export function describeHolder(env: NodeJS.ProcessEnv): string {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, [stepVariable]: stepId } = env;
  if (!GITHUB_SERVER_URL || !GITHUB_REPOSITORY || !GITHUB_RUN_ID)
    return `${hostname()}, process ${process.pid}`;
  // Jobs of one run share its address.
  const step = stepId ? `, step ${stepId}` : '';
  return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}${step}`;
}
