import type { PlannedDatabase, PlannedJob } from '../../schedule/plan/plan.ts';
import type { Day, Estimate, Gap, WeekPreview } from '../../schedule/plan/week.ts';
import type { Verification } from '../../schedule/verification/verify.ts';
import type { FileChange } from '../../schedule/workflows/files.ts';

/** The workflows that follow from a policy, what to expect of them, and whether they ran. */
export interface Schedule {
  /** Only `write` has changed files. */
  readonly mode: 'check' | 'dry-run' | 'write';
  /** The time zone of the policy, in which all times are reported */
  readonly timeZone: string;
  readonly changes: readonly FileChange[];
  /** undefined: there is no token to ask with */
  readonly verification: Verification | undefined;
  readonly databases: readonly DatabaseOutlook[];
  readonly runs: readonly NextRun[];
  readonly problems: readonly Problem[];
  readonly remarks: readonly Remark[];
}

/** What to expect of a database's schedules. */
export interface DatabaseOutlook extends WeekPreview {
  readonly database: PlannedDatabase;
  readonly isCaptured: boolean;
  /** Of all its jobs */
  readonly month: Estimate;
  readonly week: readonly Day[];
}

export interface NextRun {
  readonly job: PlannedJob;
  readonly at: Date;
  /** The run after it */
  readonly then: Date | undefined;
  readonly month: Estimate;
}

/** What makes the operation end with exit code 3. */
export type Problem =
  /** Under `check`: the workflows differ from the policy. */
  | { readonly kind: 'drift' }
  | { readonly kind: 'foreign'; readonly file: string; readonly reason: string }
  /** A workflow does not run as it should; `text` is a complete sentence with a remedy. */
  | { readonly kind: 'workflow'; readonly file: string; readonly text: string }
  | { readonly kind: 'unreachable'; readonly why: string }
  /** The schedules cannot meet the target even if every run is on time. */
  | {
      readonly kind: 'rpo-target';
      /** As written in the policy */
      readonly target: string;
      readonly database: string;
      readonly isCaptured: boolean;
      /** Undefined: fewer than two backups are due */
      readonly gap: Gap | undefined;
    };

/** Something that is no mistake and should be known. */
export type Remark =
  /** Its captures have ended, and its slot stays on the server. */
  | { readonly kind: 'ended-capture'; readonly database: string }
  /** The longest time between captures that succeeded, in milliseconds */
  | { readonly kind: 'longest-pause'; readonly database: string; readonly length: number }
  /** Its backups are stored as they are: no recipients are named */
  | { readonly kind: 'unencrypted'; readonly database: string }
  /** It is due when GitHub is busiest, as written in the policy */
  | {
      readonly kind: 'peak';
      readonly database: string;
      readonly job: PlannedJob['kind'];
      readonly cron: string;
    }
  /** More minutes in 30 days than GitHub gives for free */
  | { readonly kind: 'cost'; readonly minutes: number; readonly free: number };

/** Whether no problem was found; workflows that differ from the policy are one only under `check`. */
export function isInOrder({ problems }: Pick<Schedule, 'problems'>): boolean {
  return problems.length === 0;
}
