import type { GateInputs } from '../../interface/inputs/types.ts';
import type { JudgedLimit } from '../../repository/backups/freshness.ts';
import { minute } from '../../values/duration.ts';
import { type BackupResult, isUndoubted } from '../backup/result.ts';
import type { Decision, Missing, Staleness, Unseen } from './result.ts';

/** Milliseconds: the greatest age of a backup to go back to after a migration that destroys data */
export const ownBackupWithin = 15 * minute;

/**
 * Decides whether a release may pass. A new backup makes up for an old or a missing one and for nothing else:
 * it does not prove that backups can be read back or restored. So no backup is taken for a release that could
 * not pass even with it.
 */
export function decide({
  judged,
  age,
  isDestructive,
  unseen = [],
  onStale,
}: {
  readonly judged: readonly JudgedLimit[];
  /** milliseconds since the newest usable backup; undefined when there is none */
  readonly age: number | undefined;
  readonly isDestructive: boolean;
  readonly unseen?: readonly Unseen[];
  readonly onStale: GateInputs['onStale'];
}): Decision {
  const broken = judged.filter(({ met }) => !met).map(({ input }) => input);
  const why: Staleness[] = [];
  if (broken.includes('max-age')) why.push(age === undefined ? 'no-backup' : 'old-backup');
  if (isDestructive && !(age !== undefined && age <= ownBackupWithin)) why.push('unguarded');
  const unproven: Missing[] = [
    ...unseen,
    ...broken.filter((limit) => limit !== 'max-age').map((limit) => ({ kind: 'unproven' as const, limit })),
  ];
  if (why.length === 0 && unproven.length === 0) return { kind: 'pass' };
  if (onStale === 'backup' && unproven.length === 0) return { kind: 'back-up', why, pin: isDestructive };
  return {
    kind: 'stop',
    missing: [...unproven, ...why.map((each) => ({ kind: 'stale' as const, why: each, onStale }))],
  };
}

/**
 * Stops the release when the backup taken for it was stored, but found that earlier ones cannot be trusted.
 */
export function reconsider(
  decision: Decision,
  taken: Pick<BackupResult, 'mismatches'> | undefined,
): Decision {
  if (taken === undefined || isUndoubted(taken)) return decision;
  return { kind: 'stop', missing: [{ kind: 'doubted' }] };
}
