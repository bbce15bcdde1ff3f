import type { StoredRecord } from '../repository/records.ts';
import type { ShelvedBackup } from '../repository/shelf.ts';
import type { BackupStanding } from './standing.ts';

export interface Failure {
  readonly at: Date;
  readonly what: string;
}

/** What has gone wrong, as far as records tell, newest first. A backup that fails leaves no record: it is missing. */
export function listFailures(
  { validations, drills }: Pick<BackupStanding, 'validations' | 'drills'>,
  restores: readonly StoredRecord<'restores'>[],
): Failure[] {
  return [
    ...validations.flatMap(({ at, content }) => {
      const damaged = content.backups.filter(({ outcome }) => outcome === 'damaged').map(({ id }) => id);
      return damaged.length === 0 ? [] : [{ at, what: `validate found damage in ${damaged.join(', ')}` }];
    }),
    ...drills.flatMap(({ at, content }) =>
      content.outcome === 'passed'
        ? []
        : [{ at, what: `drill of ${content.backup} failed: ${content.why ?? 'nobody knows why'}` }],
    ),
    ...restores.flatMap(({ at, content: { backup, target, outcome, why } }) =>
      outcome === 'failed' || outcome === 'different'
        ? [{ at, what: `restore of ${backup} into ${target}: ${why ?? 'it differs from the backup'}` }]
        : [],
    ),
  ].sort((one, other) => other.at.getTime() - one.at.getTime());
}

/** milliseconds */
export const gapWindow = 7 * 86_400_000;

export interface Gap {
  /** milliseconds */
  readonly length: number;
  readonly from: Date;
  /** null: now */
  readonly to: Date | null;
}

/**
 * The longest time of the last seven days without a snapshot that is still there, the time since the newest included: what could have been
 * lost at worst. Undefined without a backup.
 */
export function measureGap(usable: readonly ShelvedBackup[], now: Date): Gap | undefined {
  const begin = now.getTime() - gapWindow;
  let longest: Gap | undefined;
  let to: Date | null = null;
  for (const { snapshotAt: from } of usable) {
    const length = Math.max(0, (to ?? now).getTime() - from.getTime());
    if (longest === undefined || length > longest.length) longest = { length, from, to };
    // The one before the window began, or at its beginning, opens its first gap.
    if (from.getTime() <= begin) break;
    to = from;
  }
  return longest;
}

export interface Shrinkage {
  readonly before: ShelvedBackup;
  readonly after: ShelvedBackup;
}

/** Whether more than half of the rows are gone since the backup before: then somebody has deleted them, or they were not read. */
export function findShrinkage([after, before]: readonly ShelvedBackup[]): Shrinkage | undefined {
  if (after === undefined || before === undefined) return undefined;
  return after.totals.rows < before.totals.rows / 2 ? { before, after } : undefined;
}
