import type { Manifest } from '../../format/manifest.ts';
import type { Shelf, ShelvedBackup } from '../../repository/backups/catalog.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { RecordContent } from '../../repository/records.ts';
import type { Decision } from '../../repository/retention/policy.ts';

/** All backups, and what a cleanup with the same retention would keep. */
export interface BackupList {
  /** Of the storage */
  readonly location: string;
  /** Newest first */
  readonly decisions: readonly Decision<ShelvedBackup>[];
  readonly damaged: Shelf['damaged'];
  readonly recoverable: Recoverable;
}

/** All that is known of one backup. */
export interface ShownBackup extends Pick<ShelvedBackup, 'pinned' | 'verifiedAt' | 'damagedAt' | 'drilled'> {
  readonly manifest: Manifest;
  /** Oldest first */
  readonly events: readonly BackupEvent[];
}

/** What was recorded of a backup since it was taken. */
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

/** How a backup stands to retention after it was pinned, or left to it. */
export interface Pinning {
  /** Of the backup */
  readonly id: string;
  readonly pinned: boolean;
  /** Whether that had to be recorded: it stood otherwise before */
  readonly isNew: boolean;
}
