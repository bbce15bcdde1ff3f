import type { Manifest } from '../../format/manifest.ts';
import type { BackupSummary, Catalog } from '../../repository/backups/catalog.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { RecordContent } from '../../repository/records.ts';
import type { RetentionDecision } from '../../repository/retention/policy.ts';

/** All backups, and what a cleanup with the same retention would keep. */
export interface BackupList {
  /** Of the storage */
  readonly location: string;
  /** Newest first */
  readonly decisions: readonly RetentionDecision<BackupSummary>[];
  readonly damaged: Catalog['damaged'];
  readonly recoverable: Recoverable;
}

/** Everything that is known of one backup. */
export interface ShownBackup extends Pick<BackupSummary, 'pinned' | 'verifiedAt' | 'damagedAt' | 'drilled'> {
  readonly manifest: Manifest;
  /** Oldest first */
  readonly events: readonly BackupEvent[];
}

/** An event that was recorded of a backup after it was taken. */
export type BackupEvent = { readonly at: Date } & (
  | { readonly kind: 'pin'; readonly pinned: boolean }
  | ({ readonly kind: 'validation'; readonly share: number } & Pick<
      RecordContent<'validations'>['backups'][number],
      'outcome' | 'opened'
    >)
  | ({ readonly kind: 'drill' } & Pick<RecordContent<'drills'>, 'why' | 'recovery'>)
  | ({ readonly kind: 'restore' } & Pick<
      RecordContent<'restores'>,
      'target' | 'actor' | 'whole' | 'outcome' | 'why'
    >)
);

/** Whether a backup is pinned, after `pin` or `unpin`. */
export interface Pinning {
  /** Of the backup */
  readonly id: string;
  readonly pinned: boolean;
  /** Whether the pin was changed, and a record written */
  readonly isNew: boolean;
}
