import type { TableSize } from '../../restorer/part/replacement.ts';
import type { MetPart } from '../../restorer/plan.ts';
import type { RestoreMark } from '../../restorer/unfinished.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';

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
