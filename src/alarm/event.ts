import type { WorkflowRun } from '../github/run.ts';
import type { Outcome } from '../interface/outcome.ts';

/** What an operation came to, as the entries tell it once it has ended. No text of it needs to be free of secrets. */
export type RunEvent = RunSuccess | RunFailure;

interface RunFacts {
  readonly operation: string;
  /** Names the database or, where there is none, the storage: the same text in every run, without a secret. */
  readonly database: string;
  readonly outputs: Outcome['outputs'];
  /** Undefined outside of a runner */
  readonly run: WorkflowRun | undefined;
  /** When the operation began: of two runs, which one knows better. */
  readonly startedAt: Date;
  /** When it ended */
  readonly at: Date;
  /** The newest backup that is not damaged, and as of when it can bring the database back; null when there is none, undefined when nobody knows. */
  readonly lastGood?: { readonly id: string; readonly takenAt: Date } | null | undefined;
  /** How old the newest good backup may become, in milliseconds */
  readonly rpoTarget?: number | undefined;
}

export interface RunSuccess extends RunFacts {
  readonly state: 'succeeded';
  /** Only part was looked at, as with `share: 10%`: that says nothing of what failed before, and closes no issue. */
  readonly partial?: boolean;
}

export interface RunFailure extends RunFacts {
  /** `negative`: it ran, and the answer is no (exit code 3). */
  readonly state: 'failed' | 'negative';
  /** From `classifyFailure` or `classifyNegative` */
  readonly failureClass: string;
  readonly message: string;
  /** What to do about it */
  readonly next: string;
}

/** Where to announce; what is undefined is off. */
export interface AlarmSettings {
  readonly issues?: IssueSettings | undefined;
  readonly notifyUrl?: string | undefined;
  readonly slackWebhookUrl?: string | undefined;
  readonly heartbeatUrl?: string | undefined;
  /** Takes every secret out of a text, in every form; `createMask` makes one. Applied to all that leaves the machine. */
  mask(text: string): string;
}

export interface IssueSettings {
  /** Needs `issues: write`; empty when there is none. */
  readonly token: string;
  /** Beside `supabase-backup`, by which issues are found again */
  readonly labels: readonly string[];
  /** Names of users, without `@` */
  readonly assignees: readonly string[];
  /** Users and teams, with or without `@` */
  readonly mentions: readonly string[];
}

/** How long an announcement may take */
export interface AlarmLimits {
  /** For everything */
  readonly totalMs: number;
  /** For everything, once the user or the runner asked to stop: the entries end the process 6.5 s after that, and may set less. */
  readonly afterStopMs: number;
  /** For the issues, of the total */
  readonly issuesMs: number;
  /** For one request */
  readonly requestMs: number;
  /** Before the first retry */
  readonly delayMs: number;
}

export const defaultLimits: AlarmLimits = {
  totalMs: 30_000,
  afterStopMs: 4000,
  issuesMs: 15_000,
  requestMs: 10_000,
  delayMs: 500,
};

/**
 * Operations whose successes close each other's issues. What is not here is a group of its own.
 */
const groups: Readonly<Record<string, string>> = {
  list: 'shelf',
  show: 'shelf',
  pin: 'shelf',
  unpin: 'shelf',
};

export function groupOf(operation: string): string {
  return groups[operation] ?? operation;
}

/** The event without secrets. Words that we choose ourselves stay, whatever somebody's password is. */
export function maskEvent(event: RunEvent, mask: (text: string) => string): RunEvent {
  const { database, outputs, run, lastGood } = event;
  const shared = {
    database: mask(database),
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [name, typeof value === 'string' ? mask(value) : value]),
    ),
    run: run && maskRun(run, mask),
    lastGood: lastGood && { ...lastGood, id: mask(lastGood.id) },
  };
  if (event.state === 'succeeded') return { ...event, ...shared };
  return { ...event, ...shared, message: mask(event.message), next: mask(event.next) };
}

function maskRun(run: WorkflowRun, mask: (text: string) => string): WorkflowRun {
  return {
    ...run,
    url: mask(run.url),
    workflow: mask(run.workflow),
    workflowFile: mask(run.workflowFile),
    repository: mask(run.repository),
    actor: mask(run.actor),
  };
}

export interface RpoStanding {
  /** milliseconds */
  readonly target: number;
  /** When the newest good backup becomes, or became, too old; undefined when there is none. */
  readonly brokenAt: Date | undefined;
  readonly broken: boolean;
}

/** Undefined when there is no target, or nobody knows the newest backup. */
export function judgeRpo({ lastGood, rpoTarget, at }: RunEvent): RpoStanding | undefined {
  if (rpoTarget === undefined || lastGood === undefined) return undefined;
  if (lastGood === null) return { target: rpoTarget, brokenAt: undefined, broken: true };
  const brokenAt = new Date(lastGood.takenAt.getTime() + rpoTarget);
  return { target: rpoTarget, brokenAt, broken: brokenAt <= at };
}
