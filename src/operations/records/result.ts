import type { Rebuild, RebuildMode } from '../../records/rebuild.ts';
import type { RowDifference } from '../../records/tables.ts';
import type { Verification } from '../../records/verification.ts';

/** What became of the records in a database. */
export type RecordsResult =
  | ({ readonly kind: 'rebuilt'; readonly mode: RebuildMode } & Rebuild)
  | ({ readonly kind: 'verified' } & Verification);

/** Whether every row is as the repository has it. */
export function isFaithful({ differences }: Pick<Verification, 'differences'>): boolean {
  return differences.length === 0;
}

export function countDifferences(
  { differences }: Pick<Verification, 'differences'>,
  kind: RowDifference['kind'],
): number {
  return differences.filter((difference) => difference.kind === kind).length;
}
