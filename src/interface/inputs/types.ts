import type { AskedPeriod } from '../../values/period.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import type { CopiesInputs } from './copies-values.ts';
import type { ManagedInputs, ManagedRestoreInputs } from './managed-types.ts';
import type { ManagementAccess, ManagementInputs } from './management-types.ts';
import type { NeededJob } from './needed-jobs.ts';
import type { ChannelInput, Operation, RecordedOperation } from './operations.ts';
import type { ReportKind } from './report-kinds.ts';
import type { InitInputs, KeygenInputs } from './setup-types.ts';
import type {
  BackupType,
  CommonInputs,
  LimitInputs,
  PackingInputs,
  RecordingInputs,
  SourceInputs,
} from './shared-types.ts';

/* The parsed and checked inputs of each operation. */

export interface BackupInputs
  extends CommonInputs,
    SourceInputs,
    PackingInputs,
    RecordingInputs,
    CopiesInputs {
  readonly operation: 'backup';
  readonly backupType: BackupType;
  readonly label: string | null;
  readonly pin: boolean;
}

/** Includes the inputs of the backup that a capture takes when changes alone are not enough. */
export interface CaptureInputs
  extends CommonInputs,
    SourceInputs,
    PackingInputs,
    RecordingInputs,
    CopiesInputs {
  readonly operation: 'capture';
  readonly unlimitedWal: boolean;
  readonly dropSlot: boolean;
}

/** Which backups are read back, and how much of them. */
export interface ReadBackRequest extends CommonInputs {
  /** An id, `latest` or `all`. */
  readonly backupId: string;
  /** Above 0, at most 1. */
  readonly share: number;
}

export interface ValidateInputs extends ReadBackRequest, RecordingInputs, CopiesInputs {
  readonly operation: 'validate';
}

export interface RestoreInputs extends CommonInputs, RecordingInputs, CopiesInputs {
  readonly operation: 'restore';
  readonly managed: false;
  readonly targetUrl: string;
  /** The project of the target, which may be given Vault's root key; undefined: it is not asked */
  readonly vaultKey: ManagementInputs | undefined;
  /**
   * An id, `latest`, `latest-verified`, `before:` with an ISO 8601 time in UTC, or `random:` with
   * milliseconds.
   */
  readonly backupId: string;
  /** `latest`, or an ISO 8601 time in UTC with microseconds; undefined: the time of the backup */
  readonly recoveryTargetTime: string | undefined;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly jobs: number;
  readonly verify: 'content' | 'counts' | 'none';
  readonly checks: readonly string[];
  readonly targetKind: 'auto' | 'plain' | 'supabase-image' | 'supabase-project';
  readonly defaultPrivileges: 'narrower' | 'source';
  readonly environment: string | undefined;
  /** Whether the words that confirm the restore were typed */
  readonly confirmed: boolean;
  readonly clean: boolean;
  readonly safetyBackup: boolean;
  readonly safetyStorage: string | undefined;
  readonly stagingUrl: string | undefined;
  /** The image that runs at `stagingUrl`, if it is named: one of those that may read a backup */
  readonly image: string | undefined;
  /** Only with `stagingUrl` */
  readonly fallback: number;
  readonly sideSchema: string | undefined;
  /** May not exist yet */
  readonly reportFolder: string | undefined;
  readonly dryRun: boolean;
}

export interface DrillInputs extends CommonInputs, RecordingInputs, CopiesInputs {
  readonly operation: 'drill';
  /** Any database of the server */
  readonly targetUrl: string;
  /**
   * An id, `latest`, `latest-verified`, `before:` with an ISO 8601 time in UTC, or `random:` with
   * milliseconds.
   */
  readonly backupId: string;
  /** As for a restore */
  readonly recoveryTargetTime: string | undefined;
  readonly fallback: number;
  readonly checks: readonly string[];
  readonly command: string | undefined;
  /** As for a restore: the image that runs at `targetUrl` */
  readonly image: string | undefined;
  /** milliseconds */
  readonly rtoTarget: number | undefined;
  /** May not exist yet */
  readonly reportFolder: string | undefined;
  readonly jobs: number;
}

export interface CleanupInputs extends CommonInputs, RecordingInputs {
  readonly operation: 'cleanup';
  readonly retention: RetentionPolicy;
  /** A name of the IANA database */
  readonly timeZone: string;
  /** milliseconds */
  readonly gracePeriod: number;
  /** milliseconds */
  readonly keepChanges: number;
  readonly dryRun: boolean;
}

export interface ListInputs extends CommonInputs {
  readonly operation: 'list';
  readonly retention: RetentionPolicy;
  readonly timeZone: string;
  /** milliseconds */
  readonly keepChanges: number;
}

export interface ShowInputs extends CommonInputs {
  readonly operation: 'show';
  /** An id or `latest`. */
  readonly backupId: string;
}

export interface PinInputs extends CommonInputs, RecordingInputs {
  readonly operation: 'pin' | 'unpin';
  /** An id or `latest`. */
  readonly backupId: string;
}

/** Includes the inputs of the backup that a gate takes when the newest one is not good enough. */
export interface GateInputs
  extends CommonInputs,
    SourceInputs,
    PackingInputs,
    RecordingInputs,
    LimitInputs,
    CopiesInputs {
  readonly operation: 'gate';
  /** Of the backup; null: the gate chooses one */
  readonly label: string | null;
  readonly onStale: 'backup' | 'stop';
  /** A folder, which may not exist */
  readonly migrations: string;
  readonly baseRef: string | undefined;
}

export interface StatusInputs extends CommonInputs, LimitInputs, CopiesInputs {
  readonly operation: 'status';
  readonly format: 'text' | 'openmetrics';
  /** Path of a file to replace with the metrics */
  readonly metricsFile: string | undefined;
  /** Of the storage, in any currency; undefined: what backups cost is not asked */
  readonly pricePerGbMonth: number | undefined;
  /** What metrics and the policy call the database; undefined: the location of the storage */
  readonly database: string | undefined;
  /** Path of the policy file; undefined: schedules are not judged */
  readonly policy: string | undefined;
  /** The folder of the workflows; it may not exist */
  readonly workflows: string;
  /** Undefined: the slot is known from records alone */
  readonly databaseUrl: string | undefined;
  /** A readable file. */
  readonly sslrootcert: string | undefined;
  /** By which rules the digest says what a cleanup will remove; undefined: no digest is sent */
  readonly digest: Pick<ListInputs, 'retention' | 'timeZone' | 'keepChanges'> | undefined;
  /** Undefined: the platform's own backups are not asked for, unless the policy names the project */
  readonly management: ManagementInputs | undefined;
  readonly managementAccess: ManagementAccess;
}

/** About one database, that of `storage`, or about those of `policy`: one of the two is given. */
export interface ReportInputs extends Omit<CommonInputs, 'storage'>, LimitInputs, CopiesInputs {
  readonly operation: 'report';
  readonly kind: ReportKind;
  /** Path of a file or folder to replace; undefined: one named for the kind */
  readonly output: string | undefined;
  /** What evidence is about */
  readonly period: AskedPeriod;
  /** Whether everybody may read it */
  readonly isPublic: boolean;
  readonly storage: string | undefined;
  /** Path of a policy file */
  readonly policy: string | undefined;
  /** The folder of the workflows; it may not exist */
  readonly workflows: string;
  /** With a policy the only database to report on; without one, what it is called */
  readonly database: string | undefined;
  readonly pricePerGbMonth: number | undefined;
  /** milliseconds */
  readonly rtoTarget: number | undefined;
  readonly retention: RetentionPolicy;
  readonly timeZone: string;
  /** milliseconds */
  readonly keepChanges: number;
  /** Undefined: the platform's own backups are not asked for, unless the policy names the project */
  readonly management: ManagementInputs | undefined;
  readonly managementAccess: ManagementAccess;
}

/** The database that is measured, and by which rules its backups would be kept. */
export interface MeasuredInputs
  extends Pick<
    SourceInputs & PackingInputs,
    'databaseUrl' | 'sslrootcert' | 'include' | 'exclude' | 'jobs' | 'compressionLevel'
  > {
  readonly retention: RetentionPolicy;
  /** Of the storage, in any currency */
  readonly pricePerGbMonth: number;
  /** Path of a policy file, whose retention and schedules count then */
  readonly policy: string | undefined;
  /** What the policy calls the database; undefined: its only one */
  readonly database: string | undefined;
}

export interface EstimateInputs extends MeasuredInputs {
  readonly operation: 'estimate';
}

/** Whatever is given is checked; at least one of project, database, storage, keys, policy and channels is. */
export interface DoctorInputs
  extends Omit<CommonInputs, 'storage'>,
    CopiesInputs,
    MeasuredInputs,
    Pick<PackingInputs, 'encryptionRecipients' | 'allowUnencrypted'> {
  readonly operation: 'doctor';
  /** Whether a database is to be checked, by its URL or by the PG… variables */
  readonly hasDatabase: boolean;
  readonly storage: string | undefined;
  readonly unlimitedWal: boolean;
  /** The folder of the workflows; it may not exist */
  readonly workflows: string;
  /** Which channels of alarms are set */
  readonly channels: readonly ChannelInput[];
  /** Whether mail is wanted and no server for it is given */
  readonly lacksMailServer: boolean;
  /** Whether no probe is written */
  readonly readOnly: boolean;
  readonly testAlarm: boolean;
  /** Undefined: the inputs do not name both project and token; a policy may */
  readonly management: ManagementInputs | undefined;
  readonly managementAccess: ManagementAccess;
}

export interface ScheduleInputs extends RecordingInputs {
  readonly operation: 'schedule';
  /** Path of the policy file */
  readonly policy: string;
  /** The folder of the workflows; it may not exist yet */
  readonly workflows: string;
  /** Writes nothing, and ends with 3 when the workflows differ from the policy */
  readonly check: boolean;
  readonly dryRun: boolean;
  readonly githubToken: string | undefined;
}

export interface RecordsInputs extends CommonInputs {
  readonly operation: 'records';
  readonly recordsTask: 'rebuild' | 'verify';
  readonly recordsUrl: string;
  /** A readable file. */
  readonly sslrootcert: string | undefined;
  readonly dryRun: boolean;
}

/** Of those that carry between a storage and its copies: `mirror` writes the copies from the storage, `repair` heals the storage from the copies. */
interface CarryInputs extends CommonInputs, RecordingInputs, CopiesInputs {
  /** Above 0, at most 1: of what was copied to a place without checksums; for `repair`, of what is there */
  readonly share: number;
  readonly dryRun: boolean;
}

export type MirrorInputs = CarryInputs & { readonly operation: 'mirror' };
export type RepairInputs = CarryInputs & { readonly operation: 'repair' };

export interface AlarmOperationInputs extends CommonInputs {
  readonly operation: 'alarm';
  readonly alarmOf: Operation;
  readonly needs: readonly NeededJob[];
}

export type Inputs =
  | BackupInputs
  | CaptureInputs
  | ValidateInputs
  | RestoreInputs
  | ManagedRestoreInputs
  | DrillInputs
  | CleanupInputs
  | ListInputs
  | ShowInputs
  | PinInputs
  | GateInputs
  | StatusInputs
  | ReportInputs
  | ScheduleInputs
  | AlarmOperationInputs
  | RecordsInputs
  | DoctorInputs
  | EstimateInputs
  | ManagedInputs
  | MirrorInputs
  | RepairInputs
  | InitInputs
  | KeygenInputs;

/** Of the operations whose runs are recorded, with the repository that they are recorded in */
export type RecordedInputs = Extract<Inputs, { readonly operation: RecordedOperation }> & {
  readonly storage: string;
};
