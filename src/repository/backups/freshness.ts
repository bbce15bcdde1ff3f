import type { Context } from '../../runtime/context.ts';
import { clockToleranceMs } from '../../values/clock-tolerance.ts';
import { compare } from '../../values/ordering.ts';
import { DamageWarnings } from '../damage-warnings.ts';
import type { Repository } from '../open.ts';
import { readRecords, type StoredRecord } from '../records.ts';
import { type BackupSummary, type Catalog, gatherRecords, readCatalog } from './catalog.ts';

/** How recent the usable backups are, and which of them are proven to work. */
export interface BackupFreshness {
  readonly catalog: Catalog;
  /** The backups that a restore would use, newest first: with rows, not damaged, and no safety backups. */
  readonly usable: readonly BackupSummary[];
  /** When a backup was last verified, whether or not it still exists; undefined when none was. */
  readonly verified: Proof | undefined;
  /** The last drill that passed. For each backup only its newest drill counts. */
  readonly drilled: (Proof & { readonly recovery: number | null }) | undefined;
  readonly validations: readonly StoredRecord<'validations'>[];
  readonly drills: readonly StoredRecord<'drills'>[];
}

export interface Proof {
  readonly id: string;
  readonly at: Date;
}

/**
 * Reads the catalog and the records of proofs. Everything that is ignored is reported as a warning.
 *
 * @throws StorageError when a manifest or a record cannot be read at all
 */
export async function readFreshness(repository: Repository, context: Context): Promise<BackupFreshness> {
  const { log, signal } = context;
  const told = new Set<string>();
  const warn = (message: string) => {
    if (!told.has(message)) log.warn(message);
    told.add(message);
  };
  using damage = new DamageWarnings(log);
  const onDamaged = damage.warn;
  const catalog = await readCatalog(repository, { onDamaged, signal });
  // Drills of backups that retention has removed since still count.
  const validations = await readRecords(repository, 'validations', onDamaged, { signal });
  const drills = await readRecords(repository, 'drills', onDamaged, { signal });
  return measureFreshness(catalog, validations, drills, { now: context.now(), warn });
}

/** @param warn receives backups that do not count although they could be newer than the newest that does */
export function measureFreshness(
  catalog: Catalog,
  validations: readonly StoredRecord<'validations'>[],
  drills: readonly StoredRecord<'drills'>[],
  { now, warn }: { now: Date; warn: (message: string) => void },
): BackupFreshness {
  // A later date comes from a wrong clock: the backup would count as fresh for too long.
  const latest = now.getTime() + clockToleranceMs;
  const usable: BackupSummary[] = [];
  for (const backup of catalog.backups) {
    const why = whyNot(backup, latest);
    if (why === undefined) usable.push(backup);
    else if (why !== 'schema' && usable.length === 0) warn(`backup ${backup.id} ${why}; skipped`);
  }
  const unusable = new Set(
    [...catalog.backups.filter((backup) => !usable.includes(backup)), ...catalog.damaged].map(({ id }) => id),
  );
  const proofs = [...gatherRecords([], validations, drills)].filter(([id]) => !unusable.has(id));
  const verified = proofs.map(([id, { verifiedAt }]) => verifiedAt && { id, at: verifiedAt });
  const passed = proofs.map(([id, { drilled }]) => (drilled?.passed ? { id, ...drilled } : undefined));
  return {
    catalog,
    usable,
    verified: findNewest(verified, latest),
    drilled: findNewest(passed, latest),
    validations,
    drills,
  };
}

/** Says why a restore would not use a backup; undefined when it would. */
function whyNot(backup: BackupSummary, latest: number): string | undefined {
  if (backup.kind === 'schema') return 'schema';
  if (backup.damagedAt !== null) return 'was found damaged';
  if (backup.purpose === 'safety') return `is a safety backup (${backup.label})`;
  return backup.snapshotAt.getTime() > latest
    ? `is of ${backup.snapshotAt.toISOString()}, which is still to come: the clock of this machine or of the server is wrong`
    : undefined;
}

/** Among proofs of one time, as those of one validation are, that of the newest backup: its id begins with its time. */
function findNewest<P extends Proof>(proofs: readonly (P | undefined)[], latest: number): P | undefined {
  let newest: P | undefined;
  for (const proof of proofs) {
    if (proof === undefined || proof.at.getTime() > latest) continue;
    if (newest === undefined || isLater(proof, newest)) newest = proof;
  }
  return newest;
}

function isLater(one: Proof, other: Proof): boolean {
  return (one.at.getTime() - other.at.getTime() || compare(one.id, other.id)) > 0;
}

/** milliseconds; undefined: no limit was asked for */
export interface Limits {
  readonly maxAge: number;
  readonly verifiedWithin: number | undefined;
  readonly drilledWithin: number | undefined;
}

/** milliseconds since each happened; undefined when it never did */
export interface Ages {
  readonly newest: number | undefined;
  readonly verified: number | undefined;
  readonly drilled: number | undefined;
  /** Since the repository was made, where no drill was ever held in it; undefined otherwise, or not known */
  readonly drillAwaited?: number | undefined;
}

/**
 * An event that is dated slightly ahead counts as happening now.
 *
 * @param createdAt when the repository was made; undefined when that is not known
 */
export function measureAges(
  { usable, verified, drilled, drills }: BackupFreshness,
  now: Date,
  createdAt: Date | undefined,
): Ages {
  const since = (time: Date | undefined) => time && Math.max(0, now.getTime() - time.getTime());
  return {
    newest: since(usable[0]?.snapshotAt),
    verified: since(verified?.at),
    drilled: since(drilled?.at),
    drillAwaited: drills.length === 0 ? since(createdAt) : undefined,
  };
}

export interface JudgedLimit {
  readonly input: 'max-age' | 'verified-within' | 'drilled-within';
  /** milliseconds */
  readonly limit: number;
  /** milliseconds; undefined when it never happened */
  readonly age: number | undefined;
  /** True also without an age, while a first drill is not due yet */
  readonly met: boolean;
}

/**
 * Judges only the limits that were asked for. An age exactly at its limit meets it. A first drill may be held
 * until the repository is as old as the limit: before that, a schedule of drills could not have kept it.
 */
export function judgeLimits(ages: Ages, limits: Limits): JudgedLimit[] {
  const judge = (
    input: JudgedLimit['input'],
    limit: number | undefined,
    age: number | undefined,
    awaited?: number | undefined,
  ): JudgedLimit[] => {
    const counted = age ?? awaited;
    return limit === undefined ? [] : [{ input, limit, age, met: counted !== undefined && counted <= limit }];
  };
  return [
    ...judge('max-age', limits.maxAge, ages.newest),
    ...judge('verified-within', limits.verifiedWithin, ages.verified),
    ...judge('drilled-within', limits.drilledWithin, ages.drilled, ages.drillAwaited),
  ];
}
