import { tellFinding } from '../../../interface/findings/telling.ts';
import type { RecoveryTime } from '../../../repository/backups/recovery-time.ts';
import type { Window } from '../../../repository/changes/recoverable.ts';
import { isInterval } from '../../../repository/changes/windows.ts';
import type { StoredRecord } from '../../../repository/records.ts';
import type { PlatformLayer } from '../../managed/result.ts';
import type { DatabaseFacts, Encryption, Place, ReportFacts } from '../facts.ts';

/**
 * What a runbook is made of. No field can hold a secret, and none holds a text that somebody else wrote about
 * a run: of secrets there are only names, of encryption the public recipients.
 */
export interface RunbookFacts {
  /** What people call the database */
  readonly database: string;
  readonly at: Date;
  /** Of this program */
  readonly version: string;
  readonly location: string;
  /** How a command line names the storage */
  readonly place: Place;
  /** Newest first; those that a restore would use */
  readonly backups: readonly ListedBackup[];
  /** Undefined without a backup */
  readonly newest: NewestBackup | undefined;
  readonly verified: Proof | undefined;
  /** The last drill that passed */
  readonly drilled: Proof | undefined;
  readonly recovery: RecoveryTime;
  /** milliseconds: the longest time of the last seven days without a point to go back to; undefined without a backup */
  readonly gap: number | undefined;
  /** The points in time that can be reached, newest first; empty where no changes are captured */
  readonly windows: readonly Window[];
  readonly isCaptured: boolean;
  readonly proofs: Readonly<Record<MethodName, Measure | undefined>>;
  readonly encryption: Encryption;
  readonly keyHeld: 'repository' | 'outside';
  readonly policy: PolicyFacts | undefined;
  /** The platform's own backups; undefined: the platform was not asked */
  readonly platform: PlatformFacts | undefined;
}

/** What the platform can restore by itself. A ref is twenty letters, and no secret. */
export interface PlatformFacts {
  readonly ref: string;
  readonly layer: PlatformLayer;
  /** What is wrong with it, in words of this program */
  readonly findings: readonly string[];
}

export interface ListedBackup {
  readonly id: string;
  readonly at: Date;
  readonly kind: string;
  readonly rows: number;
  readonly verifiedAt: Date | null;
}

export interface NewestBackup extends ListedBackup {
  /** The database's name on its server */
  readonly source: string;
  /** Of the server, such as 17 */
  readonly serverMajor: number;
  /** Those with most rows first */
  readonly tables: readonly { readonly schema: string; readonly name: string; readonly rows: number }[];
  readonly notCarried: readonly { readonly what: string; readonly why: string; readonly remedy: string }[];
}

interface Proof {
  readonly id: string;
  readonly at: Date;
}

/** How something is brought back: all of it, all of it at a point in time, chosen tables, rows beside the live ones */
export const methodNames = ['whole', 'point-in-time', 'part', 'side'] as const;
export type MethodName = (typeof methodNames)[number];

/** When a method last worked, and how long it took */
export interface Measure {
  readonly at: Date;
  readonly milliseconds: number;
  readonly by: 'drill' | 'restore';
}

/** Names that the policy gives; never what they stand for */
export interface PolicyFacts {
  /** OWNER/REPO with the workflows */
  readonly repository: string;
  readonly secretNames: { readonly ofDatabase: string; readonly ofIdentity: string | undefined };
}

/** How many backups are listed, and how many tables */
const shownBackups = 12;
const shownTables = 20;

export function toRunbookFacts(
  { at, version }: Pick<ReportFacts, 'at' | 'version'>,
  database: DatabaseFacts,
): RunbookFacts {
  const { status, freshness, recoverable, records, repository } = database;
  return {
    database: database.name,
    ...{ at, version, location: database.location, place: database.place },
    backups: freshness.usable.slice(0, shownBackups).map(listBackup),
    newest: describeNewest(database),
    verified: freshness.verified && { id: freshness.verified.id, at: freshness.verified.at },
    drilled: freshness.drilled && { id: freshness.drilled.id, at: freshness.drilled.at },
    recovery: status.recovery,
    gap: status.gap?.length,
    windows: recoverable.captured ? recoverable.windows.filter(isInterval).toReversed() : [],
    isCaptured: recoverable.captured,
    proofs: findProofs(records),
    encryption: repository.encryption,
    keyHeld: repository.keyHeld,
    policy: describePolicy(database),
    platform: describePlatform(status),
  };
}

type Summary = DatabaseFacts['freshness']['usable'][number];

function listBackup({ id, snapshotAt, kind, totals, verifiedAt }: Summary): ListedBackup {
  return { id, at: snapshotAt, kind, rows: totals.rows, verifiedAt };
}

function describeNewest({ newest, freshness, repository }: DatabaseFacts): NewestBackup | undefined {
  const [summary] = freshness.usable;
  if (newest === undefined || summary === undefined) return undefined;
  const tables = newest.tables
    .filter(({ schema, name }) => isPlain(schema) && isPlain(name))
    .toSorted((one, other) => other.rows - one.rows)
    .slice(0, shownTables);
  return {
    ...listBackup(summary),
    source: repository.source.database,
    serverMajor: Math.floor(summary.serverVersion / 10_000),
    tables: tables.map(({ schema, name, rows }) => ({ schema, name, rows })),
    notCarried: newest.notCarried,
  };
}

/** Whether a name can be read off a page and typed: no control character, nothing invisible */
function isPlain(name: string): boolean {
  return !/[\p{C}\p{Zl}\p{Zp}]/u.test(name);
}

/** Finds when each method last worked. A restore into a side schema has no kind of target in its record. */
function findProofs({ drills, restores }: Pick<DatabaseFacts['records'], 'drills' | 'restores'>) {
  const drilled = drills.flatMap(({ at, content: { outcome, recovery, recoveredTo } }) =>
    outcome === 'passed' && recovery !== null
      ? [
          {
            at,
            milliseconds: recovery,
            by: 'drill' as const,
            isBrought: recoveredTo != null,
            method: 'whole',
          },
        ]
      : [],
  );
  const restored = restores.flatMap(({ at, content }) => {
    const method = nameMethod(content);
    const milliseconds = content.phases.total;
    return method === undefined || milliseconds === undefined
      ? []
      : [{ at, milliseconds, by: 'restore' as const, isBrought: content.recoveredTo != null, method }];
  });
  const all = [...drilled, ...restored].sort((one, other) => other.at.getTime() - one.at.getTime());
  const newest = (fits: (proof: (typeof all)[number]) => boolean): Measure | undefined => {
    const found = all.find(fits);
    return found && { at: found.at, milliseconds: found.milliseconds, by: found.by };
  };
  return {
    whole: newest(({ method }) => method === 'whole'),
    'point-in-time': newest(({ method, isBrought }) => method === 'whole' && isBrought),
    part: newest(({ method }) => method === 'part'),
    side: newest(({ method }) => method === 'side'),
  };
}

/** Undefined where the restore did not succeed */
function nameMethod({
  whole,
  kind,
  outcome,
}: StoredRecord<'restores'>['content']): 'whole' | 'part' | 'side' | undefined {
  if (!whole && kind === undefined) return outcome === 'unverified' ? 'side' : undefined;
  if (outcome !== 'equal') return undefined;
  return whole ? 'whole' : 'part';
}

function describePlatform({ managed }: DatabaseFacts['status']): PlatformFacts | undefined {
  if (managed === undefined) return undefined;
  const { facts, platform: layer, findings } = managed;
  return { ref: facts.ref, layer, findings: findings.map((finding) => tellFinding(finding).sentence) };
}

function describePolicy({ planned }: DatabaseFacts): PolicyFacts | undefined {
  if (planned === undefined) return undefined;
  const { written } = planned.database;
  return {
    repository: planned.repository,
    secretNames: { ofDatabase: written['database-url'], ofIdentity: written['encryption-identity'] },
  };
}
