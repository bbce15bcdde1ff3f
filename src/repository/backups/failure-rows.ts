import { compare } from '../../values/ordering.ts';
import type { StoredRecord } from '../records.ts';

/** Runs of one kind that failed one after the other, up to the newest */
export interface FailureRow {
  /** A type of backups, `capture` or `drill` */
  readonly job: string;
  readonly count: number;
  /** When the first of them ended */
  readonly since: Date;
  /** The failure class of the newest */
  readonly lastClass: string;
}

/** One that failed alone is told among the failures, and by its alarm. */
const fewest = 2;

/**
 * Finds the kinds whose newest runs failed, several in a row, in the order of their names. A run whose answer is
 * no has come to its end, which ends a row; what it found is told elsewhere. A full backup ends a row of
 * incremental ones: without anything to build upon they become that.
 *
 * @param runs oldest first
 */
export function findFailureRows(runs: readonly StoredRecord<'runs'>[]): FailureRow[] {
  const rows = new Map<string, FailureRow>();
  for (const { at, content } of runs) {
    const job = nameJob(content);
    if (job === undefined) continue;
    if (content.outcome === 'failed') {
      const { count, since } = rows.get(job) ?? { count: 0, since: at };
      rows.set(job, { job, count: count + 1, since, lastClass: content.failure?.class ?? 'unknown' });
    } else {
      rows.delete(job);
      if (job === 'full') rows.delete('incremental');
    }
  }
  return [...rows.values()]
    .filter(({ count }) => count >= fewest)
    .sort((one, other) => compare(one.job, other.job));
}

function nameJob({ operation, backupType }: StoredRecord<'runs'>['content']): string | undefined {
  if (operation === 'backup') return backupType ?? operation;
  return operation === 'capture' || operation === 'drill' ? operation : undefined;
}
