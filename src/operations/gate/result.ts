import type { Manifest } from '../../format/manifest.ts';
import type { GateInputs } from '../../interface/inputs/types.ts';
import type { Migrations } from '../../migrations/changed.ts';
import type { Ages, JudgedLimit } from '../../repository/backups/freshness.ts';
import type { BackupResult } from '../backup/result.ts';

/** Whether a release may pass, and what one would go back to. */
export interface GateResult {
  readonly verdict: Decision;
  /** The backup that was taken for it; undefined when none was */
  readonly taken: BackupResult | undefined;
  /** undefined: there is no backup to go back to */
  readonly wayBack: WayBack | undefined;
  readonly migrations: Migrations;
  /** With the backup that was taken */
  readonly ages: Ages;
  readonly judged: readonly JudgedLimit[];
  /** milliseconds */
  readonly elapsed: number;
}

/** How to undo the release. */
export interface WayBack {
  /** Of the backup to go back to */
  readonly manifest: Manifest;
  readonly pinned: boolean;
  readonly place: Pick<GateInputs, 'storage' | 's3Endpoint' | 's3Region' | 's3Addressing'>;
  /** Whether the key of the repository has to be given */
  readonly needsKey: boolean;
}

/** What lets a release pass, or what stands in its way. */
export type Decision =
  | { readonly kind: 'pass' }
  /** A backup mends all that is wrong. */
  | { readonly kind: 'back-up'; readonly why: readonly Staleness[]; readonly pin: boolean }
  | { readonly kind: 'stop'; readonly missing: readonly Missing[] };

/** What a backup mends that is taken now. `unguarded`: a migration destroys data, and no backup is recent enough for that. */
export type Staleness = 'no-backup' | 'old-backup' | 'unguarded';

export type Missing =
  | Unseen
  /** What was never read back, or restored, within the time that was asked for */
  | { readonly kind: 'unproven'; readonly limit: Exclude<JudgedLimit['input'], 'max-age'> }
  | { readonly kind: 'stale'; readonly why: Staleness; readonly onStale: GateInputs['onStale'] }
  /** A check on the backup that was taken found that those before it cannot be trusted. */
  | { readonly kind: 'doubted' };

/** What of the migrations could not be looked at: it may destroy anything, and no backup makes it known. */
export type Unseen = {
  readonly why: string;
  readonly remedy: string;
} & ({ readonly kind: 'unseen-migrations' } | { readonly kind: 'unseen-file'; readonly path: string });
