import { createHash } from 'node:crypto';
import type { Omission } from './scope.ts';

/**
 * `equal`: the target is as in the backup. `different`: it deviates, by a loss or without a known reason, and
 * the answer of the comparison is no. `not carried`: it deviates for the known reason in `why`.
 */
export type ParityStatus = 'equal' | 'different' | 'not carried';

/** One line of the comparison of a restored database with the facts of its backup */
export interface ParityLine {
  /** `table`, `policy`, `function`, …, in the singular */
  readonly kind: string;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly status: ParityStatus;
  /** The known reason, or a note */
  readonly why?: string;
  /** The restore's omissions that explain the deviation */
  readonly because?: readonly Omission[];
  /** Set when a role may do more than in the source */
  readonly wider?: true;
}

export const absent = 'nothing';

/** Returns the beginning of a digest, shown in place of a secret text so that two of them can be compared. */
export function digestOf(text: string): string {
  return `SHA-256 ${createHash('sha256').update(text).digest('hex').slice(0, 12)}…`;
}
