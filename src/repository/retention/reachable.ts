import type { BackupSummary } from '../backups/catalog.ts';
import type { Segment } from '../changes/segments.ts';
import type { ChangePolicy } from './changes.ts';
import { keepReachable } from './changes.ts';
import type { RetentionDecision } from './policy.ts';

/** The captured changes of a repository, by chain and position */
export interface CapturedChanges {
  readonly stored: readonly Segment[];
  /** The same, with a barrier in each that a validation found damaged */
  readonly replayable: readonly Segment[];
}

/**
 * Also keeps backups that the policy alone would remove but that times to stay recoverable depend on. Damage that
 * is not there must not cost a backup: what is needed with it or without it stays.
 */
export function keepBases(
  decisions: readonly RetentionDecision<BackupSummary>[],
  { stored, replayable }: CapturedChanges,
  policy: ChangePolicy,
): RetentionDecision<BackupSummary>[] {
  return keepFor(keepFor(decisions, stored, policy), replayable, policy);
}

function keepFor(
  decisions: readonly RetentionDecision<BackupSummary>[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): RetentionDecision<BackupSummary>[] {
  const ordinary = decisions.filter(({ backup }) => backup.purpose !== 'safety');
  const kept = new Map(keepReachable(ordinary, segments, policy).map((one) => [one.backup, one]));
  return decisions.map((decision) => kept.get(decision.backup) ?? decision);
}

/** A safety backup is rolled forward to a point in time only by name, so it replaces no other backup. */
export function listBases(backups: readonly BackupSummary[]): BackupSummary[] {
  return backups.filter(({ purpose }) => purpose !== 'safety');
}
