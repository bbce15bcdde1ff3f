import { type BackupSummary, readCatalog } from '../repository/backups/catalog.ts';
import { refuseUnknownId, resolveChoice } from '../repository/backups/named.ts';
import { readReplayable } from '../repository/changes/damage.ts';
import { planRecovery, type RecoveryPlan } from '../repository/changes/recoverable.ts';
import type { Segment } from '../repository/changes/segments.ts';
import { createReader, type ObjectReader } from '../repository/objects/store.ts';
import type { Repository } from '../repository/open.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError, IntegrityError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

/** The changes that are replayed on a backup, and until when. */
export interface Recovery {
  /** ISO 8601 in UTC, with microseconds */
  readonly until: string;
  /** In the order of the log */
  readonly segments: readonly Segment[];
  readonly readerFor: (segment: Segment) => ObjectReader;
}

/** A backup that can be rolled forward to the recovery target. */
export interface RecoveryCandidate {
  readonly id: string;
  readonly snapshotAt: Date;
  readonly recovery: Recovery;
}

interface Choice {
  /** An id or its beginning, or `latest` for the best */
  readonly backupId: string;
  /** ISO 8601 in UTC with microseconds, or `latest` */
  readonly recoveryTargetTime: string;
  readonly encryptionIdentity: readonly string[];
}

/**
 * Finds the backups that can be rolled forward to the recovery target, the newest first, because it needs the
 * least replay.
 *
 * @param count of candidates at most
 * @throws ConfigurationError when there is none; it names the nearest points in time that can be reached
 */
export async function chooseRecovery(
  repository: Repository,
  asked: Choice,
  count: number,
  context: Context,
): Promise<RecoveryCandidate[]> {
  const choice = { ...asked, backupId: await resolveChoice(repository, asked.backupId) };
  const onDamaged = (error: IntegrityError) => context.log.warn(`${error.message}; skipped`);
  const segments = await readReplayable(repository, onDamaged, {
    // The catalog, which is read next, warns of these.
    onRecord: (error) => context.log.debug(error.message),
    signal: context.signal,
  });
  let bases = await readBases(repository, choice.backupId, onDamaged, context);
  const readerFor = (segment: Segment) => createReader(repository, segment, choice.encryptionIdentity);
  const candidates: RecoveryCandidate[] = [];
  let target = choice.recoveryTargetTime;
  while (candidates.length < count) {
    const plan = planRecovery(bases, segments, target);
    if (plan.kind === 'refused') {
      if (candidates.length > 0) break;
      if (choice.backupId !== 'latest' && bases.length === 0)
        throw await refuseUnknownId(repository, choice.backupId);
      throw refuse(plan, choice);
    }
    // The time that `latest` means for the first candidate is the time of all.
    target = plan.until;
    candidates.push({
      id: plan.base.id,
      snapshotAt: new Date(plan.base.source.snapshotAt),
      recovery: { until: plan.until, segments: plan.segments, readerFor },
    });
    bases = bases.filter(({ id }) => id !== plan.base.id);
  }
  return candidates;
}

/**
 * `latest` means neither a safety backup, which shows a database in trouble, nor a backup that was found
 * damaged. Both can be named by their ids.
 */
async function readBases(
  repository: Repository,
  backupId: string,
  onDamaged: (error: IntegrityError) => void,
  { signal }: Context,
): Promise<readonly BackupSummary[]> {
  const { backups, damaged } = await readCatalog(repository, { onDamaged, signal });
  if (backupId === 'latest') {
    return backups.filter(({ damagedAt, purpose }) => damagedAt === null && purpose !== 'safety');
  }
  const broken = damaged.find(({ id }) => id === backupId);
  if (broken) throw new IntegrityError(broken.message, 'Choose another backup; `list` shows them all.');
  return backups.filter(({ id }) => id === backupId);
}

function refuse(
  { why, before, after }: Extract<RecoveryPlan, { kind: 'refused' }>,
  { recoveryTargetTime }: Choice,
): ConfigurationError {
  const nearest = [before && `${before} (before it)`, after && `${after} (after it)`].filter((time) => time);
  return new ConfigurationError(
    say`${nameInput('recovery-target-time')}: ${recoveryTargetTime} cannot be reached: ${why}`,
    nearest.length === 0
      ? 'Take a backup and run `capture`. Only times after that can be restored.'
      : `The nearest ${nearest.length === 1 ? 'point in time that can be reached is' : 'points in time that can be reached are'} ${nearest.join(' and ')}.`,
  );
}
