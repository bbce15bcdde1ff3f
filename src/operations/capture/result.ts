import type { Segment } from '../../repository/changes/segments.ts';
import type { Slot } from '../../source/changes/slot.ts';
import { type BackupResult, isUndoubted } from '../backup/result.ts';

/** What a capture has stored. */
export interface Captured {
  /** What is stored now, oldest first; at least one, if it carries nothing but the time, unless the slot was dropped */
  readonly segments: readonly Segment[];
  /** Tables whose updates and deletes cannot be captured, with the reason */
  readonly keyless: readonly string[];
  /** As it was found, or made */
  readonly slot: Slot;
  /** Where in the log it went on */
  readonly from: string;
  /** Until when the capture before it had captured; undefined at the beginning of a chain */
  readonly throughBefore: string | undefined;
  /** Why changes since the capture before are lost; undefined when none are */
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
  /** A backup can be brought to the end of what was captured. */
  | { readonly kind: 'reached'; readonly base: string }
  /** None could, so one was taken. */
  | { readonly kind: 'backed-up'; readonly taken: BackupResult }
  /** The slot was dropped, and nothing is captured any more. */
  | { readonly kind: 'dropped' };

/** Whether nothing is lost, and nothing was found that speaks against the backups before it. */
export function isWhole({ lost, ending }: Pick<CaptureResult, 'lost' | 'ending'>): boolean {
  return lost === undefined && (ending.kind !== 'backed-up' || isUndoubted(ending.taken));
}
