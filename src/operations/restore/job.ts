import type { Manifest } from '../../format/manifest.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import type { Omission } from '../../parity/scope.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Repository } from '../../repository/open.ts';
import type { Recovery } from '../../restorer/choose.ts';
import type { Held } from '../../restorer/part/replacement.ts';
import type { Attempt } from '../../restorer/trial/attempt.ts';
import type { PhaseClock } from '../../runtime/phase-clock.ts';
import type { TargetState } from './target-state.ts';

/** A restore, with what it was asked for and what it found. */
export interface Job {
  readonly inputs: RestoreInputs;
  readonly settings: ConnectionSettings;
  readonly repository: Repository;
  readonly manifest: Manifest;
  /** To bring it to a point in time; undefined: as it is */
  readonly recovery: Recovery | undefined;
  readonly state: TargetState;
  readonly clock: PhaseClock;
  /** What was tried on staging; undefined without it */
  readonly attempts: readonly Attempt[] | undefined;
}

/** What has been done to the target, as far as it came. */
export interface Done {
  safetyBackup: string | null;
  /** What was in the target and could not be removed */
  left: readonly Omission[];
  /** What hung on what was replaced, and is to be there again in the end */
  held: readonly Held[];
  /** What of that could not be given back as it was */
  ungiven: readonly Omission[];
  /** Whether the target holds only a part of what it should */
  incomplete: boolean;
}
