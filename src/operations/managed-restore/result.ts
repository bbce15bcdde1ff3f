import type { ConfigurationError } from '../../runtime/errors.ts';

/** How a restore by the platform ended. One that is refused throws instead. */
export type ManagedRestoreResult = PlannedRestore | EndedRestore;

interface Looked {
  readonly ref: string;
  /** On a whole second */
  readonly target: Date;
  /** The times that the platform can restore; undefined where a restore was under way already */
  readonly window: Window | undefined;
  /** What was seen in the database before; undefined: it was not reached, or not given */
  readonly database: Beforehand | undefined;
  /** The beginning of this run */
  readonly at: Date;
  /** milliseconds */
  readonly elapsed: number;
}

export interface Window {
  readonly from: Date;
  readonly to: Date;
}

/** What a restore by the platform breaks, or is hindered by. */
export interface Beforehand {
  /** The slot of our captures; null: there is none */
  readonly slot: string | null;
  readonly otherSlots: readonly string[];
  readonly subscriptions: readonly string[];
}

/** A dry run: nothing was asked for. */
export interface PlannedRestore extends Looked {
  readonly kind: 'planned';
  /** Whether the platform was asked for this restore before, or is restoring now, so that a run would only wait */
  readonly isUnderWay: boolean;
  /** The state of the project, as the platform calls it */
  readonly status: string;
  readonly takesSafetyBackup: boolean;
  readonly takesBase: boolean;
  /** What is missing for the restore to begin */
  readonly refusals: readonly ConfigurationError[];
}

export interface EndedRestore extends Looked {
  readonly kind: 'ended';
  /**
   * `asked`: the platform has accepted it. `lost`: it was asked, and its answer was lost. `resumed`: an earlier
   * run had asked, or somebody else.
   */
  readonly request: 'asked' | 'lost' | 'resumed';
  readonly ending: Ending;
  /** Id of the backup that was taken before; undefined: none was */
  readonly safetyBackup: string | undefined;
  readonly isSlotDropped: boolean;
  readonly base: NewBase;
}

export type Ending =
  /** The project was seen to leave, and to come back. */
  | { readonly kind: 'back'; readonly leftAt: Date; readonly backAt: Date }
  /** It was never seen to leave: whether it was restored is not known. */
  | { readonly kind: 'unconfirmed'; readonly status: string }
  /** The time to wait is over, and it has not come back. */
  | {
      readonly kind: 'waiting';
      /** Undefined: the platform gave no answer at last */
      readonly status: string | undefined;
      readonly leftAt: Date | undefined;
    }
  | { readonly kind: 'failed'; readonly status: string };

/** The backup after it, without which no later time can be recovered from the repository. */
export type NewBase =
  | { readonly kind: 'taken'; readonly id: string }
  | { readonly kind: 'failed'; readonly message: string; readonly next: string }
  /** The database was not given, or the project is not back. */
  | { readonly kind: 'needed' };

/** Whether the project is back, and a new base was taken where that could be. */
export function isDone({ ending, base }: Pick<EndedRestore, 'ending' | 'base'>): boolean {
  return ending.kind === 'back' && base.kind !== 'failed';
}
