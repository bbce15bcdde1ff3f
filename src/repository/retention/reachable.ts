import type { ShelvedBackup } from '../backups/catalog.ts';
import type { Segment } from '../changes/segments.ts';
import type { ChangePolicy } from './changes.ts';
import { keepReachable } from './changes.ts';
import type { Decision } from './policy.ts';

/** Keeps what the policy alone would not, because times that are to stay recoverable need it. */
export function keepBases(
  decisions: readonly Decision<ShelvedBackup>[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): Decision<ShelvedBackup>[] {
  const ordinary = decisions.filter(({ backup }) => backup.purpose !== 'safety');
  const kept = new Map(keepReachable(ordinary, segments, policy).map((one) => [one.backup, one]));
  return decisions.map((decision) => kept.get(decision.backup) ?? decision);
}

/** A safety backup is only brought to a point in time when it is named, so it stands in for no other. */
export function listBases(backups: readonly ShelvedBackup[]): ShelvedBackup[] {
  return backups.filter(({ purpose }) => purpose !== 'safety');
}
