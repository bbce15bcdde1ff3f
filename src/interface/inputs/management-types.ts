import type { CommonInputs, RecordingInputs } from './shared-types.ts';

/** What the inputs tell of how the platform is asked, where a policy may tell the rest. */
export interface ManagementAccess {
  /** Of the Management API; a secret */
  readonly accessToken: string | undefined;
  /** Whether the token is an input; one that lies in the environment for other tools asks for nothing. */
  readonly isTokenGiven: boolean;
  /** Twenty letters */
  readonly projectRef: string | undefined;
  /** The root of the Management API, without a path */
  readonly apiUrl: string;
}

/** How the platform is asked for its own backups, and about which project. */
export interface ManagementInputs {
  /** Of the Management API; a secret */
  readonly accessToken: string;
  /** Twenty letters */
  readonly projectRef: string;
  /** The root of the Management API, without a path */
  readonly apiUrl: string;
}

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
