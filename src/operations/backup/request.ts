import type { BackupPurpose } from '../../format/manifest.ts';
import type {
  BackupType,
  ClientInputs,
  PackingInputs,
  PlaceInputs,
  SourceInputs,
} from '../../interface/inputs/shared-types.ts';

/**
 * Describes a backup for any operation that takes one. Inputs that have the fields of several groups can be
 * passed as each of these groups.
 */
export interface BackupRequest {
  readonly backupType: BackupType;
  /** The database to read, which of its tables, how, and with which pg_dump */
  readonly source: SourceInputs & ClientInputs;
  /** Where the backup is stored */
  readonly place: PlaceInputs;
  /** How it is compressed, and for whom it is encrypted */
  readonly packing: PackingInputs;
  /** What the backup is taken for; its label means nothing to the program */
  readonly purpose: BackupPurpose;
  readonly label: string | null;
  /** Whether the backup stays whatever the retention policy says */
  readonly pin: boolean;
}
