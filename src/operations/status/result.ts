import type { ShelvedBackup } from '../../repository/backups/catalog.ts';
import type { Failure, Gap, Shrinkage } from '../../repository/backups/findings.ts';
import type { Ages, BackupStanding, JudgedLimit } from '../../repository/backups/freshness.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';

/** Whether, how far back and how well proven one could recover. Everything that tells of it renders this. */
export interface Status extends Pick<BackupStanding, 'usable' | 'verified' | 'drilled'> {
  /** Of the storage */
  readonly location: string;
  /** As of when it holds */
  readonly at: Date;
  /** Those that were asked for, each with what was measured */
  readonly limits: readonly JudgedLimit[];
  /** What breaks no limit, and should be looked at */
  readonly warnings: readonly Warning[];
  /** Of backups alone */
  readonly ages: Ages;
  /** What the newest point to go back to rests on, whose age max-age is held against */
  readonly newestPoint: 'backup' | 'changes';
  readonly recoverable: Recoverable;
  /** Undefined without a backup */
  readonly gap: (Gap & { readonly isCleaned: boolean }) | undefined;
  readonly counts: Counts;
  /** bytes of all that is stored, whichever backup needs it */
  readonly stored: number;
  /** Undefined when there was none */
  readonly lastCleanup: LastCleanup | undefined;
  /** Newest first */
  readonly failures: readonly Failure[];
}

export interface Counts {
  /** Backups that can be read and that one would not go back to: of schemas, for safety, damaged, or of a time to come */
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

/** Ids of backups are newest first but for those that vanished, the oldest of which comes first. */
export type Warning =
  /** What came after the newest backup is in captured changes alone. */
  | { readonly kind: 'old-backup' /** milliseconds */; readonly age: number }
  | { readonly kind: 'damaged-changes'; readonly keys: readonly string[] }
  | ({ readonly kind: 'shrinkage' } & Shrinkage)
  | { readonly kind: 'unreadable-manifests'; readonly ids: readonly string[] }
  | { readonly kind: 'damaged-backups'; readonly ids: readonly string[] }
  /** They were there, and are gone without a cleanup. */
  | { readonly kind: 'vanished-backups'; readonly ids: readonly string[] }
  /** Of what the last cleanup removed the bucket keeps versions. */
  | { readonly kind: 'hidden-versions'; readonly objects: number; readonly bytes: number }
  /** Some are encrypted and some are not. */
  | {
      readonly kind: 'mixed-encryption';
      readonly plain: number;
      readonly all: number;
      readonly newestPlain: ShelvedBackup['id'];
    }
  | { readonly kind: 'failed-drill'; readonly backup: string; readonly why: string | null };

/** Whether every limit that was asked for is met. */
export function isHealthy({ limits }: Pick<Status, 'limits'>): boolean {
  return limits.every(({ met }) => met);
}
