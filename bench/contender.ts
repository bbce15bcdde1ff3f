import type { Traffic } from './link.ts';
import type { Command } from './measure.ts';

/** One row of a benchmark. A run is `prepare`, then `command` on the clock, then `inspect` and `clean`. */
export interface Contender {
  /** Short and stable: targets and the JSON file refer to it. */
  readonly id: string;
  readonly name: string;
  /** Why it cannot run on this machine. The row stays, and says so. */
  readonly missing?: string | undefined;
  /** Once, before the first round. */
  setUp?(): Promise<void>;
  prepare?(): Promise<void>;
  readonly command: Command;
  /** What the run has left behind. */
  inspect?(stdout: string): Promise<Findings>;
  clean?(): Promise<void>;
}

export interface Findings {
  /** What the run has left on the disk, or added to what was there. */
  readonly storedBytes?: number;
  /** What went over the link to a distant storage */
  readonly traffic?: Traffic;
  /** Durations as the contender itself reports them, by phase. */
  readonly phases?: Readonly<Record<string, string>>;
}

/** Contenders that do the same work, and what is asked of them. */
export interface Group {
  readonly id: string;
  readonly title: string;
  /** What a reader has to know to compare the rows. */
  readonly note: string;
  readonly contenders: readonly Contender[];
  /** Ids of the contenders that the others are shown in relation to. */
  readonly baselines: readonly string[];
  readonly targets: readonly Target[];
}

export type Target =
  | {
      readonly kind: 'time';
      readonly contender: string;
      readonly against: string;
      /** Of the baseline's median wall time. */
      readonly most: number;
    }
  | {
      readonly kind: 'seconds';
      readonly contender: string;
      /** Median wall time. */
      readonly mostSeconds: number;
    }
  | {
      readonly kind: 'bytes';
      readonly contender: string;
      readonly against: string;
      /** Of the baseline's median of stored bytes. */
      readonly most: number;
    }
  | {
      readonly kind: 'size';
      readonly contender: string;
      /** Median of stored bytes. */
      readonly mostBytes: number;
    }
  | {
      readonly kind: 'requests';
      readonly contender: string;
      /** Median of requests to the storage. */
      readonly most: number;
    }
  | {
      readonly kind: 'traffic';
      readonly contender: string;
      /** Median of bytes over the link, in both directions. */
      readonly mostBytes: number;
    }
  | {
      readonly kind: 'memory';
      readonly contender: string;
      /** In every run. */
      readonly mostBytes: number;
    };
