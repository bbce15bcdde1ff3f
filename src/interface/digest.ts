import type { FindingKind, Severity } from './findings/finding.ts';
import type { Telling } from './findings/telling.ts';

/** What the backups of a database came to in some days: told although nothing is wrong. */
export interface Digest {
  readonly from: Date;
  readonly to: Date;
  /** Of the storage */
  readonly location: string;
  /** Runs by operation, as recorded in the repository; empty where it records none */
  readonly runs: readonly RunCount[];
  /** Backups of these days that still exist */
  readonly backups: BackupCount;
  /** The newest backup that a restore would use; undefined without one */
  readonly newest: DigestBackup | undefined;
  /** The newest point in time that can be recovered; undefined without a backup */
  readonly recoverableTo: Date | undefined;
  /** bytes of everything that is stored */
  readonly storedBytes: number;
  /** bytes that a month adds; undefined where that is not measured */
  readonly monthGrowthBytes: number | undefined;
  /** Undefined when there was none */
  readonly lastDrill: DigestDrill | undefined;
  /** When a backup was last read back whole; undefined when none was */
  readonly lastVerified: Date | undefined;
  readonly findings: readonly DigestFinding[];
  /** What a cleanup would remove now, newest backup first */
  readonly removals: readonly Removal[];
}

/** A finding in words */
export interface DigestFinding extends Telling {
  readonly kind: FindingKind;
  readonly severity: Severity;
}

export interface RunCount {
  readonly operation: string;
  readonly succeeded: number;
  /** Also those whose answer was no */
  readonly failed: number;
}

export interface BackupCount {
  readonly count: number;
  /** bytes that they have added to the storage */
  readonly addedBytes: number;
}

export interface DigestBackup {
  readonly id: string;
  readonly takenAt: Date;
  readonly rows: number;
  /** Before compression */
  readonly bytes: number;
}

export interface DigestDrill {
  readonly at: Date;
  readonly backup: string;
  readonly passed: boolean;
  /** milliseconds; undefined when it was not measured */
  readonly recovery: number | undefined;
}

export interface Removal {
  readonly backup: string;
  readonly takenAt: Date;
  /** Why no rule keeps it */
  readonly reasons: readonly string[];
}
