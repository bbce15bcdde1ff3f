import type { WorkflowRun } from '../github/run.ts';
import type { Digest } from '../interface/digest.ts';
import type { MailInputs } from '../interface/inputs/alarm-types.ts';
import type { NotifyTarget } from '../interface/inputs/notify-target.ts';
import type { HeartbeatSignal } from '../interface/inputs/operations.ts';
import type { Outcome } from '../interface/outcome.ts';

/**
 * The end of an operation, which the entries report. Its texts may hold secrets; `redactEvent` replaces them.
 */
export type RunEvent = RunSuccess | RunFailure;

interface RunFacts {
  readonly operation: string;
  /** Name of the database, or of the storage where there is none; constant over runs, and no secret */
  readonly database: string;
  readonly outputs: Outcome['outputs'];
  /** Undefined outside of a runner */
  readonly run: WorkflowRun | undefined;
  /** When the operation began, by which events are ordered across workflows */
  readonly startedAt: Date;
  /** When it ended */
  readonly at: Date;
  /**
   * The newest undamaged backup, and the time that it restores the database to; null when there is none,
   * undefined when that is not known
   */
  readonly lastGood?: { readonly id: string; readonly takenAt: Date } | null | undefined;
  /** Milliseconds: the greatest age that the newest good backup may reach */
  readonly rpoTarget?: number | undefined;
  /** What is to be sent besides, whatever the operation came to */
  readonly digest?: Digest | undefined;
}

export interface RunSuccess extends RunFacts {
  readonly state: 'succeeded';
  /**
   * True when only a part was checked, as with `share: 10%`: such a success does not refute an earlier
   * failure, and closes no issue.
   */
  readonly partial?: boolean;
}

export interface RunFailure extends RunFacts {
  /** `negative`: the operation ran, and its answer is no (exit code 3). */
  readonly state: 'failed' | 'negative';
  /** From `classifyFailure` or `classifyNegative` */
  readonly failureClass: string;
  readonly message: string;
  /** What to do about it */
  readonly next: string;
}

/** Where to send notifications; an undefined channel is off. */
export interface AlarmSettings {
  readonly issues?: IssueSettings | undefined;
  readonly notify?: NotifyTarget | undefined;
  readonly slackWebhookUrl?: string | undefined;
  readonly mail?: MailInputs | undefined;
  readonly heartbeat?: HeartbeatSettings | undefined;
  /** Replaces every secret in a text, in all notations of `createRedactor`, before the text is sent. */
  redact(text: string): string;
}

export interface HeartbeatSettings {
  readonly url: string;
  /** What is told besides successes */
  readonly signals: readonly HeartbeatSignal[];
  /** A UUID, the same for all signals of one run */
  readonly runId: string;
}

export interface IssueSettings {
  /** A token with `issues: write`; empty when there is none */
  readonly token: string;
  /** Labels besides `supabase-backup`, by which issues are found again */
  readonly labels: readonly string[];
  /** Logins of users, with or without `@` */
  readonly assignees: readonly string[];
  /** Users and teams, with or without `@` */
  readonly mentions: readonly string[];
}

/** How long the notifications of one run may take */
export interface AlarmLimits {
  /** For all notifications together */
  readonly totalMs: number;
  /**
   * For all notifications after the user or the runner asked to stop; the entries end the process 6.5 s after
   * that, and may set less.
   */
  readonly afterStopMs: number;
  /** For the issues, as a part of `total` */
  readonly issuesMs: number;
  /** For one request */
  readonly requestMs: number;
  /** The pause before the first retry */
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
 * Groups of operations whose successes close each other's issues. Any other operation is a group of its own.
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

/**
 * Redacts the secrets of an event. Fields with words of our own stay, even if a password is the same word.
 */
export function redactEvent(event: RunEvent, redact: (text: string) => string): RunEvent {
  const { database, outputs, run, lastGood, digest } = event;
  const shared = {
    database: redact(database),
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [
        name,
        typeof value === 'string' ? redact(value) : value,
      ]),
    ),
    run: run && redactRun(run, redact),
    lastGood: lastGood && { ...lastGood, id: redact(lastGood.id) },
    digest: digest && redactDigest(digest, redact),
  };
  if (event.state === 'succeeded') return { ...event, ...shared };
  return { ...event, ...shared, message: redact(event.message), next: redact(event.next) };
}

function redactDigest(digest: Digest, redact: (text: string) => string): Digest {
  const { location, newest, lastDrill, findings, removals } = digest;
  return {
    ...digest,
    location: redact(location),
    newest: newest && { ...newest, id: redact(newest.id) },
    lastDrill: lastDrill && { ...lastDrill, backup: redact(lastDrill.backup) },
    findings: findings.map((finding) => {
      return { ...finding, sentence: redact(finding.sentence), remedy: redact(finding.remedy) };
    }),
    removals: removals.map(({ backup, takenAt, reasons }) => {
      return { backup: redact(backup), takenAt, reasons: reasons.map(redact) };
    }),
  };
}

function redactRun(run: WorkflowRun, redact: (text: string) => string): WorkflowRun {
  return {
    ...run,
    url: redact(run.url),
    workflow: redact(run.workflow),
    workflowFile: redact(run.workflowFile),
    repository: redact(run.repository),
    actor: redact(run.actor),
  };
}

export interface RpoJudgement {
  /** Milliseconds */
  readonly target: number;
  /** When the newest good backup becomes or became too old; undefined when there is none */
  readonly brokenAt: Date | undefined;
  readonly broken: boolean;
}

/**
 * Compares the newest good backup with the RPO target; undefined when there is no target or the newest backup
 * is not known.
 */
export function judgeRpo({ lastGood, rpoTarget, at }: RunEvent): RpoJudgement | undefined {
  if (rpoTarget === undefined || lastGood === undefined) return undefined;
  if (lastGood === null) return { target: rpoTarget, brokenAt: undefined, broken: true };
  const brokenAt = new Date(lastGood.takenAt.getTime() + rpoTarget);
  return { target: rpoTarget, brokenAt, broken: brokenAt <= at };
}
