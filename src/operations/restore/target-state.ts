import type { Manifest } from '../../format/manifest.ts';
import type { TableSize } from '../../restorer/part/replacement.ts';
import type { MetPart } from '../../restorer/plan.ts';
import type { UnfinishedRestore } from '../../restorer/unfinished.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';
import { day } from '../../values/duration.ts';

/** A target and its contents, before anything of it is touched. */
export interface TargetState {
  /** User, host, port and database */
  readonly target: string;
  readonly kind: TargetKind;
  /** The detected kind, whatever `target-kind` says */
  readonly found: TargetKind;
  readonly database: string;
  readonly databaseOid: number;
  readonly systemIdentifier: string;
  /** When the target was inspected, milliseconds since 1970 */
  readonly now: number;
  /** Objects that users created, in words; empty when the target may be restored into as it is */
  readonly existing: readonly string[];
  readonly tables: number;
  /** As the planner estimates them */
  readonly rows: number;
  /** The tables that hold these rows, without tables that no restore removes */
  readonly held: readonly TableSize[];
  /** The mark that an unfinished restore left */
  readonly mark: UnfinishedRestore | undefined;
  /** What a part of the backup meets in the target; undefined when all of it is restored */
  readonly part?: MetPart | undefined;
}

export function holdsSomething({ existing, mark }: TargetState): boolean {
  return existing.length > 0 || mark !== undefined;
}

export function isSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.database === state.database;
}

/** A database keeps its oid when it is renamed. */
export function wasSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.databaseOid === state.databaseOid;
}

/**
 * Whether something has to be removed from the target first: everything, or what a part of the backup
 * replaces.
 */
export function holdsObjects(state: TargetState): boolean {
  if (state.part === undefined) return holdsSomething(state);
  return state.part.replaced.objects.length > 0 || state.mark !== undefined;
}

/**
 * milliseconds. Users repeat a failed restore sooner than that; later, they may have begun to work with what
 * is there.
 */
const freshMark = day;

/**
 * Whether the target holds something that could be lost. Objects that only an unfinished restore created are
 * not worth keeping, unless it began more than a day ago (`freshMark`) or stopped while comparing: everything
 * was there by then, and users may have taken the restore for finished.
 */
export function isWorthKeeping(state: TargetState): boolean {
  const { mark } = state;
  if (!holdsSomething(state)) return false;
  if (mark?.wasEmpty !== true || mark.databaseOid !== state.databaseOid) return true;
  const age = state.now - Date.parse(mark.startedAt);
  return !(age >= 0 && age < freshMark) || mark.stepName === 'comparing';
}

const shown = 5;

/** Tells in words what the target holds. */
export function nameExisting({ existing, mark }: TargetState): string {
  const more = existing.length - shown;
  const unfinished = mark === undefined ? '' : `${describeUnfinished(mark)}, `;
  const names = existing.slice(0, shown).join(', ');
  return `${unfinished}${names}${more > 0 ? ` and ${more} more objects` : ''}`.replace(/, $/, '');
}

export function describeUnfinished(mark: UnfinishedRestore): string {
  const before = mark.safetyBackup === null ? '' : ` (what was there before is backup ${mark.safetyBackup})`;
  return `a restore of backup ${mark.backup}, begun ${mark.startedAt} by ${mark.startedBy}, that stopped at the step "${mark.step}"${before}`;
}
