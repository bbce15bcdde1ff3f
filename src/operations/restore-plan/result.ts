import type { Manifest } from '../../format/manifest.ts';
import type { RecoveryTime } from '../../repository/backups/recovery-time.ts';
import type { TableContents } from '../report/facts.ts';

/** Into what a restore would go: what is lost there depends on it. */
export const planTargets = ['empty', 'production', 'beside'] as const;
export type PlanTarget = (typeof planTargets)[number];

/** A restore that nobody has begun. It names one backup and one point in time, and is never resolved again. */
export interface RestorePlan {
  /** SHA-256 of what the plan would do, hexadecimal; the same for the same restore, whenever it is planned */
  readonly digest: string;
  readonly madeAt: Date;
  /** From then on what would be lost, or whether the backup is still there, is to be asked again. */
  readonly expiresAt: Date;
  /** Of the storage */
  readonly location: string;
  readonly backup: PlannedBackup;
  /** Until when changes are replayed, ISO 8601 with microseconds; undefined: the backup is restored as it is */
  readonly until: string | undefined;
  readonly target: PlanTarget;
  /** Tables of the backup that come back, the largest first; undefined: everything does */
  readonly tables: readonly TableContents[] | undefined;
  readonly lost: Loss | undefined;
  readonly recovery: RecoveryTime;
  readonly lines: PlanLines;
  /** What has to be in the environment of the terminal first; the values are the user's secrets */
  readonly settings: readonly string[];
  /** The words that a person types in place of `…` in the lines; undefined: none are asked for */
  readonly words: string | undefined;
}

export interface PlannedBackup {
  readonly id: string;
  readonly kind: Manifest['kind'];
  /** The backup holds the database as of then. */
  readonly snapshotAt: Date;
  readonly label: string | null;
  readonly rows: number;
  /** bytes before compression */
  readonly bytes: number;
  /** null: it was never read back whole, or was found damaged since */
  readonly verifiedAt: Date | null;
  readonly damagedAt: Date | null;
}

/** What was committed after the point in time, and would be gone from the target. Undefined where nothing is. */
export interface Loss {
  readonly from: Date;
  /** milliseconds from then until the plan was made */
  readonly milliseconds: number;
  /** Of captured changes that end after the point, and so at most; undefined where none are captured */
  readonly captured: { readonly transactions: number; readonly changes: number } | undefined;
}

/** Lines for a POSIX shell. Where words of a person are needed, they have `…`. */
export interface PlanLines {
  /** Shows what would be done, and does nothing */
  readonly preview: string;
  readonly command: string;
  /** Starts the workflow of examples/emergency-restore.yml; undefined: it has no such way */
  readonly workflow: string | undefined;
}
