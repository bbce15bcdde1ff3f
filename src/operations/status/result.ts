import type { Finding } from '../../interface/findings/finding.ts';
import type { Gap, RecordedFailure } from '../../repository/backups/findings.ts';
import type { Ages, BackupFreshness } from '../../repository/backups/freshness.ts';
import type { Growth } from '../../repository/backups/growth.ts';
import type { RecoveryTime } from '../../repository/backups/recovery-time.ts';
import type { SuccessRate } from '../../repository/backups/success-rate.ts';
import type { Trends } from '../../repository/backups/trends.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { CopyState } from '../../repository/copies/state.ts';
import type { StoredRecord } from '../../repository/records.ts';
import type { StoredBytes } from '../../repository/stored-bytes.ts';
import type { Managed } from '../managed/result.ts';
import type { Egress, StorageCost } from './costs.ts';
import type { Schedules } from './kept-schedules.ts';
import type { SlotSight } from './slot.ts';

/**
 * Whether and how far back the database can be recovered, and how well that is proven. Every report of it
 * renders this value.
 */
export interface Status extends Pick<BackupFreshness, 'usable' | 'verified' | 'drilled'> {
  /** Of the storage */
  readonly location: string;
  /** The time of this status */
  readonly at: Date;
  /**
   * What is wrong and what is worth knowing, in the order of `findingKinds`: the limits that were asked for,
   * met or not, are among them
   */
  readonly findings: readonly Finding[];
  /** Ages of backups, without captured changes */
  readonly ages: Ages;
  readonly recoverable: Recoverable;
  /** milliseconds since the newest recoverable point, all of which would be lost now; undefined without a backup */
  readonly loss: number | undefined;
  /** Undefined without a backup */
  readonly gap: (Gap & { readonly isCleaned: boolean }) | undefined;
  readonly recovery: RecoveryTime;
  readonly trends: Trends;
  /** Undefined: no policy was given */
  readonly schedules: Schedules | undefined;
  /** Of the last thirty days; undefined without a record of a run */
  readonly successRate: SuccessRate | undefined;
  /** When a run of each kind last ended, however it did; only kinds of which one is recorded */
  readonly attempts: ReadonlyMap<string, Date>;
  /** Of captures; undefined: nobody has looked */
  readonly slot: SlotSight | undefined;
  /** Both layers, with the platform's own backups; undefined: the platform was not asked */
  readonly managed: Managed | undefined;
  /** Undefined: no copies were given */
  readonly copies?: readonly CopyState[] | undefined;
  readonly counts: Counts;
  readonly stored: StoredBytes;
  readonly growth: Growth;
  /** Undefined where no price was given */
  readonly cost: StorageCost | undefined;
  /** Undefined without a full backup */
  readonly egress: Egress | undefined;
  /** Undefined when there was none */
  readonly lastDrill: StoredRecord<'drills'> | undefined;
  /** Undefined when there was none */
  readonly lastCleanup: LastCleanup | undefined;
  /** Newest first */
  readonly failures: readonly RecordedFailure[];
}

export interface Counts {
  /**
   * Readable backups that a restore would not use: schema backups, safety backups, damaged ones, and ones
   * dated in the future
   */
  readonly unusable: number;
  /** Backups that were found damaged, and manifests that cannot be read */
  readonly damaged: number;
}

export interface LastCleanup {
  readonly at: Date;
  /** Backups */
  readonly removed: number;
  /** bytes */
  readonly freed: number;
}

/** Whether every limit that was asked for is met. */
export function isHealthy({ findings }: Pick<Status, 'findings'>): boolean {
  return findings.every(({ severity }) => severity !== 'broken');
}
