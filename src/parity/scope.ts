import type { Manifest, SequenceFact, TableEntry } from '../format/manifest.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import type { RowDigest } from '../postgres/wire/row-digest.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import type { OmissionSubject } from './subject.ts';

/** What was restored and is compared, and what was left out */
export interface ParityScope {
  readonly tables: readonly TableEntry[];
  /** False when only chosen relations were restored: facts about other objects are not compared. */
  readonly whole: boolean;
  /** Digests of the rows sent, by oid of the table in the source; undefined when rows are only counted */
  readonly sent: ReadonlyMap<number, RowDigest> | undefined;
  /** Why the rows of a table are only counted, not compared, by oid of the table in the source */
  readonly countOnly?: ReadonlyMap<number, string>;
  readonly selection: RestoreSelection;
  readonly kind: TargetKind;
  /** Names of the managed schemas of the target */
  readonly managed: ReadonlySet<string>;
  readonly notCarried: readonly Omission[];
  /** The changes that were replayed on the backup; undefined when there were none */
  readonly advanced?: Advance | undefined;
}

/** The changes that brought a restored database to a time after its backup */
export interface Advance {
  /** Changed tables, by oid in the source; their content differs from the rows that were sent. */
  readonly tables: ReadonlyMap<number, TableChanges>;
  /** The values that sequences were set to */
  readonly sequences: readonly SequenceFact[];
}

/**
 * Something that a restore left out, for its report. `lost` is true when the target lacks what the backup
 * has, and `unless equal` when only the comparison can tell: a refused grant may exist in the target already.
 */
export type Omission = Manifest['notCarried'][number] & {
  readonly lost?: true | 'unless equal';
  /** Undefined when no line of the comparison concerns the omission */
  readonly subject?: OmissionSubject;
};

/** The selection of a restore: what it creates, and what it leaves out */
export interface RestoreSelection {
  /** Entries of the archive to restore, in the archive's order */
  readonly entries: readonly ArchiveEntry[];
  /** Tables whose rows are restored, by oid in the source */
  readonly tables: ReadonlySet<number>;
  readonly leftOut: readonly LeftOut[];
  /** Tables that are created empty, because a chosen partition or child needs the definition of its parent */
  readonly definitionsOnly: readonly ArchiveEntry[];
}

export interface LeftOut {
  readonly entry: ArchiveEntry;
  /** The entry that this one needs and that is not restored */
  readonly needs: ArchiveEntry;
}

/** Counts of the changes that were replayed on one table */
export interface TableChanges {
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  readonly truncates: number;
  /** Rows that the table has now, counted from those of the backup, or from its last TRUNCATE */
  readonly rows: number;
}
