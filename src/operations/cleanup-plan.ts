import type { IntegrityError } from '../errors.ts';
import type { CleanupInputs } from '../inputs.ts';
import { type ChangePolicy, keepReachable, listOutdated } from '../repository/change-retention.ts';
import type { DamagedHeader } from '../repository/needed.ts';
import { checkUnread, type Outlines } from '../repository/outlines.ts';
import type { PruneContext } from '../repository/prune.ts';
import { findWindows, type Window } from '../repository/recovery.ts';
import type { Repository } from '../repository/repository.ts';
import { type Decision, planRetention } from '../repository/retention.ts';
import { listSegmentFiles, readSegments, type Segment } from '../repository/segments.ts';
import { readShelf, type Shelf, type ShelvedBackup } from '../repository/shelf.ts';
import type { StoredValue } from '../storage/storage.ts';
import { runTogether } from '../workers.ts';
import { isSafetyBackup } from './safety-label.ts';

/** What there is, and what is to become of it. */
export interface Plan {
  readonly backups: number;
  readonly damaged: readonly DamagedHeader[];
  readonly decisions: readonly Decision<ShelvedBackup>[];
  /** Of all backups, as they were read */
  readonly outlines: Outlines;
  /** By chain and position */
  readonly segments: readonly Segment[];
  /** Segments that are outdated when these backups stay */
  readonly listOutdated: (bases: readonly ShelvedBackup[]) => readonly Segment[];
}

/** Segments of captured changes, and what they are good for */
export interface Changes {
  /** Those that there were */
  readonly segments: number;
  readonly removed: number;
  /** The newest times that can be recovered without a gap, from the backups and segments that stay; undefined without any */
  readonly window: Window | undefined;
}

/** Changes nothing. */
export async function makePlan(
  { retention, timeZone, keepChanges }: CleanupInputs,
  repository: Repository,
  { now, signal, log }: PruneContext,
): Promise<Plan> {
  const damaged: DamagedHeader[] = [];
  let outlines: Outlines = { known: [], damaged: [], unread: new Set(), areSaved: true };
  const onDamaged = ({ message }: IntegrityError, id: string) => {
    log.warn(message);
    damaged.push({ id, message });
  };
  const [shelf, files, segments] = await runTogether<[Shelf, StoredValue[], Segment[]]>(signal, [
    (stop) =>
      readShelf(repository, {
        onDamaged: (error) => log.warn(error.message),
        onOutlines: (read) => {
          outlines = read;
        },
        signal: stop,
      }),
    () => listSegmentFiles(repository),
    (stop) => readSegments(repository, onDamaged, { signal: stop }),
  ]);
  const storedAt = new Map(files.map((file) => [file.key, file.modifiedAt]));
  const policy: ChangePolicy = { now: now(), keepChanges };
  const planned = planRetention(shelf.backups, retention, { now: policy.now, timeZone });
  const decisions = keepBases(planned, segments, policy);
  // What stays is what is left: before others go, all of it is read.
  const kept = new Set(decisions.filter(({ keep }) => keep).map(({ backup }) => backup.id));
  const warn = (error: IntegrityError) => log.warn(error.message);
  const rotten = await checkUnread(repository, outlines, kept, warn, signal);
  return {
    backups: shelf.backups.length + shelf.damaged.length,
    damaged: [...shelf.damaged, ...rotten, ...damaged],
    decisions,
    outlines,
    segments,
    listOutdated: (bases) => listOutdated(listBases(bases), segments, storedAt, policy),
  };
}

/** A safety backup is only brought to a point in time when it is named, so it stands in for no other. */
function listBases(backups: readonly ShelvedBackup[]): ShelvedBackup[] {
  return backups.filter((backup) => !isSafetyBackup(backup));
}

/** Keeps what the policy alone would not, because times that are to stay recoverable need it. */
export function keepBases(
  decisions: readonly Decision<ShelvedBackup>[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): Decision<ShelvedBackup>[] {
  const ordinary = decisions.filter(({ backup }) => !isSafetyBackup(backup));
  const kept = new Map(keepReachable(ordinary, segments, policy).map((one) => [one.backup, one]));
  return decisions.map((decision) => kept.get(decision.backup) ?? decision);
}

export function listRemovals(decisions: readonly Decision<ShelvedBackup>[]): Decision<ShelvedBackup>[] {
  return decisions.filter(({ keep }) => !keep);
}

/** The backups that stay when some are gone */
export function listOthers({ decisions }: Plan, removed: readonly string[]): ShelvedBackup[] {
  const gone = new Set(removed);
  return decisions.map(({ backup }) => backup).filter(({ id }) => !gone.has(id));
}

/** @param gone segments that are removed */
export function weighChanges(plan: Plan, removed: readonly string[], gone: ReadonlySet<Segment>): Changes {
  const { segments } = plan;
  const bases = listBases(listOthers(plan, removed)).filter(({ damagedAt }) => damagedAt === null);
  const windows = findWindows(
    bases,
    segments.filter((segment) => !gone.has(segment)),
  );
  const window = windows.findLast(({ from, to }) => from < to);
  return { segments: segments.length, removed: gone.size, window };
}
