import type { Review } from '../../../github/approvals.ts';
import type { Issue } from '../../../github/issues.ts';
import type { WorkflowRun } from '../../../github/run.ts';
import type { AllRecords } from '../../../repository/all-records.ts';
import type { Catalog } from '../../../repository/backups/catalog.ts';
import type { ManifestOutline } from '../../../repository/backups/manifests.ts';
import type { NamedRecord } from '../../../repository/records.ts';
import type { CapturedChanges } from '../../../repository/retention/reachable.ts';
import type { PlannedDatabase } from '../../../schedule/plan/plan.ts';
import type { Period } from '../../../values/period.ts';
import type { RetentionPolicy } from '../../../values/retention-policy.ts';
import type { Managed } from '../../managed/result.ts';

/** What was read for the evidence of one database. */
export interface EvidenceFacts {
  readonly now: Date;
  readonly period: Period;
  /** What people call the database */
  readonly database: string;
  readonly repository: RepositoryFacts;
  readonly policy: PolicyFacts | undefined;
  readonly targets: Targets;
  /** Both layers; undefined: the platform was not asked */
  readonly managed: Managed | undefined;
  readonly by: { readonly actor: string; readonly run: Pick<WorkflowRun, 'url' | 'attempt'> | undefined };
  readonly catalog: Catalog;
  /** Of backups that are stored; one that cannot be read is missing */
  readonly manifests: ReadonlyMap<string, ManifestFacts>;
  /** Of the newest backup with rows; undefined without one */
  readonly newest: NewestFacts | undefined;
  /** Records from the beginning of the period until now, oldest first */
  readonly records: AllRecords;
  /** Of the newest cleanups of all times, at most one */
  readonly lastPrune: NamedRecord<'prunes'> | undefined;
  /** Of captured changes */
  readonly changes: CapturedChanges;
  /** Ids of backups that are gone although no cleanup removed them */
  readonly vanished: readonly string[];
  /** Manifests and records that could not be read */
  readonly unreadable: readonly { readonly key: string; readonly message: string }[];
  /** By the address of a run on GitHub; a run that nobody asked for is missing */
  readonly approvals: ReadonlyMap<string, readonly Review[]>;
  /** That were open in the period; undefined: nobody asked, or nobody knows */
  readonly issues: readonly FailureIssue[] | undefined;
}

/** An issue that an alarm has opened. Its text names the run of its latest failure. */
export type FailureIssue = Pick<Issue, 'number' | 'url' | 'title' | 'body' | 'closedAt'> & {
  readonly openedAt: Date;
};

export interface RepositoryFacts {
  readonly id: string;
  readonly createdAt: Date;
  readonly location: string;
  readonly source: { readonly database: string; readonly systemIdentifier: string };
  readonly keyHeld: 'repository' | 'outside';
  /** Keys of all manifests and records, sorted */
  readonly keys: readonly string[];
}

/** milliseconds; undefined: nobody said */
export interface Targets {
  readonly rto: number | undefined;
  readonly rpo: number | undefined;
}

export interface PolicyFacts {
  readonly file: string;
  /** Of the bytes of the file */
  readonly sha256: string;
  readonly plan: PlannedDatabase;
  /** OWNER/REPO with the workflows */
  readonly repository: string;
  readonly timeZone: string;
  readonly retention: RetentionPolicy;
  /** milliseconds */
  readonly keepChanges: number;
  /** Names of the channels of alarms */
  readonly alarms: readonly string[];
  /** Of other databases of the policy */
  readonly others: readonly string[];
}

export interface ManifestFacts {
  /** Of the bytes as stored */
  readonly sha256: string;
  readonly encryption: ManifestOutline['encryption'];
}

export interface NewestFacts {
  readonly id: string;
  readonly tables: number;
  readonly notCarried: readonly { readonly what: string; readonly why: string; readonly remedy: string }[];
}
