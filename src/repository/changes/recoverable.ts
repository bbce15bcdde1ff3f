import type { Manifest } from '../../format/manifest.ts';
import { parseLsn } from '../../values/lsn.ts';
import { compare } from '../../values/ordering.ts';
import { parseSnapshot } from '../../values/pg-snapshot.ts';
import { formatTimestamp, parseTimestamp } from '../../values/timestamp.ts';
import { type ContiguousSegments, groupContiguous, type PlacedSegment } from './contiguous.ts';
import type { Segment } from './segments.ts';

/*
 * Which points in time can be recovered: a backup, rolled forward by the changes that were committed after
 * it. docs/format.md states the rule and why it holds; test/repository/changes/recoverable.test.ts proves it
 * over random histories. All functions are pure.
 *
 * Points in time are ISO 8601 in UTC with microseconds, or microseconds since 1970.
 */

/** What must be known about a backup to roll it forward. Both a manifest and its outline have it. */
export interface RecoveryBase {
  readonly id: string;
  readonly kind: Manifest['kind'];
  readonly source: Pick<
    Manifest['source'],
    'systemIdentifier' | 'timeline' | 'databaseOid' | 'snapshot' | 'lsn' | 'snapshotAt' | 'definitions'
  >;
}

/** The times that one backup can be rolled forward to: all from `from` to `to`, both included. */
export interface Reach {
  /** The time of the snapshot */
  readonly from: string;
  readonly to: string;
  /** The segments to replay to reach `to`, in order; none when only the backup itself can be reached */
  readonly segments: readonly Segment[];
  /** Why the backup can be rolled forward no further; null when nothing was captured after `to` */
  readonly ends: string | null;
}

/** An interval of times that can all be reached; `from` equals `to` for a backup alone. */
export interface Window {
  readonly from: string;
  readonly to: string;
  /** Why the times after `to` cannot be reached; null for the newest window if nothing was captured since */
  readonly gap: string | null;
}

export type RecoveryPlan<Base extends RecoveryBase = RecoveryBase> =
  | {
      readonly kind: 'plan';
      readonly base: Base;
      /** The segments to replay, in this order; may be none */
      readonly segments: readonly Segment[];
      /** The point in time, also when `latest` was asked for */
      readonly until: string;
    }
  | {
      readonly kind: 'refused';
      readonly why: string;
      /** The nearest times that can be reached; null when there are none */
      readonly before: string | null;
      readonly after: string | null;
    };

/**
 * Chooses the backup and the segments to replay for a point in time. Of the backups from which it can be
 * reached, the newest is chosen: it needs the shortest replay.
 *
 * @param target a point in time, or `latest` for the newest that can be reached
 * @param only the id of the only backup that may be used
 */
export function planRecovery<Base extends RecoveryBase>(
  bases: readonly Base[],
  segments: readonly Segment[],
  target: bigint | string,
  only?: string,
): RecoveryPlan<Base> {
  const chosen = only === undefined ? bases : bases.filter(({ id }) => id === only);
  const runs = groupContiguous(segments);
  const intervals = chosen.flatMap((base) => intervalOf(base, runs) ?? []).sort(newestFirst);
  if (intervals.length === 0)
    return { kind: 'refused', why: explainNone(chosen, only), before: null, after: null };
  const until = target === 'latest' ? furthest(intervals) : toMicroseconds(target);
  const fit = intervals.find(({ from, to }) => from <= until && until <= to);
  if (fit === undefined) return refuse(intervals, until);
  return {
    kind: 'plan',
    base: fit.base,
    segments: takeUntil(fit.placed, until).map(({ segment }) => segment),
    until: formatTimestamp(until),
  };
}

/** Returns what a backup reaches; undefined for a backup of definitions only. */
export function findReach(base: RecoveryBase, segments: readonly Segment[]): Reach | undefined {
  return findReaches([base], segments)[0];
}

/** Returns what each of the backups reaches. */
export function findReaches(
  bases: readonly RecoveryBase[],
  segments: readonly Segment[],
): (Reach | undefined)[] {
  const runs = groupContiguous(segments);
  return bases.map((base) => {
    const interval = intervalOf(base, runs);
    if (interval === undefined) return undefined;
    const { from, to, placed, ends } = interval;
    return {
      from: formatTimestamp(from),
      to: formatTimestamp(to),
      segments: placed.map(({ segment }) => segment),
      ends,
    };
  });
}

/** Returns all windows of times that can be reached, oldest first. */
export function findWindows(bases: readonly RecoveryBase[], segments: readonly Segment[]): Window[] {
  const runs = groupContiguous(segments);
  const intervals = bases.flatMap((base) => intervalOf(base, runs) ?? []);
  const windows: { from: bigint; to: bigint; ends: string | null }[] = [];
  for (const { from, to, ends } of intervals.sort((one, other) => compare(one.from, other.from))) {
    const last = windows.at(-1);
    if (last === undefined || from > last.to) windows.push({ from, to, ends });
    else if (to > last.to) Object.assign(last, { to, ends });
    // Among backups that reach equally far, the newest knows best what comes next.
    else if (to === last.to) last.ends = ends ?? last.ends;
  }
  return windows.map(({ from, to, ends }, index) => ({
    from: formatTimestamp(from),
    to: formatTimestamp(to),
    gap: ends ?? (index === windows.length - 1 ? null : 'no changes were captured'),
  }));
}

/**
 * Lists the segments that any of the backups can be rolled forward with, now or after further captures, in
 * order. Cleanup keeps these segments, and validation reads them.
 */
export function listUsable(bases: readonly RecoveryBase[], segments: readonly Segment[]): Segment[] {
  return groupContiguous(segments).flatMap((run) => {
    const usable = new Set(bases.flatMap((base) => listLeading(base, run)));
    return run.placed.filter((one) => usable.has(one)).map(({ segment }) => segment);
  });
}

/** Lists the segments of a run that lead on from a backup: none when the run ended before the backup. */
function listLeading(base: RecoveryBase, run: ContiguousSegments): readonly PlacedSegment[] {
  const { placed, ends } = follow(base, run) ?? { placed: [], ends: null };
  const last = placed.at(-1);
  if (last === undefined) return [];
  return ends === null || last.through >= parseTimestamp(base.source.snapshotAt) ? placed : [];
}

/** A backup and the segments replayed on it */
interface RecoverableInterval<Base extends RecoveryBase> {
  readonly base: Base;
  /** Microseconds */
  readonly from: bigint;
  readonly to: bigint;
  readonly placed: readonly PlacedSegment[];
  readonly ends: string | null;
}

function intervalOf<Base extends RecoveryBase>(
  base: Base,
  runs: readonly ContiguousSegments[],
): RecoverableInterval<Base> | undefined {
  if (base.kind === 'schema') return undefined;
  const from = parseTimestamp(base.source.snapshotAt);
  let best: RecoverableInterval<Base> | undefined;
  for (const run of runs) {
    const followed = follow(base, run);
    if (followed === undefined) continue;
    const through = followed.placed.at(-1)?.through ?? from;
    const interval =
      through < from
        ? { base, from, to: from, placed: [], ends: followed.ends }
        : { base, from, to: through, placed: followed.placed, ends: followed.ends };
    // Later runs have later changes: of those that reach equally far, the last one needs the shortest replay.
    if (best === undefined || interval.to >= best.to) best = interval;
  }
  return best ?? { base, from, to: from, placed: [], ends: explainApart(base, runs) };
}

/**
 * Returns the part of a run that is replayed on a backup. It begins with the last segment that surely has
 * everything that the snapshot of the backup does not see: every transaction that ended before that segment
 * began has a number below its fromXmax, and the snapshot sees all transactions with numbers below its own
 * xmin. Undefined when the run has no such segment, or belongs to another history.
 */
function follow(
  base: RecoveryBase,
  { chain, placed, ends }: ContiguousSegments,
): { placed: readonly PlacedSegment[]; ends: string | null } | undefined {
  if (base.kind === 'schema' || whyApart(base, chain) !== undefined) return undefined;
  const { xmin } = parseSnapshot(base.source.snapshot);
  const position = parseLsn(base.source.lsn);
  const snapshotAt = parseTimestamp(base.source.snapshotAt);
  const begin = placed.findLastIndex(({ fromXmax, from }) => fromXmax <= xmin && from <= position);
  if (begin < 0) return undefined;
  // The backup contains everything that was over when it began, whatever was changed.
  const isOver = ({ through, to }: PlacedSegment) => through <= snapshotAt && to <= position;
  const stop = placed.findIndex(
    (one, index) => index >= begin && !isOver(one) && !fits(one.segment, base.source),
  );
  const stopping = placed[stop];
  if (stopping === undefined) return { placed: placed.slice(begin), ends };
  return {
    placed: placed.slice(begin, stop),
    ends: explainBarrier(stopping, placed[stop - 1]?.through ?? snapshotAt, snapshotAt),
  };
}

/**
 * Tells whether a whole segment can be replayed on a database with the backup's definitions: no position in
 * it has other ones.
 */
function fits({ barrier, definitions }: Segment, source: RecoveryBase['source']): boolean {
  return barrier === null && definitions === source.definitions;
}

/** @param before until when the previous segment was complete */
function explainBarrier({ segment, through }: PlacedSegment, before: bigint, snapshotAt: bigint): string {
  const since = before > snapshotAt ? before : snapshotAt;
  return (
    segment.barrier ??
    `definitions were changed between ${formatTimestamp(since)} and ${formatTimestamp(through)}`
  );
}

/** Says why a chain is not part of a backup's history; undefined when it is. */
function whyApart({ source }: RecoveryBase, chain: Segment['chain']): string | undefined {
  if (chain.systemIdentifier !== source.systemIdentifier) return 'another server';
  if (chain.databaseOid !== source.databaseOid) return 'another database';
  return chain.timeline === source.timeline ? undefined : 'another timeline of the server';
}

/** Says why no run continues from a backup; null when there are no runs. */
function explainApart(base: RecoveryBase, runs: readonly ContiguousSegments[]): string | null {
  const [first] = runs;
  if (first === undefined) return null;
  const others = runs.map(({ chain }) => whyApart(base, chain));
  return others.includes(undefined)
    ? 'the changes that are stored begin after it'
    : `the changes that are stored are of ${others[0]}`;
}

/**
 * Returns the segments to replay to reach a time: all up to the one behind the last segment that is complete
 * only until an earlier time. Usually that is the first segment that is complete until that time; if the
 * clock of the server was set back, it may be a later one.
 */
function takeUntil(placed: readonly PlacedSegment[], until: bigint): readonly PlacedSegment[] {
  return placed.slice(0, placed.findLastIndex(({ through }) => through < until) + 2);
}

function furthest(intervals: readonly RecoverableInterval<RecoveryBase>[]): bigint {
  return (
    intervals
      .map(({ to }) => to)
      .sort(compare)
      .at(-1) ?? 0n
  );
}

function toMicroseconds(time: bigint | string): bigint {
  return typeof time === 'bigint' ? time : parseTimestamp(time);
}

function refuse(intervals: readonly RecoverableInterval<RecoveryBase>[], until: bigint): RecoveryPlan<never> {
  const earlier = intervals.filter(({ to }) => to < until).sort((one, other) => compare(other.to, one.to));
  const later = intervals
    .filter(({ from }) => from > until)
    .sort((one, other) => compare(one.from, other.from));
  const [before, after] = [earlier[0], later[0]];
  const why =
    before === undefined
      ? `the oldest backup, ${after?.base.id}, is of ${after && formatTimestamp(after.from)}`
      : `backup ${before.base.id} can be brought to ${formatTimestamp(before.to)} at most: ${before.ends ?? 'nothing was captured after that'}`;
  return {
    kind: 'refused',
    why,
    before: before === undefined ? null : formatTimestamp(before.to),
    after: after === undefined ? null : formatTimestamp(after.from),
  };
}

function explainNone(chosen: readonly RecoveryBase[], only: string | undefined): string {
  if (only === undefined) return 'there is no backup with rows';
  return chosen.length === 0 ? `there is no backup ${only}` : `backup ${only} holds definitions only`;
}

function newestFirst(
  one: RecoverableInterval<RecoveryBase>,
  other: RecoverableInterval<RecoveryBase>,
): number {
  return compare(other.from, one.from) || compare(other.base.id, one.base.id);
}
