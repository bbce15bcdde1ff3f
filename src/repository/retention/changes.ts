import { clockToleranceMs } from '../../values/clock-tolerance.ts';
import { compare } from '../../values/ordering.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import { findReaches, findWindows, listUsable, type RecoveryBase } from '../changes/recoverable.ts';
import { type Segment, segmentKey } from '../changes/segments.ts';
import type { RetentionDecision } from './policy.ts';

/*
 * Which captured changes stay, and which backups stay for their sake: any point in time of the last days
 * stays recoverable for as long as it is wanted, whatever the rules for backups say. docs/retention.md
 * describes it.
 */

/** What retention of changes must know about a backup. */
export interface ChangeBase extends RecoveryBase {
  readonly snapshotAt: Date;
  readonly damagedAt: Date | null;
}

export interface ChangePolicy {
  readonly now: Date;
  /** How far back any point in time is to stay recoverable, in milliseconds */
  readonly keepChanges: number;
}

/** The reason of a backup that stays although no rule keeps it. */
const reason = 'keep-changes';

/**
 * Rescues a backup from removal only if some time in the `keep-changes` window, or the newest recoverable
 * time, depends on it. Damaged backups, and backups or changes dated in the future, do not make another
 * backup dispensable: in the latter case a clock was wrong.
 */
export function keepReachable<Backup extends ChangeBase>(
  decisions: readonly RetentionDecision<Backup>[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): RetentionDecision<Backup>[] {
  const withoutFutureTimes = dropFutureTimes(segments, policy);
  const since = sinceWhen(
    decisions.map(({ backup }) => backup),
    withoutFutureTimes,
    policy,
  );
  const good = decisions.filter(({ backup }) => isGood(backup, policy));
  const reaches = findReaches(
    good.map(({ backup }) => backup),
    withoutFutureTimes,
  );
  const spans = good.flatMap((decision, index): KeptInterval<Backup>[] => {
    const reach = reaches[index];
    if (reach === undefined) return [];
    const span = { decision, from: parseTimestamp(reach.from), to: parseTimestamp(reach.to) };
    return span.to > since && span.from < span.to ? [span] : [];
  });
  const needed = chooseSpans(spans, since);
  return decisions.map((decision) =>
    needed.has(decision) ? { ...decision, keep: true, reasons: [reason] } : decision,
  );
}

interface KeptInterval<Backup> {
  readonly decision: RetentionDecision<Backup>;
  /** Microseconds since 1970 */
  readonly from: bigint;
  readonly to: bigint;
}

/** Walks through time, and adds a backup that was to be removed only where no kept one reaches further. */
function chooseSpans<Backup>(
  spans: readonly KeptInterval<Backup>[],
  since: bigint,
): Set<RetentionDecision<Backup>> {
  const added = new Set<RetentionDecision<Backup>>();
  for (let at: bigint | undefined = since; at !== undefined; ) {
    const now: bigint = at;
    const reaching = spans.filter(({ from, to }) => from <= now && to > now);
    const stays = pickFurthest(reaching.filter(({ decision }) => decision.keep));
    const next = stays ?? pickFurthest(reaching);
    if (next !== undefined && stays === undefined) added.add(next.decision);
    at =
      next?.to ??
      spans
        .map(({ from }) => from)
        .filter((from) => from > now)
        .sort(compare)[0];
  }
  return added;
}

/** Among those that reach equally far, picks the newest: it needs the shortest replay. */
function pickFurthest<Backup>(spans: readonly KeptInterval<Backup>[]): KeptInterval<Backup> | undefined {
  return spans.toSorted((one, other) => compare(other.to, one.to) || compare(other.from, one.from))[0];
}

/**
 * Lists the segments that are no longer needed, oldest first: they ended and were stored before the
 * `keep-changes` window, and no remaining backup is rolled forward with them to a time in the window, or to
 * the newest time of all. The newest segment stays whatever its age: the next capture continues from it.
 *
 * @param bases the backups that stay
 * @param segments all that exist, by chain and position
 * @param storedAt when each was stored by the storage's clock, by key: the source's clock alone could make
 * all of them look old
 */
export function listOutdated(
  bases: readonly ChangeBase[],
  segments: readonly Segment[],
  storedAt: ReadonlyMap<string, Date>,
  policy: ChangePolicy,
): Segment[] {
  const since = policy.now.getTime() - policy.keepChanges;
  const needed = new Set(listUsable(listNeeding(bases, segments, policy), segments).map(segmentKey));
  const newest = segments.at(-1);
  return segments.filter((segment) => {
    const key = segmentKey(segment);
    const stored = storedAt.get(key);
    const isOld = Date.parse(segment.through) < since && stored !== undefined && stored.getTime() < since;
    return isOld && segment !== newest && !needed.has(key);
  });
}

/** Lists every backup in the window, and the newest one before it that can be rolled forward into it. */
function listNeeding(
  bases: readonly ChangeBase[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): ChangeBase[] {
  const withoutFutureTimes = dropFutureTimes(segments, policy);
  const since = sinceWhen(bases, withoutFutureTimes, policy);
  const isRecent = ({ source }: ChangeBase) => parseTimestamp(source.snapshotAt) > since;
  const older = bases
    .filter((base) => !isRecent(base) && base.damagedAt === null)
    .sort((one, other) =>
      compare(parseTimestamp(other.source.snapshotAt), parseTimestamp(one.source.snapshotAt)),
    );
  const findFirst = (among: readonly Segment[]) => {
    const reaches = findReaches(older, among);
    return older[reaches.findIndex((reach) => reach !== undefined && parseTimestamp(reach.to) >= since)];
  };
  // A wrong time in the future may make a backup seem to reach further than it does: then the segments of the
  // next older backup are kept, too.
  return [...bases.filter(isRecent), findFirst(segments), findFirst(withoutFutureTimes)].filter(
    (base) => base !== undefined,
  );
}

/**
 * Returns the beginning of the times that stay recoverable: that of the window, or just before the newest
 * recoverable time if that is older. Microseconds since 1970.
 */
function sinceWhen(
  bases: readonly ChangeBase[],
  withoutFutureTimes: readonly Segment[],
  policy: ChangePolicy,
): bigint {
  const since = BigInt(policy.now.getTime() - policy.keepChanges) * 1000n;
  const good = bases.filter((base) => isGood(base, policy));
  const newest = findWindows(good, withoutFutureTimes).at(-1);
  const beforeNewest = newest === undefined ? since : parseTimestamp(newest.to) - 1n;
  return beforeNewest < since ? beforeNewest : since;
}

function isGood({ damagedAt, snapshotAt }: ChangeBase, { now }: ChangePolicy): boolean {
  return damagedAt === null && snapshotAt.getTime() <= now.getTime() + clockToleranceMs;
}

/** Leaves out segments dated in the future. */
function dropFutureTimes(segments: readonly Segment[], { now }: ChangePolicy): Segment[] {
  return segments.filter(({ through }) => Date.parse(through) <= now.getTime() + clockToleranceMs);
}
