import { clockToleranceMs } from '../../values/clock-tolerance.ts';
import { compare } from '../../values/ordering.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import { findReaches, findWindows, listUsable, type RecoveryBase } from '../changes/recoverable.ts';
import { type Segment, segmentKey } from '../changes/segments.ts';
import type { Decision } from './policy.ts';

/**
 * Which captured changes stay, and which backups stay for their sake: what is asked for is that any point in time of the last days can be
 * recovered as long as it could be, whatever the rules for backups say. docs/retention.md tells it.
 */

/** What retention of changes must know of a backup. */
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
 * Keeps those of the backups that were to go without which a time of the last days, or the newest time of all, could not be reached any
 * more, and no others. A backup that is damaged or of the future keeps nothing from being kept, and neither do changes of the future: a
 * clock was wrong.
 */
export function keepReachable<Backup extends ChangeBase>(
  decisions: readonly Decision<Backup>[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): Decision<Backup>[] {
  const honest = listHonest(segments, policy);
  const since = sinceWhen(
    decisions.map(({ backup }) => backup),
    honest,
    policy,
  );
  const good = decisions.filter(({ backup }) => isGood(backup, policy));
  const reaches = findReaches(
    good.map(({ backup }) => backup),
    honest,
  );
  const spans = good.flatMap((decision, index): Span<Backup>[] => {
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

interface Span<Backup> {
  readonly decision: Decision<Backup>;
  /** Microseconds since 1970 */
  readonly from: bigint;
  readonly to: bigint;
}

/** Goes through time, and adds a backup that was to go only where none that stays leads on. */
function chooseSpans<Backup>(spans: readonly Span<Backup>[], since: bigint): Set<Decision<Backup>> {
  const added = new Set<Decision<Backup>>();
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

/** Of those that lead equally far the newest: least is to be replayed. */
function pickFurthest<Backup>(spans: readonly Span<Backup>[]): Span<Backup> | undefined {
  return spans.toSorted((one, other) => compare(other.to, one.to) || compare(other.from, one.from))[0];
}

/**
 * The segments that nobody needs any more, oldest first: they ended and were stored before the last days, and no backup that stays is
 * brought forward with them to a time of the last days, or to the newest time of all. The newest segment stays whatever its age: the
 * next capture goes on from it.
 *
 * @param bases the backups that stay
 * @param segments all there are, by chain and position
 * @param storedAt when each was stored by the storage's clock, by key: the clock of the source alone could make all of them old
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

/** Every backup of the last days, and the newest before them that can be brought into them. */
function listNeeding(
  bases: readonly ChangeBase[],
  segments: readonly Segment[],
  policy: ChangePolicy,
): ChangeBase[] {
  const honest = listHonest(segments, policy);
  const since = sinceWhen(bases, honest, policy);
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
  // With a wrong time of the future a backup may seem to lead further than it does: then the next older one is kept whole, too.
  return [...bases.filter(isRecent), findFirst(segments), findFirst(honest)].filter(
    (base) => base !== undefined,
  );
}

/**
 * Where the times begin that are to stay recoverable: where the last days do, but before the newest time that can be recovered, if that is
 * long ago. Microseconds since 1970.
 */
function sinceWhen(bases: readonly ChangeBase[], honest: readonly Segment[], policy: ChangePolicy): bigint {
  const since = BigInt(policy.now.getTime() - policy.keepChanges) * 1000n;
  const good = bases.filter((base) => isGood(base, policy));
  const newest = findWindows(good, honest).at(-1);
  const beforeNewest = newest === undefined ? since : parseTimestamp(newest.to) - 1n;
  return beforeNewest < since ? beforeNewest : since;
}

function isGood({ damagedAt, snapshotAt }: ChangeBase, { now }: ChangePolicy): boolean {
  return damagedAt === null && snapshotAt.getTime() <= now.getTime() + clockToleranceMs;
}

/** Without those of the future */
function listHonest(segments: readonly Segment[], { now }: ChangePolicy): Segment[] {
  return segments.filter(({ through }) => Date.parse(through) <= now.getTime() + clockToleranceMs);
}
