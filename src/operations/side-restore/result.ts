import type { Manifest } from '../../format/manifest.ts';
import type { LiveTable } from '../../restorer/side/live-table.ts';
import type { RowDifference } from '../../restorer/side/row-difference.ts';
import type { SideTable } from '../../restorer/side/tables.ts';

/** A restore beside the live tables: what it would do, or how the rows of the backup and the live ones differ. */
export type SideRestore = PlannedAside | ComparedAside;

/** A dry run: nothing was changed. */
export interface PlannedAside {
  readonly kind: 'planned';
  readonly scope: SideScope;
  /** milliseconds */
  readonly elapsed: number;
}

/** That the live tables differ is the answer, not a failure. */
export interface ComparedAside {
  readonly kind: 'compared';
  readonly scope: SideScope;
  readonly findings: SideFindings;
  /** Where the SQL is written to; undefined where it is nowhere else than in the findings */
  readonly file: string | undefined;
  /** milliseconds by phase, and their total */
  readonly phases: Readonly<Record<string, number>>;
  /** milliseconds */
  readonly elapsed: number;
}

/** What a restore beside the live tables is about to do, or has done. */
export interface SideScope {
  readonly manifest: Manifest;
  readonly target: string;
  /** The side schema */
  readonly schema: string;
  /** Parents before those that refer to them */
  readonly tables: readonly SideTable[];
  /** Tables that refer to each other in a circle */
  readonly circular: readonly string[];
  /** Tables of the live database that are not included, and that rows were deleted or cleared in together with those of the tables */
  readonly followers: readonly LiveName[];
  /** Those that rows of the tables refer to */
  readonly parents: readonly LiveName[];
}

type LiveName = Pick<LiveTable, 'schema' | 'name'>;

export interface SideFindings {
  /** In the order of the tables */
  readonly differences: readonly RowDifference[];
  /** What brings the rows back */
  readonly sql: string;
}
