import { createHash } from 'node:crypto';

/** What a plan would do; nothing of when it was planned */
export interface PlanSubject {
  /** Of the repository */
  readonly repository: string;
  readonly backup: string;
  readonly until: string | undefined;
  readonly target: string;
  /** As they were written */
  readonly include: readonly string[];
  readonly command: string;
}

/** Returns SHA-256 over the subject, hexadecimal. */
export function digestPlan({ repository, backup, until, target, include, command }: PlanSubject): string {
  const parts = [repository, backup, until ?? null, target, include, command];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
