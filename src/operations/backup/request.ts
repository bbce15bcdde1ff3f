import type { BackupPurpose } from '../../format/manifest.ts';
import type {
  BackupType,
  ClientInputs,
  PackingInputs,
  PlaceInputs,
  SourceInputs,
} from '../../interface/inputs/types.ts';

/** What a backup needs to be told, whichever operation takes it. Inputs of an operation that has them all do for each of the groups. */
export interface BackupRequest {
  readonly backupType: BackupType;
  /** Which database is read, what of it, how, and with which pg_dump */
  readonly source: SourceInputs & ClientInputs;
  /** Where it is put */
  readonly place: PlaceInputs;
  /** How it is packed, and who can open it */
  readonly packing: PackingInputs;
  /** What it is taken for; a label means nothing to the program */
  readonly purpose: BackupPurpose;
  readonly label: string | null;
  /** Whether it stays whatever a retention policy says */
  readonly pin: boolean;
}
