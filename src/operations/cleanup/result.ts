import type { BackupSummary } from '../../repository/backups/catalog.ts';
import type { MarkedTally, Tally } from '../../repository/prune/garbage-marks.ts';
import type { DamagedHeader } from '../../repository/prune/references.ts';
import type { Retained } from '../../repository/prune/removal.ts';
import type { RetentionDecision } from '../../repository/retention/policy.ts';
import type { Changes } from './plan.ts';
import type { Cleared } from './second-look.ts';

/** What a cleanup did or, in a dry run, would do. */
export interface Cleanup {
  /** `planned`: a dry run, which changed nothing */
  readonly kind: 'done' | 'planned';
  readonly ending: Ending;
  /** Location of the repository */
  readonly storage: string;
  /** milliseconds between the marking of an object and its removal */
  readonly gracePeriod: number;
  /** Backups before the cleanup, including those whose manifests cannot be trusted */
  readonly backups: number;
  readonly decisions: readonly RetentionDecision<BackupSummary>[];
  /** Ids of backups that had vanished before, without a cleanup */
  readonly vanished: readonly string[];
  /** Backups that were recorded as damaged and are whole */
  readonly cleared: readonly Cleared[];
  /** Ids of removed backups */
  readonly removed: readonly string[];
  readonly changes: Changes;
  /** Objects that no backup and no segment needs, and that are still stored. Oldest mark first */
  readonly waiting: readonly MarkedTally[];
  readonly swept: Tally;
  /** Objects that are no longer listed, although the storage keeps their bytes as versions */
  readonly hidden: Tally;
  /** How many manifests and headers are hidden in the same way */
  readonly hiddenFiles: number;
  /** How many versions were removed for good */
  readonly versions: number;
  /** Keys that the storage did not delete */
  readonly retained: readonly Retained[];
}

/** How far a cleanup came, or would come. */
export type Ending =
  | { readonly kind: 'complete' }
  /** The removal of due objects was left to the next run. */
  | { readonly kind: 'postponed'; readonly why: Postponement }
  /** It is unknown which objects the backups need. Nothing is removed after that was found. */
  | {
      readonly kind: 'stopped';
      /** Manifests and headers of segments that cannot be trusted */
      readonly damaged: readonly DamagedHeader[];
      /** Whether no backup is listed although there are objects */
      readonly blind: boolean;
    };

/**
 * `vanished`: due objects may belong to backups that have vanished from the listing. `hindered`: the sweep
 * removed nothing; `message` says why, for people.
 */
export type Postponement =
  | { readonly kind: 'vanished' }
  | { readonly kind: 'hindered'; readonly message: string };

export function sumTallies(tallies: readonly Tally[]): Tally {
  return {
    objects: tallies.reduce((sum, { objects }) => sum + objects, 0),
    bytes: tallies.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
