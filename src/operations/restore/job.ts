import type { Manifest } from '../../format/manifest.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import type { Omission } from '../../parity/scope.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Repository } from '../../repository/open.ts';
import type { RecordContent } from '../../repository/records.ts';
import type { Recovery } from '../../restorer/choose.ts';
import type { Held } from '../../restorer/part/replacement.ts';
import type { Attempt } from '../../restorer/trial/attempt.ts';
import type { PhaseClock } from '../../runtime/phase-clock.ts';
import type { TargetState } from './target-state.ts';

/** A restore: its inputs, and what was found before it began. */
export interface RestoreJob {
  readonly inputs: RestoreInputs;
  readonly settings: ConnectionSettings;
  readonly repository: Repository;
  readonly manifest: Manifest;
  /** How to reach the recovery target; undefined: the backup is restored as it is */
  readonly recovery: Recovery | undefined;
  readonly state: TargetState;
  readonly clock: PhaseClock;
  /** The trials on staging; undefined without staging */
  readonly attempts: readonly Attempt[] | undefined;
}

/** What a restore has done to the target so far. */
export interface Done {
  safetyBackup: string | null;
  /** The size of that; undefined where it is in another storage, or there is none */
  safety: RecordContent<'restores'>['safety'];
  /** Whether that has secrets of Vault, and is without the key that opens them */
  lacksRootKey: boolean;
  /** Objects of the target that could not be removed */
  left: readonly Omission[];
  /** What depended on replaced objects, and is given back at the end */
  held: readonly Held[];
  /** What of `held` could not be given back unchanged */
  ungiven: readonly Omission[];
  /** Whether the target holds only a part of what it should */
  incomplete: boolean;
}
