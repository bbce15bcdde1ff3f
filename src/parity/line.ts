import { createHash } from 'node:crypto';
import type { Omission } from './scope.ts';

/**
 * `equal`: as in the backup. `different`: not so, and nothing that was known before explains it: the answer is no.
 * `not carried`: not so, for the reason that stands beside it.
 */
export type ParityStatus = 'equal' | 'different' | 'not carried';

/** One line of the comparison of a restored database with what the backup says of its source. */
export interface ParityLine {
  /** `table`, `policy`, `function`, …, in the singular */
  readonly kind: string;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly status: ParityStatus;
  /** Why it is not carried, or what else there is to know */
  readonly why?: string;
  /** What the restore left out that explains the difference */
  readonly because?: readonly Omission[];
  /** Set where somebody may do more than in the source */
  readonly wider?: true;
}

export const absent = 'nothing';

/** Stands for a text that is not shown, so that one can see whether two are the same. */
export function digestOf(text: string): string {
  return `SHA-256 ${createHash('sha256').update(text).digest('hex').slice(0, 12)}…`;
}
