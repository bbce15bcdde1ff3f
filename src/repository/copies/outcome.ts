import type { KnownError } from '../../runtime/errors.ts';

/** Something that was not copied, or not healed, and why. */
export interface Refusal {
  readonly key: string;
  readonly why: string;
}

/** How many values of each kind */
export interface ValueCounts {
  readonly objects: number;
  readonly backups: number;
  /** Segments of captured changes */
  readonly changes: number;
  readonly signatures: number;
  readonly records: number;
}

/** How far a copy is behind. */
export interface CopyLag {
  /** Id of the newest backup that the copy has; undefined when it has none */
  readonly newest: string | undefined;
  /** Backups that the copy lacks and has not removed itself */
  readonly missingBackups: number;
  /** Segments of captured changes, alike */
  readonly missingChanges: number;
  /** stored bytes that these backups, when they were taken, added to the repository; undefined where none can tell */
  readonly missingBytes: number | undefined;
  /** Id of the oldest backup that it lacks */
  readonly oldestMissing: string | undefined;
}

/** A copy that was brought up to date, or, in a dry run, could be. */
export interface MirroredCopy {
  readonly kind: 'mirrored';
  readonly name: string;
  readonly location: string;
  /** Whether the repository was made there now */
  readonly isNew: boolean;
  /** What was copied; in a dry run, what would be */
  readonly copied: ValueCounts;
  /** bytes as stored, of all that was copied */
  readonly bytes: number;
  /** What was left out since it is damaged or gone in the source, or the copy would not take it */
  readonly refused: readonly Refusal[];
  /** Objects that the store has checked by a SHA-256 of its own, and that were read back */
  readonly checked: { readonly byStore: number; readonly byReading: number };
  /** After the run; in a dry run, before it */
  readonly lag: CopyLag;
}

/** A copy that could not be written. */
export interface FailedCopy {
  readonly kind: 'failed';
  readonly name: string;
  readonly location: string;
  readonly error: KnownError;
}

export type CopyOutcome = MirroredCopy | FailedCopy;

export const noValues: ValueCounts = { objects: 0, backups: 0, changes: 0, signatures: 0, records: 0 };

/** Whether a copy holds all that it should, as far as this run has seen. */
export function isComplete(copy: CopyOutcome): boolean {
  return copy.kind === 'mirrored' && copy.refused.length === 0;
}
