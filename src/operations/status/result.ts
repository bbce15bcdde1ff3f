import type { BackupSummary } from '../../repository/backups/catalog.ts';
import type { Gap, RecordedFailure, Shrinkage } from '../../repository/backups/findings.ts';
import type { Ages, BackupFreshness, JudgedLimit } from '../../repository/backups/freshness.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';

/**
 * Whether and how far back the database can be recovered, and how well that is proven. Every report of it
 * renders this value.
 */
export interface Status extends Pick<BackupFreshness, 'usable' | 'verified' | 'drilled'> {
  /** Of the storage */
  readonly location: string;
  /** The time of this status */
  readonly at: Date;
  /** The limits that were asked for, each with the measured age */
  readonly limits: readonly JudgedLimit[];
  /** Findings that break no limit and should be looked at */
  readonly warnings: readonly Warning[];
  /** Ages of backups, without captured changes */
  readonly ages: Ages;
  /**
   * Whether the newest recoverable point, whose age max-age limits, is a backup or comes from captured
   * changes
   */
  readonly newestPoint: 'backup' | 'changes';
  readonly recoverable: Recoverable;
  /** Undefined without a backup */
  readonly gap: (Gap & { readonly isCleaned: boolean }) | undefined;
  readonly counts: Counts;
  /** bytes of everything that is stored, whichever backup needs it */
  readonly stored: number;
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

/** Ids of backups are newest first, except those of vanished backups, which are oldest first. */
export type Warning =
  /** Everything after the newest backup is in captured changes alone. */
  | { readonly kind: 'old-backup' /** milliseconds */; readonly age: number }
  | { readonly kind: 'damaged-changes'; readonly keys: readonly string[] }
  | ({ readonly kind: 'shrinkage' } & Shrinkage)
  | { readonly kind: 'unreadable-manifests'; readonly ids: readonly string[] }
  | { readonly kind: 'damaged-backups'; readonly ids: readonly string[] }
  /** These backups are gone although no cleanup removed them. */
  | { readonly kind: 'vanished-backups'; readonly ids: readonly string[] }
  /** The bucket keeps versions of what the last cleanup removed. */
  | { readonly kind: 'hidden-versions'; readonly objects: number; readonly bytes: number }
  /** Some backups are encrypted and some are not. */
  | {
      readonly kind: 'mixed-encryption';
      readonly plain: number;
      readonly all: number;
      readonly newestPlain: BackupSummary['id'];
    }
  | { readonly kind: 'failed-drill'; readonly backup: string; readonly why: string | null };

/** Whether every limit that was asked for is met. */
export function isHealthy({ limits }: Pick<Status, 'limits'>): boolean {
  return limits.every(({ met }) => met);
}
