/** The replication slot of captures, as the server tells it. */
export interface SlotState {
  readonly name: string;
  /** bytes of write-ahead log that the server keeps for the slot */
  readonly retainedBytes: number;
  /**
   * bytes that may still be written until the server gives the slot up; null where it sets no limit, and for a
   * slot that is lost. Negative when only the next checkpoint is waited for.
   */
  readonly safeBytes: number | null;
  /** `wal_status` (PostgreSQL manual 54.20) */
  readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost';
  /** Whether a process reads it at the moment */
  readonly isActive: boolean;
}

/** What a look at the slot has found, and when. */
export interface SlotLook {
  readonly at: Date;
  /** Null: there is no slot. */
  readonly state: SlotState | null;
}

/** Whether the server has given the slot up: the log that it was to keep is gone. */
export function isLost({ walStatus }: SlotState): boolean {
  return walStatus === 'lost';
}

/**
 * Whether half of what the server keeps for a slot is used: it keeps no less than may still be written. Never,
 * where it sets no limit.
 */
export function isHalfUsed({ retainedBytes, safeBytes }: SlotState): boolean {
  return safeBytes !== null && retainedBytes >= safeBytes;
}
