import type { BackupFreshness, Limits } from '../../repository/backups/freshness.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { StoredRecord } from '../../repository/records.ts';
import type { StoredBytes } from '../../repository/stored-bytes.ts';

/** What was read of a repository. */
export interface StatusFacts {
  /** Of the storage */
  readonly location: string;
  readonly limits: Limits;
  readonly freshness: BackupFreshness;
  readonly recoverable: Recoverable;
  readonly stored: StoredBytes;
  /** Of a gigabyte of storage for a month; undefined: what it costs is not asked */
  readonly price: number | undefined;
  /** Ids of backups that are gone although no cleanup removed them */
  readonly vanished: readonly string[];
  /** The last cleanup */
  readonly prune: StoredRecord<'prunes'> | undefined;
  /** The newest restores */
  readonly restores: readonly StoredRecord<'restores'>[];
  /** The newest runs of any operation */
  readonly runs: readonly StoredRecord<'runs'>[];
  readonly now: Date;
}
