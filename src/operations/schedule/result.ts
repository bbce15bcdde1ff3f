import type { PlannedDatabase, PlannedJob } from '../../schedule/plan/plan.ts';
import type { Day, Estimate, Gap, Outlook } from '../../schedule/plan/week.ts';
import type { Verification } from '../../schedule/verification/verify.ts';
import type { FileChange } from '../../schedule/workflows/files.ts';

/** What a policy makes of the workflows, what comes of them, and whether they ran. */
export interface Schedule {
  /** Only `write` has changed files. */
  readonly mode: 'check' | 'dry-run' | 'write';
  /** Of the policy, in which all times are told */
  readonly timeZone: string;
  readonly changes: readonly FileChange[];
  /** undefined: there is no token to ask with */
  readonly verification: Verification | undefined;
  readonly databases: readonly DatabaseOutlook[];
  readonly runs: readonly NextRun[];
  readonly problems: readonly Problem[];
  readonly remarks: readonly Remark[];
}

/** What the schedules of a database come to. */
export interface DatabaseOutlook extends Outlook {
  readonly database: PlannedDatabase;
  readonly isCaptured: boolean;
  /** Of all its jobs */
  readonly month: Estimate;
  readonly week: readonly Day[];
}

export interface NextRun {
  readonly job: PlannedJob;
  readonly at: Date;
  /** The one after it */
  readonly then: Date | undefined;
  readonly month: Estimate;
}

/** What makes the answer a no. */
export type Problem =
  /** Under `check`: the workflows are not what the policy says. */
  | { readonly kind: 'drift' }
  | { readonly kind: 'foreign'; readonly file: string; readonly reason: string }
  /** A workflow does not run as it should; as a complete sentence with what to do. */
  | { readonly kind: 'workflow'; readonly file: string; readonly text: string }
  | { readonly kind: 'unreachable'; readonly why: string }
  /** The schedules cannot keep it even if every run is on time. */
  | {
      readonly kind: 'rpo-target';
      /** As the policy has it */
      readonly target: string;
      readonly database: string;
      readonly isCaptured: boolean;
      /** Undefined: fewer than two backups are due */
      readonly gap: Gap | undefined;
    };

/** What is no mistake, and should be known. */
export type Remark =
  /** Its slot stays on the server. */
  | { readonly kind: 'ended-capture'; readonly database: string }
  /** How far apart captures that succeeded really were, in milliseconds */
  | { readonly kind: 'longest-pause'; readonly database: string; readonly length: number }
  /** More minutes in 30 days than GitHub gives for nothing */
  | { readonly kind: 'cost'; readonly minutes: number; readonly free: number };

/** Whether the workflows are what the policy says, and nothing speaks against that they keep it. */
export function isInOrder({ problems }: Pick<Schedule, 'problems'>): boolean {
  return problems.length === 0;
}
