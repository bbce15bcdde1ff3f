import type { BackupSummary } from '../backups/catalog.ts';
import type { Segment } from '../changes/segments.ts';
import type { ChangePolicy } from './changes.ts';
import { keepReachable } from './changes.ts';
import type { RetentionDecision } from './policy.ts';

/** Also keeps backups that the policy alone would remove but that times to stay recoverable depend on. */
export function keepBases(
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
