import type { Manifest } from '../../format/manifest.ts';
import type { ReportKind } from '../../interface/inputs/report-kinds.ts';
import type { BackupSummary } from '../../repository/backups/catalog.ts';
import type { BackupFreshness } from '../../repository/backups/freshness.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { RecordKind, StoredRecord } from '../../repository/records.ts';
import type { RetentionDecision } from '../../repository/retention/policy.ts';
import type { CapturedChanges } from '../../repository/retention/reachable.ts';
import type { PlannedDatabase } from '../../schedule/plan/plan.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import type { Status } from '../status/result.ts';
import type { EvidenceFacts } from './compliance/facts.ts';

/** What a report is made of. Renderers read nothing else: no storage, no clock, and no secret can get in. */
export interface ReportFacts {
  readonly kind: ReportKind;
  /** When all of it was read */
  readonly at: Date;
  /** Of this program */
  readonly version: string;
  /** Whether everybody may read the report: names of tables, places, people and messages are then left out. */
  readonly isPublic: boolean;
  /** In the order of the policy; at least one */
  readonly databases: readonly ReportedDatabase[];
}

/** A database of a report; of several, one that cannot be read does not hide the others. */
export type ReportedDatabase =
  | DatabaseFacts
  | {
      readonly kind: 'unreadable';
      readonly name: string;
      readonly location: string;
      readonly why: string;
      readonly next: string;
    };

/** Everything that is known of one database and its backups. */
export interface DatabaseFacts {
  readonly kind: 'read';
  /** What the policy or the user calls it; else the name of the database on its server */
  readonly name: string;
  /** Of the storage, as messages name it */
  readonly location: string;
  /** How this storage is given as inputs: what a command line must say to get at it */
  readonly place: Place;
  /** The same judgement that `status` reports */
  readonly status: Status;
  readonly freshness: BackupFreshness;
  readonly recoverable: Recoverable;
  readonly records: Records;
  readonly retention: RetentionFacts;
  /** Milliseconds that a recovery may take; undefined: nobody said */
  readonly rtoTarget: number | undefined;
  readonly repository: RepositoryFacts;
  /** What the newest usable backup contains; undefined without one */
  readonly newest: BackupContents | undefined;
  readonly answers: Answers;
  /** Undefined without a policy */
  readonly planned: Planned | undefined;
  /** For a report of kind `compliance` alone: reading it takes every record of its period. */
  readonly evidence?: EvidenceFacts | undefined;
}

/** The inputs with which an operation finds the storage; secrets are not among them. */
export interface Place {
  readonly storage: string;
  readonly 's3-endpoint': string | undefined;
  readonly 's3-region': string | undefined;
  readonly 's3-addressing': string | undefined;
}

/** The records of the repository, oldest first; of each kind at most `mostRecords`, the newest. */
export type Records = { readonly [Kind in RecordKind]: readonly StoredRecord<Kind>[] };

export const mostRecords = 5000;

export interface RetentionFacts {
  readonly policy: RetentionPolicy;
  readonly timeZone: string;
  /** milliseconds */
  readonly keepChanges: number;
  /** The captured changes, by chain and position, which keep backups that no rule does */
  readonly changes: CapturedChanges;
  /** What a cleanup would decide now, newest backup first */
  readonly decisions: readonly RetentionDecision<BackupSummary>[];
}

export interface RepositoryFacts {
  readonly id: string;
  /** The database on its server that all backups are of */
  readonly source: { readonly systemIdentifier: string; readonly database: string };
  /** Of repository.json */
  readonly format: number;
  /** Who keeps the key that names objects and seals files */
  readonly keyHeld: 'repository' | 'outside';
  readonly encryption: Encryption;
}

/** How the newest usable backup is encrypted. Recipients are public keys. */
export type Encryption =
  | { readonly scheme: 'none' }
  | { readonly scheme: 'age'; readonly recipients: readonly string[] }
  /** There is no backup. */
  | { readonly scheme: 'unknown' };

/** What is in a backup, as its manifest says */
export interface BackupContents {
  readonly id: string;
  /** In the order of their names */
  readonly tables: readonly TableContents[];
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
  readonly notCarried: Manifest['notCarried'];
  /** What wrote it */
  readonly tool: { readonly name: string; readonly version: string };
}

export interface TableContents {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  /** bytes of COPY text */
  readonly bytes: number;
}

/** What the source answered to the user's questions (`checks`) when backups were taken. */
export type Answers =
  | {
      readonly kind: 'read';
      /** Of one backup a day at most, oldest first */
      readonly backups: readonly AnsweredBackup[];
    }
  /** The backups are encrypted, and no identity was given to open them. */
  | { readonly kind: 'sealed' }
  /** No question was asked when the newest backup was taken, or there is none. */
  | { readonly kind: 'none' };

export interface AnsweredBackup {
  readonly id: string;
  readonly at: Date;
  readonly answers: readonly { readonly sql: string; readonly sample: string }[];
}

/** What the policy plans for the database. */
export interface Planned {
  readonly database: PlannedDatabase;
  readonly timeZone: string;
  /** OWNER/REPO with the workflows */
  readonly repository: string;
  /** When the next run of each kind of job is due, soonest first */
  readonly next: readonly { readonly kind: PlannedDatabase['jobs'][number]['kind']; readonly at: Date }[];
}
