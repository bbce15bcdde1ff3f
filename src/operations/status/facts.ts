import type { ManagedFacts } from '../../management/facts.ts';
import type { BackupFreshness, Limits } from '../../repository/backups/freshness.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { CopyState } from '../../repository/copies/state.ts';
import type { StoredRecord } from '../../repository/records.ts';
import type { StoredBytes } from '../../repository/stored-bytes.ts';
import type { SlotLook } from '../../values/slot-look.ts';
import type { ReadSchedules } from './schedules.ts';

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
  /** Runs of any operation of the last thirty days, oldest first, and how many more were not read */
  readonly runs: readonly StoredRecord<'runs'>[];
  readonly unreadRuns: number;
  /** When the repository was created */
  readonly createdAt: Date;
  /** Until when changes are captured; undefined when none are */
  readonly capturedThrough: Date | undefined;
  /** Undefined: no policy was given */
  readonly schedules: ReadSchedules | undefined;
  /** What the platform says of its own backups; undefined: it was not asked */
  readonly managed: ManagedFacts | undefined;
  /** When the newest captured transaction was committed; undefined: none is known */
  readonly newestCommit: Date | undefined;
  /** What this run has seen of the slot; undefined when it has not looked */
  readonly slotNow: SlotLook | undefined;
  /** Undefined: no copies were given */
  readonly copies?: readonly CopyState[] | undefined;
  readonly now: Date;
}
