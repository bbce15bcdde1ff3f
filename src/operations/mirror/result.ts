import { type CopyOutcome, isComplete } from '../../repository/copies/outcome.ts';

/** A mirror of a repository to its copies. */
export interface MirrorResult {
  readonly isDryRun: boolean;
  /** The location of the source */
  readonly source: string;
  /** In the order of the input */
  readonly copies: readonly CopyOutcome[];
  /** milliseconds */
  readonly elapsed: number;
}

/** Whether every copy was written, and nothing was left out. */
export function isMirrored({ copies }: Pick<MirrorResult, 'copies'>): boolean {
  return copies.every(isComplete);
}
