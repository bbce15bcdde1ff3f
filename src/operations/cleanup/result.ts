import type { ShelvedBackup } from '../../repository/backups/catalog.ts';
import type { MarkedTally, Tally } from '../../repository/prune/garbage-marks.ts';
import type { DamagedHeader } from '../../repository/prune/references.ts';
import type { Retained } from '../../repository/prune/removal.ts';
import type { Decision } from '../../repository/retention/policy.ts';
import type { Changes } from './plan.ts';
import type { Cleared } from './second-look.ts';

/** What a cleanup did or, in a dry run, what one would do. */
export interface Cleanup {
  /** `planned`: a dry run, which changed nothing */
  readonly kind: 'done' | 'planned';
  readonly ending: Ending;
  /** Location of the repository */
  readonly storage: string;
  /** milliseconds from the mark of an object to its removal */
  readonly gracePeriod: number;
  /** Backups that there were, those with manifests that cannot be trusted included */
  readonly backups: number;
  readonly decisions: readonly Decision<ShelvedBackup>[];
  /** Ids of backups that were gone before, without a cleanup */
  readonly vanished: readonly string[];
  /** What was recorded as damaged, and is whole */
  readonly cleared: readonly Cleared[];
  /** Ids of backups that are gone */
  readonly removed: readonly string[];
  readonly changes: Changes;
  /** What no backup and no segment needs any more, and is still there. Oldest mark first */
  readonly waiting: readonly MarkedTally[];
  readonly swept: Tally;
  /** Objects that are listed no longer, and whose bytes the storage keeps */
  readonly hidden: Tally;
  /** Manifests and headers of which the same holds */
  readonly hiddenFiles: number;
  /** How many versions that the bucket kept are gone */
  readonly versions: number;
  /** What the storage did not let go */
  readonly retained: readonly Retained[];
}

/** How far a cleanup came, or would come. */
export type Ending =
  | { readonly kind: 'complete' }
  /** Objects that are due were left to the next run. */
  | { readonly kind: 'postponed'; readonly why: Postponement }
  /** What the backups need is not known. Nothing is removed after that was found. */
  | {
      readonly kind: 'stopped';
      /** Manifests and headers of segments that cannot be trusted */
      readonly damaged: readonly DamagedHeader[];
      /** No backup is listed, and there are objects */
      readonly blind: boolean;
    };

/** `vanished`: what the backups need that have vanished could be among what is due. `hindered`: the sweep itself says why, for people. */
export type Postponement =
  | { readonly kind: 'vanished' }
  | { readonly kind: 'hindered'; readonly message: string };

export function sumTallies(tallies: readonly Tally[]): Tally {
  return {
    objects: tallies.reduce((sum, { objects }) => sum + objects, 0),
    bytes: tallies.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
