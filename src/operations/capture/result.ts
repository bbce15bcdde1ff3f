import type { Segment } from '../../repository/changes/segments.ts';
import type { Slot } from '../../source/changes/slot.ts';
import type { Chain } from './chain.ts';

/** What a capture has stored. */
export interface Captured {
  /** What is stored now, oldest first; at least one, if it carries nothing but the time */
  readonly segments: readonly Segment[];
  /** Tables whose updates and deletes cannot be captured, with the reason */
  readonly keyless: readonly string[];
  readonly chain: Chain;
  /** As it was found, or made */
  readonly slot: Slot;
  readonly addedBytes: number;
  /** A backup that can be brought to the end of them; undefined: one has to be taken */
  readonly base: string | undefined;
}
