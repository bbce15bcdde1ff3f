import type { Manifest } from '../../format/manifest.ts';
import type { LiveTable } from '../../restorer/side/live-table.ts';
import type { RowDifference } from '../../restorer/side/row-difference.ts';
import type { SideTable } from '../../restorer/side/tables.ts';
import type { CopyAnswer } from '../../storage/fallback.ts';

/**
 * The result of a restore beside the live tables: a plan, or how the rows of the backup and the live rows
 * differ.
 */
export type SideRestore = (PlannedAside | ComparedAside) & {
  /** Copies that were read from in place of the storage; absent when none was */
  readonly readFrom?: readonly CopyAnswer[];
};

/** A dry run: nothing was changed. */
export interface PlannedAside {
  readonly kind: 'planned';
  readonly scope: SideScope;
  /** milliseconds */
  readonly elapsed: number;
}

/** A comparison. Differences are the answer, not a failure. */
export interface ComparedAside {
  readonly kind: 'compared';
  readonly scope: SideScope;
  readonly findings: SideFindings;
  /** Path of the file with the SQL; undefined when only `findings` has it */
  readonly file: string | undefined;
  /** milliseconds by phase, and their total */
  readonly phases: Readonly<Record<string, number>>;
  /** milliseconds */
  readonly elapsed: number;
}

/** The schema and the tables of a restore beside the live tables, planned or done. */
export interface SideScope {
  readonly manifest: Manifest;
  readonly target: string;
  /** The side schema */
  readonly schema: string;
  /** Tables come before the tables that refer to them */
  readonly tables: readonly SideTable[];
  /** Tables that refer to each other in a circle */
  readonly circular: readonly string[];
  /**
   * Live tables that are not included, and in which rows were deleted or cleared together with rows of
   * `tables`
   */
  readonly followers: readonly LiveName[];
  /** Live tables that are not included, and that rows of `tables` refer to */
  readonly parents: readonly LiveName[];
}

type LiveName = Pick<LiveTable, 'schema' | 'name'>;

export interface SideFindings {
  /** In the order of the tables */
  readonly differences: readonly RowDifference[];
  /** The SQL that brings rows back */
  readonly sql: string;
}
