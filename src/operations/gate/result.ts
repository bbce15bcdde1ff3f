import type { Manifest } from '../../format/manifest.ts';
import type { GateInputs } from '../../interface/inputs/types.ts';
import type { Migrations } from '../../migrations/changed.ts';
import type { Ages, JudgedLimit } from '../../repository/backups/freshness.ts';
import type { BackupResult } from '../backup/result.ts';

/** Whether a release may pass, and the backup to go back to. */
export interface GateResult {
  readonly verdict: Decision;
  /** The backup that was taken for the release; undefined when none was */
  readonly taken: BackupResult | undefined;
  /** undefined: there is no backup to go back to */
  readonly wayBack: WayBack | undefined;
  readonly migrations: Migrations;
  /** Includes the backup that was taken */
  readonly ages: Ages;
  readonly judged: readonly JudgedLimit[];
  /** The same before a backup was taken for the release: why one was */
  readonly judgedBefore: readonly JudgedLimit[];
  /** milliseconds */
  readonly elapsed: number;
}

/** How to undo the release. */
export interface WayBack {
  /** Of the backup to go back to */
  readonly manifest: Manifest;
  readonly pinned: boolean;
  readonly place: Pick<GateInputs, 'storage' | 's3Endpoint' | 's3Region' | 's3Addressing'>;
  /** Whether the repository key has to be given */
  readonly needsKey: boolean;
}

/** The release passes, a backup is taken first, or the release is stopped. */
export type Decision =
  | { readonly kind: 'pass' }
  /** A new backup makes up for everything that is missing. */
  | { readonly kind: 'back-up'; readonly why: readonly Staleness[]; readonly pin: boolean }
  | { readonly kind: 'stop'; readonly missing: readonly Missing[] };

/**
 * What a new backup makes up for. `unguarded`: a migration destroys data, and no backup is recent enough for
 * that.
 */
export type Staleness = 'no-backup' | 'old-backup' | 'unguarded';

export type Missing =
  | Unseen
  /** No backup was verified, or drilled, within the time that was asked for. */
  | { readonly kind: 'unproven'; readonly limit: Exclude<JudgedLimit['input'], 'max-age'> }
  | { readonly kind: 'stale'; readonly why: Staleness; readonly onStale: GateInputs['onStale'] }
  /** The sample check of the new backup found that earlier backups cannot be trusted. */
  | { readonly kind: 'doubted' };

/** Migrations that could not be inspected: they may destroy anything, and no backup reveals what. */
export type Unseen = {
  readonly why: string;
  readonly remedy: string;
} & ({ readonly kind: 'unseen-migrations' } | { readonly kind: 'unseen-file'; readonly path: string });
