import {
  findShrinkage,
  gapWindow,
  listFailures,
  measureGap,
  measurePoint,
} from '../../repository/backups/findings.ts';
import {
  type BackupFreshness,
  judgeLimits,
  type Limits,
  measureAges,
} from '../../repository/backups/freshness.ts';
import type { Recoverable } from '../../repository/changes/windows.ts';
import type { StoredRecord } from '../../repository/records.ts';
import type { Status, Warning } from './result.ts';

/** What was read of a repository. */
export interface StatusFacts {
  /** Of the storage */
  readonly location: string;
  readonly limits: Limits;
  readonly freshness: BackupFreshness;
  readonly recoverable: Recoverable;
  /** bytes */
  readonly stored: number;
  /** Ids of backups that are gone although no cleanup removed them */
  readonly vanished: readonly string[];
  /** The last cleanup */
  readonly prune: StoredRecord<'prunes'> | undefined;
  /** The newest restores */
  readonly restores: readonly StoredRecord<'restores'>[];
  /** The newest runs of any operation */
  readonly runs: readonly StoredRecord<'runs'>[];
  readonly now: Date;
}

/** Measures and judges what was read. Reads nothing itself. */
export function judgeStatus(facts: StatusFacts): Status {
  const { location, limits, freshness, recoverable, stored, prune, restores, runs, now } = facts;
  const { usable, verified, drilled, catalog } = freshness;
  const ages = measureAges(freshness, now);
  const point = measurePoint(recoverable.windows, ages.newest, now);
  return {
    ...{ location, at: now, usable, verified, drilled, ages, recoverable, stored },
    limits: judgeLimits({ ...ages, newest: point }, limits),
    warnings: findWarnings(facts),
    newestPoint: point === ages.newest ? 'backup' : 'changes',
    gap: findGap(facts),
    counts: {
      unusable: catalog.backups.length - usable.length,
      damaged: catalog.damaged.length + catalog.backups.filter(({ damagedAt }) => damagedAt !== null).length,
    },
    lastCleanup: prune && {
      at: prune.at,
      removed: prune.content.removed.length,
      freed: prune.content.objects.bytes,
    },
    failures: listFailures(freshness, restores, runs),
  };
}

/**
 * Measures the gap, and says whether a cleanup has removed backups since: what retention removed is no gap of
 * the schedule, but it cannot be recovered either.
 */
function findGap({ recoverable, prune, now }: StatusFacts): Status['gap'] {
  const gap = measureGap(recoverable.windows, now);
  const isCleaned =
    prune !== undefined && prune.content.removed.length > 0 && now.getTime() - prune.at.getTime() < gapWindow;
  return gap && { ...gap, isCleaned };
}

function findWarnings(facts: StatusFacts): Warning[] {
  const { recoverable, freshness, vanished, prune } = facts;
  const { catalog } = freshness;
  const damaged = catalog.backups.filter(({ damagedAt }) => damagedAt !== null);
  const shrinkage = findShrinkage(freshness.usable);
  const hidden = prune?.content.hidden;
  const found: (Warning | undefined)[] = [
    findOldBackup(facts),
    recoverable.damaged.length === 0 ? undefined : { kind: 'damaged-changes', keys: recoverable.damaged },
    shrinkage && { kind: 'shrinkage', ...shrinkage },
    warnOfBackups('unreadable-manifests', catalog.damaged),
    warnOfBackups('damaged-backups', damaged),
    warnOfBackups(
      'vanished-backups',
      vanished.map((id) => ({ id })),
    ),
    hidden === undefined || hidden.objects === 0 ? undefined : { kind: 'hidden-versions', ...hidden },
    findMixedEncryption(freshness),
    findFailedDrill(freshness),
  ];
  return found.filter((warning) => warning !== undefined);
}

function findOldBackup({ freshness, recoverable, limits, now }: StatusFacts): Warning | undefined {
  const [newest] = freshness.usable;
  if (newest === undefined || !recoverable.captured) return undefined;
  const age = now.getTime() - newest.snapshotAt.getTime();
  return age > limits.maxAge ? { kind: 'old-backup', age } : undefined;
}

function warnOfBackups(
  kind: 'unreadable-manifests' | 'damaged-backups' | 'vanished-backups',
  backups: readonly { readonly id: string }[],
): Warning | undefined {
  return backups.length === 0 ? undefined : { kind, ids: backups.map(({ id }) => id) };
}

function findMixedEncryption({ catalog }: BackupFreshness): Warning | undefined {
  const plain = catalog.backups.filter(({ encrypted }) => !encrypted);
  const [newest] = plain;
  if (newest === undefined || plain.length === catalog.backups.length) return undefined;
  return {
    kind: 'mixed-encryption',
    plain: plain.length,
    all: catalog.backups.length,
    newestPlain: newest.id,
  };
}

function findFailedDrill({ drills }: BackupFreshness): Warning | undefined {
  const last = drills.at(-1)?.content;
  if (last?.outcome !== 'failed') return undefined;
  return { kind: 'failed-drill', backup: last.backup, why: last.why };
}
