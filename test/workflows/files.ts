import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { readPin } from '../../scripts/pin.ts';

/** How the examples name this action */
export const pin = readPin();

/** A workflow as it is written, as far as tests look at it. */
export interface Workflow {
  readonly on: {
    readonly workflow_call?: Trigger & { readonly secrets: object; readonly outputs?: Values };
    readonly workflow_dispatch?: Trigger | null;
  };
  readonly permissions?: object;
  readonly concurrency?: Concurrency;
  readonly env?: Values;
  readonly jobs: Readonly<Record<string, Job>>;
}

export interface Job {
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Values;
  readonly secrets?: Values;
  readonly needs?: string | readonly string[];
  readonly outputs?: Values;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: Concurrency;
  readonly 'timeout-minutes'?: number;
  readonly services?: Readonly<Record<string, { readonly image: string }>>;
  readonly steps?: readonly Step[];
}

export interface Step {
  readonly id?: string;
  readonly if?: string;
  readonly 'continue-on-error'?: boolean;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Values;
  readonly env?: Values;
}

export interface WorkflowFile {
  /** Relative to the root of the repository */
  readonly file: string;
  readonly text: string;
  readonly workflow: Workflow;
}

type Values = Readonly<Record<string, unknown>>;
type Concurrency = Readonly<Record<string, unknown>>;
interface Trigger {
  readonly inputs?: Readonly<Record<string, { readonly type: string; readonly required?: boolean }>>;
}

const root = path.join(import.meta.dirname, '..', '..');
export const readText = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** Ours and the examples, but not the policy, which is no workflow. */
export const workflowFiles: readonly WorkflowFile[] = globSync(
  ['.github/workflows/*.yml', 'examples/**/*.yml'],
  { cwd: root },
)
  .filter((file) => file !== 'examples/policy/supabase-backup.yml')
  .sort()
  .map((file) => ({ file, text: readText(file), workflow: parse(readText(file)) }));

export interface NamedStep extends Step {
  /** For messages */
  readonly where: string;
  readonly job: Job;
}

export function stepsOf({ file, workflow }: WorkflowFile): NamedStep[] {
  return Object.entries(workflow.jobs).flatMap(([id, job]) =>
    (job.steps ?? []).map((step, index) => ({
      ...step,
      job,
      where: `${file}, ${id}, step ${step.id ?? index + 1}`,
    })),
  );
}

/** The path of the reusable workflow of ours that a job of an example calls; undefined where it calls none. */
export function calledOf(uses: string | undefined): string | undefined {
  const head = `${pin.action}/`;
  return uses?.startsWith(head) ? uses.slice(head.length).replace(/@.*$/, '') : undefined;
}

/** Whether a step runs this action, by any of its names. */
export function isOurs({ uses = '' }: Step): boolean {
  return (
    uses === '$/dist' ||
    uses === './' ||
    uses.startsWith(`${pin.action}@`) ||
    uses.startsWith(`${pin.action}/dist@`)
  );
}

/** The step that takes a role of AWS, for those that come after it in its job. */
export function takesRole({ uses = '' }: Step): boolean {
  return uses.startsWith('aws-actions/configure-aws-credentials@');
}
