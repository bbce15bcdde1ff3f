import type { Healing } from '../../repository/copies/heal.ts';

/** A repair of a storage from its copies. */
export interface RepairResult extends Healing {
  readonly isDryRun: boolean;
  /** The location of the storage that was healed */
  readonly storage: string;
  /** The locations of the copies that were asked, in turn */
  readonly copies: readonly string[];
  /** milliseconds */
  readonly elapsed: number;
}

/** Whether nothing is missing or damaged any more that was looked at. */
export function isHealed({ lost }: Pick<RepairResult, 'lost'>): boolean {
  return lost.length === 0;
}
