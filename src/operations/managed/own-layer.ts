import type { BackupFreshness } from '../../repository/backups/freshness.ts';
import { measureRecovery } from '../../repository/backups/recovery-time.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { StoredRecord } from '../../repository/records.ts';
import type { OwnLayer } from './result.ts';

/** What was read of the repository. */
export interface OwnFacts {
  /** Of the storage */
  readonly location: string;
  readonly freshness: Pick<BackupFreshness, 'usable' | 'drilled'>;
  readonly recoverable: Recoverable;
  /** When the newest captured transaction was committed; undefined: none is known */
  readonly newestCommit: Date | undefined;
  /** Oldest first */
  readonly restores: readonly StoredRecord<'restores'>[];
}

/** Sums up what the repository can bring back. */
export function toOwnLayer({ location, freshness, recoverable, newestCommit, restores }: OwnFacts): OwnLayer {
  const { windows, captured } = recoverable;
  const [first, last] = [windows[0], windows.at(-1)];
  return {
    location,
    newest: last && new Date(last.to),
    oldest: first && new Date(first.from),
    isCaptured: captured,
    backups: freshness.usable.length,
    recovery: measureRecovery(freshness, restores),
    newestCommit,
  };
}

/** Finds when the newest captured transaction was committed. */
export function findNewestCommit(segments: readonly Pick<Segment, 'lastCommitAt'>[]): Date | undefined {
  const times = segments.flatMap(({ lastCommitAt }) =>
    lastCommitAt === null ? [] : [Date.parse(lastCommitAt)],
  );
  return times.length === 0 ? undefined : new Date(times.reduce((one, other) => Math.max(one, other)));
}
