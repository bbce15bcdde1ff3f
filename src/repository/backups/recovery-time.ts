import type { RecoveryPrediction } from '../../interface/findings/finding.ts';
import { median } from '../../values/median.ts';
import type { StoredRecord } from '../records.ts';
import type { BackupSummary } from './catalog.ts';
import type { BackupFreshness } from './freshness.ts';

/** How long a recovery takes. */
export type RecoveryTime =
  | {
      readonly kind: 'measured';
      /** By the newest drill that passed */
      readonly milliseconds: number;
      /** Id of the backup that it restored */
      readonly backup: string;
      readonly at: Date;
    }
  | { readonly kind: 'predicted'; readonly prediction: RecoveryPrediction }
  /** Nothing was restored or read whole that would tell. */
  | { readonly kind: 'unmeasured' };

/** How many of the newest runs a speed is the median of: older ones are of another machine, or another size */
const speedRuns = 5;

/**
 * Measures how long a recovery takes, by the newest drill that passed. Where none has, predicts it from the
 * size of the newest backup and the speed of whole restores, or else of full backups, which is a lower bound:
 * a restore also builds indexes, and compares.
 *
 * @param restores oldest first
 */
export function measureRecovery(
  { usable, drilled }: Pick<BackupFreshness, 'usable' | 'drilled'>,
  restores: readonly StoredRecord<'restores'>[],
): RecoveryTime {
  if (drilled !== undefined && drilled.recovery !== null) {
    const { id, at, recovery } = drilled;
    return { kind: 'measured', milliseconds: recovery, backup: id, at };
  }
  const bytes = usable[0]?.totals.bytes;
  const prediction =
    bytes === undefined
      ? undefined
      : (predict('restores', bytes, listRestoreRuns(usable, restores)) ??
        predict('full-backups', bytes, listBackupRuns(usable)));
  return prediction === undefined ? { kind: 'unmeasured' } : { kind: 'predicted', prediction };
}

interface Run {
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Newest first */
function listRestoreRuns(
  backups: readonly BackupSummary[],
  restores: readonly StoredRecord<'restores'>[],
): Run[] {
  const sizes = new Map(backups.map(({ id, totals }) => [id, totals.bytes]));
  return restores.toReversed().flatMap(({ content: { backup, whole, outcome, phases } }) => {
    const [bytes, milliseconds] = [sizes.get(backup), phases.total];
    return whole && outcome !== 'failed' && bytes !== undefined && milliseconds !== undefined
      ? [{ bytes, milliseconds }]
      : [];
  });
}

/** Newest first. An incremental backup has not read all of its bytes. */
function listBackupRuns(backups: readonly BackupSummary[]): Run[] {
  return backups
    .filter(({ kind }) => kind === 'full')
    .map(({ totals, startedAt, finishedAt }) => {
      return { bytes: totals.bytes, milliseconds: finishedAt.getTime() - startedAt.getTime() };
    });
}

function predict(
  basis: RecoveryPrediction['basis'],
  bytes: number,
  runs: readonly Run[],
): RecoveryPrediction | undefined {
  const speeds = runs
    .filter((run) => run.bytes > 0 && run.milliseconds > 0)
    .slice(0, speedRuns)
    .map((run) => run.bytes / run.milliseconds);
  if (speeds.length === 0) return undefined;
  return {
    milliseconds: Math.round(bytes / median(speeds)),
    basis,
    bytes,
    bytesPerSecond: Math.round(median(speeds) * 1000),
    runs: speeds.length,
  };
}
