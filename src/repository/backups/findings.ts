import type { RowLoss } from '../../interface/findings/finding.ts';
import { formatCounted } from '../../report/quantity.ts';
import { day } from '../../values/duration.ts';
import type { Window } from '../changes/recoverable.ts';
import type { RecordContent, StoredRecord } from '../records.ts';
import type { BackupSummary } from './catalog.ts';
import type { BackupFreshness } from './freshness.ts';

/** A failure that a record reports. */
export type RecordedFailure = { readonly at: Date } & (
  | { readonly kind: 'damage' /** Backups and segments, for people */; readonly damaged: readonly string[] }
  | ({ readonly kind: 'drill' } & Pick<RecordContent<'drills'>, 'backup' | 'why'>)
  | ({ readonly kind: 'slow-drill' } & Pick<RecordContent<'drills'>, 'backup'> & Overrun)
  | ({ readonly kind: 'restore' } & Pick<RecordContent<'restores'>, 'backup' | 'target' | 'why'>)
  | ({ readonly kind: 'run' } & Pick<RecordContent<'runs'>, 'operation'> &
      NonNullable<RecordContent<'runs'>['failure']>)
);

/** A recovery that took too long; milliseconds */
export interface Overrun {
  readonly took: number;
  readonly target: number;
}

/** Tells whether the recovery of a drill took longer than it was allowed to then; undefined where it did not. */
export function findOverrun({
  recovery,
  rtoTarget,
}: Pick<RecordContent<'drills'>, 'recovery' | 'rtoTarget'>): Overrun | undefined {
  if (recovery === null || rtoTarget == null || recovery <= rtoTarget) return undefined;
  return { took: recovery, target: rtoTarget };
}

/**
 * Lists the failures that records report, newest first. What a validation, a drill or a restore has recorded
 * of itself is not told once more by the record of its run.
 */
export function listFailures(
  { validations, drills }: Pick<BackupFreshness, 'validations' | 'drills'>,
  restores: readonly StoredRecord<'restores'>[],
  runs: readonly StoredRecord<'runs'>[],
): RecordedFailure[] {
  const failures: RecordedFailure[] = [
    ...validations.flatMap(({ at, content }) => {
      const damaged = nameDamaged(content);
      return damaged.length === 0 ? [] : [{ kind: 'damage' as const, at, damaged }];
    }),
    ...drills
      .filter(({ content }) => content.outcome !== 'passed')
      .map(({ at, content: { backup, why } }) => ({ kind: 'drill' as const, at, backup, why })),
    ...drills.flatMap(({ at, content }) => {
      const overrun = content.outcome === 'passed' ? findOverrun(content) : undefined;
      return overrun === undefined
        ? []
        : [{ kind: 'slow-drill' as const, at, backup: content.backup, ...overrun }];
    }),
    ...restores
      .filter(({ content }) => content.outcome === 'failed' || content.outcome === 'different')
      .map(({ at, content: { backup, target, why } }) => {
        return { kind: 'restore' as const, at, backup, target, why };
      }),
  ];
  const told = failures.map(({ at }) => at.getTime());
  for (const { at, content } of runs) {
    const { operation, failure, startedAt } = content;
    if (failure === null || !isOfBackups(content)) continue;
    const isTold = told.some((time) => time >= Date.parse(startedAt) && time <= at.getTime());
    if (!isTold || !recordsItself.has(operation)) failures.push({ kind: 'run', at, operation, ...failure });
  }
  return failures.sort((one, other) => other.at.getTime() - one.at.getTime());
}

/**
 * Names what a validation found damaged: backups by their ids, and segments of captured changes by their keys.
 * A record of older versions names only the objects of a segment.
 */
export function nameDamaged(content: RecordContent<'validations'>): string[] {
  const { backups, damagedObjects, damagedSegments } = content;
  const broken = backups.filter(({ outcome }) => outcome === 'damaged').map(({ id }) => id);
  const damaged = [...broken, ...(damagedSegments ?? []).map(({ key }) => key)];
  // An object belongs to a backup or to captured changes.
  return damaged.length > 0 || damagedObjects.length === 0
    ? damaged
    : [`${formatCounted(damagedObjects.length, 'object')} of captured changes`];
}

/** Operations that record what they found besides the record of their run. */
const recordsItself: ReadonlySet<string> = new Set(['validate', 'drill', 'restore']);

/** Whether a failed run says something of the backups: a gate that stops a release has done its work. */
function isOfBackups({ operation, outcome }: RecordContent<'runs'>): boolean {
  return outcome === 'failed' || operation === 'backup' || operation === 'capture';
}

/** milliseconds */
export const gapWindow = 7 * day;

/**
 * Returns the milliseconds since the newest point in time that can be recovered, which is what would be lost
 * now; undefined without a backup.
 */
export function measureLoss(windows: readonly Window[], now: Date): number | undefined {
  const newest = windows.at(-1);
  return newest && Math.max(0, now.getTime() - Date.parse(newest.to));
}

export interface Gap {
  /** milliseconds */
  readonly length: number;
  readonly from: Date;
  /** null: now */
  readonly to: Date | null;
}

/**
 * Measures the longest time of the last seven days without a recoverable point, including the time since the
 * newest point: the most that could have been lost. Undefined without a backup.
 */
export function measureGap(windows: readonly Window[], now: Date): Gap | undefined {
  const begin = now.getTime() - gapWindow;
  let longest: Gap | undefined;
  let to: Date | null = null;
  for (const window of windows.toReversed()) {
    const from = new Date(window.to);
    const length = Math.max(0, (to ?? now).getTime() - from.getTime());
    if (longest === undefined || length > longest.length) longest = { length, from, to };
    to = new Date(window.from);
    // The window that was open when the week began is the last one that counts.
    if (to.getTime() <= begin) break;
  }
  return longest;
}

/**
 * How long captured changes stand in for backups: a week for a weekly backup, and a day for a late one. After
 * that only the age of the newest backup counts, because everything captured since depends on it, and on an
 * ever longer replay. Milliseconds.
 */
const standInWindow = 8 * day;

/**
 * Returns the milliseconds since the newest point in time that can be recovered; undefined without a backup.
 *
 * @param backupAge of the newest backup, in milliseconds
 */
export function measurePoint(
  windows: readonly Window[],
  backupAge: number | undefined,
  now: Date,
): number | undefined {
  const newest = windows.at(-1);
  if (backupAge === undefined || newest === undefined || backupAge > standInWindow) return backupAge;
  return Math.min(backupAge, Math.max(0, now.getTime() - Date.parse(newest.to)));
}

/**
 * Finds a loss of more than half of the rows since the previous backup: either someone has deleted them, or
 * they were not read.
 */
export function findShrinkage([after, before]: readonly BackupSummary[]): RowLoss | undefined {
  if (after === undefined || before === undefined) return undefined;
  const [rowsBefore, rowsAfter] = [before.totals.rows, after.totals.rows];
  return rowsAfter < rowsBefore / 2 ? { before: before.id, rowsBefore, rowsAfter } : undefined;
}
