import type { ManagementInputs } from './management-types.ts';
import type { CommonInputs, RecordingInputs } from './shared-types.ts';

/** About the platform's own backups, and beside them those of a repository. */
export interface ManagedInputs extends Omit<CommonInputs, 'storage'> {
  readonly operation: 'managed';
  readonly management: ManagementInputs;
  /** Undefined: the platform's own backups alone */
  readonly storage: string | undefined;
  /** milliseconds */
  readonly maxAge: number;
}

/** The platform restores the project in place, from its own backups. */
export interface ManagedRestoreInputs extends CommonInputs, RecordingInputs {
  readonly operation: 'restore';
  readonly managed: true;
  readonly management: ManagementInputs;
  /** An ISO 8601 time in UTC, on a whole second */
  readonly recoveryTargetTime: string;
  /** The database of the project; undefined: it is not reached */
  readonly targetUrl: string | undefined;
  /** Whether the words that confirm the restore were typed */
  readonly confirmed: boolean;
  /** Whether the project is backed up before, where its database is given */
  readonly safetyBackup: boolean;
  readonly jobs: number;
  /** milliseconds */
  readonly waitAtMost: number;
  readonly dryRun: boolean;
}
