import type { ColumnName } from '../../values/column-name.ts';
import type { S3Addressing, S3Encryption } from '../s3-settings.ts';
import type { ManagementInputs } from './platform-access.ts';

/* What the inputs of several operations have in common. */

/** Where a repository is, and how to access it. */
export interface PlaceInputs {
  readonly storage: string;
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  readonly s3Addressing: S3Addressing;
  /** Undefined: the setting of the bucket */
  readonly s3Sse: S3Encryption | undefined;
  readonly s3StorageClass: string | undefined;
  /** Of an `artifact://` storage; undefined: the setting of the repository */
  readonly artifactRetentionDays: number | undefined;
  /** For an `artifact://` storage of another run */
  readonly githubToken: string | undefined;
  /** 64 hexadecimal digits; undefined: the repository keeps a key of its own. */
  readonly repositoryKey: string | undefined;
}

/** Where pg_dump and pg_restore come from. */
export interface ClientInputs {
  /** An existing folder. */
  readonly clientPath: string | undefined;
  readonly installClient: 'auto' | 'always' | 'never';
}

export interface CommonInputs extends PlaceInputs, ClientInputs {
  /** `AGE-SECRET-KEY-1…` lines, each checked; empty when none was given. */
  readonly encryptionIdentity: readonly string[];
}

/** How fresh and proven backups must be, in milliseconds; undefined: that is not asked. */
export interface LimitInputs {
  readonly maxAge: number;
  readonly verifiedWithin: number | undefined;
  readonly drilledWithin: number | undefined;
}

/** Where the records in SQL are. */
export interface RecordingInputs {
  /** Undefined: records are in the repository alone. */
  readonly recordsUrl: string | undefined;
  /** A readable file: for every database of the operation. */
  readonly sslrootcert: string | undefined;
}

/** The database to read, which of its tables, and how. */
export interface SourceInputs {
  /** Undefined: the PG… variables of the environment describe the connection. */
  readonly databaseUrl: string | undefined;
  /** A readable file. */
  readonly sslrootcert: string | undefined;
  /** `schema.table`, `schema.*` or `*`; empty means all. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly checks: readonly string[];
  readonly freshness: readonly ColumnName[];
  readonly jobs: number;
  readonly lockTimeoutSeconds: number;
  /** Above 0, at most 1. */
  readonly recheck: number;
  readonly rollbackToken: boolean;
  /** The project of the database, which is asked for Vault's root key; undefined: it is not asked */
  readonly vaultKey: ManagementInputs | undefined;
}

/** How stored data is compressed, and for whom it is encrypted. */
export interface PackingInputs {
  /** `age1…`, each checked; empty means unencrypted. */
  readonly encryptionRecipients: readonly string[];
  /** Whether a public repository may store backups unencrypted */
  readonly allowUnencrypted: boolean;
  readonly compressionLevel: number;
}

export type BackupType = 'full' | 'incremental' | 'schema';
