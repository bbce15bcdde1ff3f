import type { RowDifference } from '../../records/tables.ts';

/** What became of the records in a database. */
export type RecordsResult = Rebuilt | Verified;

export interface Rebuilt {
  readonly kind: 'rebuilt';
  /** Only `write` has changed the database. */
  readonly mode: 'write' | 'dry-run';
  /** Records of the repository that have rows */
  readonly records: number;
  /** Rows that were inserted or corrected, or would be */
  readonly rows: number;
}

export interface Verified {
  readonly kind: 'verified';
  /** Records of the repository that have rows */
  readonly records: number;
  readonly differences: readonly RowDifference[];
  /** Records whose rows somebody deleted, as the log of changes tells */
  readonly deleted: number;
  /** Rows that are older than anything the repository keeps of their kind */
  readonly outlived: number;
}

/** Whether every row is as the repository has it. */
export function isFaithful({ differences }: Pick<Verified, 'differences'>): boolean {
  return differences.length === 0;
}

export function countDifferences(
  { differences }: Pick<Verified, 'differences'>,
  kind: RowDifference['kind'],
): number {
  return differences.filter((difference) => difference.kind === kind).length;
}
