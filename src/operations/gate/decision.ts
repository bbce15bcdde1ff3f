import type { GateInputs } from '../../interface/inputs/types.ts';
import type { JudgedLimit } from '../../repository/backups/freshness.ts';
import { minute } from '../../values/duration.ts';
import { type BackupResult, isUndoubted } from '../backup/result.ts';
import type { Decision, Missing, Staleness, Unseen } from './result.ts';

/** milliseconds: how old the backup may be that one goes back to after a migration that destroys data */
export const ownBackupWithin = 15 * minute;

/**
 * A backup that is taken now mends an age, and nothing else: what was never read back, or restored, is not proven by another one. So nothing
 * is taken for a release that could not pass all the same.
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

/** A backup that was stored and yet found something wrong is no yes. */
export function reconsider(
  decision: Decision,
  taken: Pick<BackupResult, 'mismatches'> | undefined,
): Decision {
  if (taken === undefined || isUndoubted(taken)) return decision;
  return { kind: 'stop', missing: [{ kind: 'doubted' }] };
}
