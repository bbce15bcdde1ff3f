import type { Manifest } from '../../format/manifest.ts';
import type { Reuse } from '../../source/incremental/reuse.ts';

/** A backup that was stored. */
export interface BackupResult {
  readonly manifest: Manifest;
  /** Undefined when everything was read */
  readonly reuse: Reuse | undefined;
  /**
   * What the sample check found to differ from what is stored, for people. The backup is sound, because
   * everything was read for it; earlier ones may not be. Empty in a sound repository.
   */
  readonly mismatches: readonly string[];
  /** Whether Vault's root key is in it; `none`: there are no secrets that need it */
  readonly rootKey: 'none' | 'carried' | 'left';
  /** stored bytes that are new in the repository */
  readonly addedBytes: number;
  /** milliseconds */
  readonly elapsed: number;
}

/** Whether nothing was found that casts doubt on earlier backups. */
export function isUndoubted({ mismatches }: Pick<BackupResult, 'mismatches'>): boolean {
  return mismatches.length === 0;
}
