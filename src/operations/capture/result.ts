import type { Segment } from '../../repository/changes/segments.ts';
import type { Slot } from '../../source/changes/slot.ts';
import { type BackupResult, isUndoubted } from '../backup/result.ts';

/** What a capture has stored. */
export interface Captured {
  /**
   * The stored segments, oldest first. There is at least one, even if it holds only the time, unless the slot
   * was dropped.
   */
  readonly segments: readonly Segment[];
  /** Tables whose updates and deletes cannot be captured, with the reason */
  readonly keyless: readonly string[];
  /** As it was found or created */
  readonly slot: Slot;
  /** The LSN at which the capture continued */
  readonly from: string;
  /** The time up to which the previous capture was complete; undefined at the beginning of a chain */
  readonly throughBefore: string | undefined;
  /** Why changes since the previous capture are lost; undefined when none are */
  readonly lost: string | undefined;
  readonly isEncrypted: boolean;
  /** stored bytes that are new in the repository */
  readonly addedBytes: number;
}

/** A capture that has ended. */
export interface CaptureResult extends Captured {
  readonly ending: Ending;
  /** milliseconds */
  readonly elapsed: number;
}

export type Ending =
  /** The backup can be rolled forward to the end of the captured changes. */
  | { readonly kind: 'reached'; readonly base: string }
  /** No backup could be rolled forward that far, so one was taken. */
  | { readonly kind: 'backed-up'; readonly taken: BackupResult }
  /** The slot was dropped, and nothing is captured any more. */
  | { readonly kind: 'dropped' };

/** Whether no changes are lost, and nothing was found that casts doubt on earlier backups. */
export function isWhole({ lost, ending }: Pick<CaptureResult, 'lost' | 'ending'>): boolean {
  return lost === undefined && (ending.kind !== 'backed-up' || isUndoubted(ending.taken));
}
