import type { Manifest, SequenceFact, TableEntry } from '../format/manifest.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import type { RowDigest } from '../postgres/wire/row-digest.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import type { OmissionSubject } from './subject.ts';

/** What was restored, and what was not. */
export interface ParityScope {
  readonly tables: readonly TableEntry[];
  /** False where only chosen relations were restored: what is said of others is not compared. */
  readonly whole: boolean;
  /** What was sent, by the table's oid in the source; undefined: rows are counted and their content is not read back. */
  readonly sent: ReadonlyMap<number, RowDigest> | undefined;
  /** Why the content of a table cannot be compared with what was sent, only its rows counted; by the table's oid in the source */
  readonly countOnly?: ReadonlyMap<number, string>;
  readonly selection: RestoreSelection;
  readonly kind: TargetKind;
  /** Names of the target's schemas that are the platform's own */
  readonly managed: ReadonlySet<string>;
  readonly notCarried: readonly Omission[];
  /** What the target holds beyond the backup; undefined: nothing */
  readonly advanced?: Advance | undefined;
}

/** How a restored database was brought to a point in time after its backup. */
export interface Advance {
  /** Tables that were changed, by oid in the source: their content is no longer what was sent. */
  readonly tables: ReadonlyMap<number, TableChanges>;
  /** Values that sequences were set to */
  readonly sequences: readonly SequenceFact[];
}

/**
 * Something that a restore could not bring, for its report. `lost` where the target lacks what the backup has, `unless equal` where only the
 * comparison tells: a grant that was refused may be there already.
 */
export type Omission = Manifest['notCarried'][number] & {
  readonly lost?: true | 'unless equal';
  /** Undefined where no line of the comparison is about it */
  readonly subject?: OmissionSubject;
};

/** What a restore will create, and what it leaves out. */
export interface RestoreSelection {
  /** Entries of the archive to restore, in the archive's order */
  readonly entries: readonly ArchiveEntry[];
  /** oids, in the source, of the tables whose rows are restored */
  readonly tables: ReadonlySet<number>;
  readonly leftOut: readonly LeftOut[];
  /** Tables that come empty, because a chosen table needs their definition: a partition's or a child's parent. */
  readonly definitionsOnly: readonly ArchiveEntry[];
}

export interface LeftOut {
  readonly entry: ArchiveEntry;
  /** The entry that is not restored and that this one cannot be without */
  readonly needs: ArchiveEntry;
}

/** What became of the rows of one table. */
export interface TableChanges {
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  readonly truncates: number;
  /** Rows that it has now, counted from those of the backup, or from when it was emptied */
  readonly rows: number;
}
