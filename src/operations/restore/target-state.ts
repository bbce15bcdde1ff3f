import type { Manifest } from '../../format/manifest.ts';
import type { TableSize } from '../../restorer/part/replacement.ts';
import type { MetPart } from '../../restorer/plan.ts';
import type { RestoreMark } from '../../restorer/unfinished.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';
import { day } from '../../values/duration.ts';

/** What a target is and holds, before anything of it is touched. */
export interface TargetState {
  /** User, host, port and database */
  readonly target: string;
  readonly kind: TargetKind;
  /** What it looks like, whatever it is to be taken for */
  readonly found: TargetKind;
  readonly database: string;
  readonly databaseOid: number;
  readonly systemIdentifier: string;
  /** When it was looked at, milliseconds since 1970 */
  readonly now: number;
  /** What a user made there, in words; none when it may be restored into as it is */
  readonly occupants: readonly string[];
  readonly tables: number;
  /** As the planner estimates them */
  readonly rows: number;
  /** The tables that hold them, but for those that no restore removes */
  readonly held: readonly TableSize[];
  /** What an unfinished restore left */
  readonly mark: RestoreMark | undefined;
  /** What a part of the backup meets there; undefined where all of it is restored */
  readonly part?: MetPart | undefined;
}

export function isInhabited({ occupants, mark }: TargetState): boolean {
  return occupants.length > 0 || mark !== undefined;
}

export function isSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.database === state.database;
}

/** A database keeps its oid when it is renamed. */
export function wasSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.databaseOid === state.databaseOid;
}

/** Whether something of the target has to give way first: all of it, or what a part of the backup replaces. */
export function isOccupied(state: TargetState): boolean {
  if (state.part === undefined) return isInhabited(state);
  return state.part.replaced.objects.length > 0 || state.mark !== undefined;
}

/** milliseconds; nobody waits longer with a restore that did not come to its end, and somebody may have begun to use what there is */
const freshMark = day;

/**
 * Whether there is something to be lost: not where an unfinished restore made all that there is. One that stopped when everything was there
 * may have been taken for done.
 */
export function isWorthKeeping(state: TargetState): boolean {
  const { mark } = state;
  if (!isInhabited(state)) return false;
  if (mark?.wasEmpty !== true || mark.databaseOid !== state.databaseOid) return true;
  const age = state.now - Date.parse(mark.startedAt);
  return !(age >= 0 && age < freshMark) || mark.stepName === 'comparing';
}

const shown = 5;

/** What the target holds, in words. */
export function describeOccupants({ occupants, mark }: TargetState): string {
  const more = occupants.length - shown;
  const unfinished = mark === undefined ? '' : `${describeUnfinished(mark)}, `;
  const names = occupants.slice(0, shown).join(', ');
  return `${unfinished}${names}${more > 0 ? ` and ${more} more objects` : ''}`.replace(/, $/, '');
}

export function describeUnfinished(mark: RestoreMark): string {
  const before = mark.safetyBackup === null ? '' : ` (what was there before is backup ${mark.safetyBackup})`;
  return `a restore of backup ${mark.backup}, begun ${mark.startedAt} by ${mark.startedBy}, that stopped at the step "${mark.step}"${before}`;
}
