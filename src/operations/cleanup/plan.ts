import type { CleanupInputs } from '../../interface/inputs/types.ts';
import { type BackupSummary, type Catalog, readCatalog } from '../../repository/backups/catalog.ts';
import { checkUnread, type Outlines } from '../../repository/backups/outlines.ts';
import { findVanished } from '../../repository/backups/vanished.ts';
import { barDamaged } from '../../repository/changes/damage.ts';
import { findWindows, type Window } from '../../repository/changes/recoverable.ts';
import {
  listSegmentFiles,
  readSegments,
  type Segment,
  segmentKey,
} from '../../repository/changes/segments.ts';
import type { Repository } from '../../repository/open.ts';
import { hasObjects, type PruneContext } from '../../repository/prune/prune.ts';
import type { DamagedHeader } from '../../repository/prune/references.ts';
import { type ChangePolicy, listOutdated } from '../../repository/retention/changes.ts';
import { planRetention, type RetentionDecision } from '../../repository/retention/policy.ts';
import { keepBases, listBases } from '../../repository/retention/reachable.ts';
import type { IntegrityError } from '../../runtime/errors.ts';
import { runTogether } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { type Cleared, lookAgain } from './second-look.ts';

/** The contents of a repository, and which of them stay. */
export interface CleanupPlan {
  readonly backups: number;
  readonly damaged: readonly DamagedHeader[];
  /** Whether no backup is listed although there are objects */
  readonly blind: boolean;
  /** Ids of backups that records name, that are not listed, and that no cleanup removed */
  readonly vanished: readonly string[];
  /** Backups that were recorded as damaged and are whole */
  readonly cleared: readonly Cleared[];
  readonly decisions: readonly RetentionDecision<BackupSummary>[];
  /** The outlines of all backups, as they were read */
  readonly outlines: Outlines;
  /** Sorted by chain and position; those that a validation found damaged have a barrier */
  readonly segments: readonly Segment[];
  /** Lists the segments that are outdated if only these backups stay */
  readonly listOutdated: (bases: readonly BackupSummary[]) => readonly Segment[];
}

/** Segments of captured changes, and the times that they make recoverable. */
export interface Changes {
  /** Segments before the cleanup */
  readonly segments: number;
  readonly removed: number;
  /** The newest window that the remaining backups and segments make recoverable; undefined without one */
  readonly window: Window | undefined;
}

/** Plans a cleanup. Changes nothing. */
export async function makePlan(
  inputs: CleanupInputs,
  repository: Repository,
  pruneContext: PruneContext,
): Promise<CleanupPlan> {
  const { signal, log } = pruneContext;
  const damaged: DamagedHeader[] = [];
  const onDamaged = (error: IntegrityError) => log.warn(error.message);
  const onDamagedSegment = ({ message }: IntegrityError, id: string) => {
    log.warn(message);
    damaged.push({ id, message });
  };
  let outlines: Outlines = { known: [], damaged: [], unread: new Set(), areSaved: true };
  const onOutlines = (read: Outlines) => {
    outlines = read;
  };
  const [catalog, files, segments] = await runTogether<[Catalog, StoredValue[], Segment[]]>(signal, [
    (stop) => readCatalog(repository, { onDamaged, onOutlines, signal: stop }),
    () => listSegmentFiles(repository),
    (stop) => readSegments(repository, onDamagedSegment, { signal: stop }),
  ]);
  const listed = new Set([...catalog.backups, ...catalog.damaged].map(({ id }) => id));
  const storedAt = new Map(files.map((file) => [file.key, file.modifiedAt]));
  const policy: ChangePolicy = { now: pruneContext.now(), keepChanges: inputs.keepChanges };
  const planned = await decide(inputs, repository, catalog.backups, policy.now, pruneContext);
  const replayable = await barDamaged(repository, segments, onDamaged, { onRecord: onDamaged, signal });
  const decisions = keepBases(planned.decisions, { stored: segments, replayable }, policy);
  // After the removal only these backups are left, so all their manifests are read before it.
  const kept = new Set(decisions.filter(({ keep }) => keep).map(({ backup }) => backup.id));
  const [rotten, vanished] = await Promise.all([
    checkUnread(repository, outlines, kept, onDamaged, signal),
    findVanished(repository, listed, onDamaged, signal),
  ]);
  return {
    backups: listed.size,
    damaged: [...catalog.damaged, ...rotten, ...damaged],
    blind: listed.size === 0 && (await hasObjects(repository)),
    vanished,
    cleared: planned.cleared,
    decisions,
    outlines,
    segments: replayable,
    // Damage that is not there must not cost a segment either.
    listOutdated: (bases) => {
      const asStored = new Set(listOutdated(listBases(bases), segments, storedAt, policy).map(segmentKey));
      return listOutdated(listBases(bases), replayable, storedAt, policy).filter((segment) =>
        asStored.has(segmentKey(segment)),
      );
    },
  };
}

/**
 * Applies the policy. When it would remove damaged backups, they are read again, and the policy is applied
 * again without the damage that is not there.
 */
async function decide(
  { retention, timeZone }: CleanupInputs,
  repository: Repository,
  backups: readonly BackupSummary[],
  now: Date,
  pruneContext: PruneContext,
): Promise<{ decisions: readonly RetentionDecision<BackupSummary>[]; cleared: readonly Cleared[] }> {
  const decisions = planRetention(backups, retention, { now, timeZone });
  const doubtful = listRemovals(decisions).filter(({ backup }) => backup.damagedAt !== null);
  if (doubtful.length === 0) return { decisions, cleared: [] };
  const cleared = await lookAgain(
    repository,
    doubtful.map(({ backup }) => backup.id),
    pruneContext,
  );
  const sound = new Set(cleared.map(({ id }) => id));
  const weighed = backups.map((backup) => (sound.has(backup.id) ? { ...backup, damagedAt: null } : backup));
  return { decisions: planRetention(weighed, retention, { now, timeZone }), cleared };
}

export function listRemovals(
  decisions: readonly RetentionDecision<BackupSummary>[],
): RetentionDecision<BackupSummary>[] {
  return decisions.filter(({ keep }) => !keep);
}

/** Lists the backups that stay when these are removed. */
export function listOthers({ decisions }: CleanupPlan, removed: readonly string[]): BackupSummary[] {
  const gone = new Set(removed);
  return decisions.map(({ backup }) => backup).filter(({ id }) => !gone.has(id));
}

/**
 * Counts segments, and finds the recoverable window that is left.
 *
 * @param removed ids of removed backups
 * @param gone removed segments
 */
export function weighChanges(
  plan: CleanupPlan,
  removed: readonly string[],
  gone: ReadonlySet<Segment>,
): Changes {
  const { segments } = plan;
  const bases = listBases(listOthers(plan, removed)).filter(({ damagedAt }) => damagedAt === null);
  const windows = findWindows(
    bases,
    segments.filter((segment) => !gone.has(segment)),
  );
  const window = windows.findLast(({ from, to }) => from < to);
  return { segments: segments.length, removed: gone.size, window };
}
