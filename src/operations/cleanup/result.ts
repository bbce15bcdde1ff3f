import type { CleanupInputs } from '../../interface/inputs/types.ts';
import type { ShelvedBackup } from '../../repository/backups/catalog.ts';
import type { Garbage } from '../../repository/prune/prune.ts';
import type { DamagedHeader } from '../../repository/prune/references.ts';
import type { Retained } from '../../repository/prune/removal.ts';
import type { Sweep } from '../../repository/prune/sweep.ts';
import type { Decision } from '../../repository/retention/policy.ts';
import type { Changes, Plan } from './plan.ts';

/** What a cleanup did, or what it would do. */
export interface Cleanup {
  readonly inputs: CleanupInputs;
  /** Backups that there were, those with manifests that cannot be trusted included */
  readonly backups: number;
  readonly decisions: readonly Decision<ShelvedBackup>[];
  /** Manifests and headers of segments that cannot be trusted. While there are any, nothing is removed after they were found. */
  readonly damaged: readonly DamagedHeader[];
  /** No backup is listed, and there are objects: nothing was done. */
  readonly blind: boolean;
  /** Ids of backups that were gone before, without a cleanup */
  readonly vanished: readonly string[];
  /** What was recorded as damaged, and is whole */
  readonly cleared: Plan['cleared'];
  /** Ids of backups that are gone */
  readonly removed: readonly string[];
  readonly changes: Changes;
  /** What no backup and no segment needs any more, as it was before the sweep */
  readonly marked: Garbage['marked'];
  readonly swept: Sweep['removed'];
  /** Whether the grace period of what was marked at a time had passed, and the sweep was not postponed */
  readonly isSwept: (markedAt: Date) => boolean;
  /** Objects that are not listed any more, and whose bytes the storage keeps */
  readonly hidden: Sweep['hidden'];
  /** Manifests and headers of which the same holds */
  readonly hiddenFiles: number;
  /** How many versions that the bucket kept are gone */
  readonly versions: number;
  /** What the storage did not let go */
  readonly retained: readonly Retained[];
  /** Why the sweep was left to the next run */
  readonly postponed: string | undefined;
}
