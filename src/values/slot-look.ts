/** The replication slot of captures, as the server tells it. */
export interface SlotState {
  readonly name: string;
  /** bytes of write-ahead log that the server keeps for the slot */
  readonly retainedBytes: number;
  /**
   * bytes that may still be written until the server gives the slot up; null where it sets no limit, and for a
   * slot that is lost. Below 0 when the next checkpoint does.
   */
  readonly safeBytes: number | null;
  /** `wal_status` of pg_replication_slots; `lost`: the log that it was to keep is gone */
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
