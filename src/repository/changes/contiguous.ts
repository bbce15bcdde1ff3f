import { parseLsn } from '../../values/lsn.ts';
import { compare } from '../../values/ordering.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import { type Segment, segmentKey } from './segments.ts';

/** A segment with its positions and time as numbers */
export interface PlacedSegment {
  readonly segment: Segment;
  readonly from: bigint;
  readonly to: bigint;
  readonly fromXmax: bigint;
  /** Microseconds since 1970 */
  readonly through: bigint;
}

/** Segments of one history, each of which begins where the previous one ends; at least one. */
export interface ContiguousSegments {
  readonly chain: Segment['chain'];
  readonly placed: readonly PlacedSegment[];
  /** Why the run does not continue; null when nothing was captured since */
  readonly ends: string | null;
}

/**
 * Arranges segments, given in any order, into runs without a gap. Where segments overlap because two captures
 * ran at once, a run takes the way that reaches furthest: each segment has everything that was committed
 * between its positions, so any unbroken way is right. Every segment is in one run, except those that claim
 * to end before they begin.
 */
export function groupContiguous(segments: readonly Segment[]): ContiguousSegments[] {
  const distinct = new Map(segments.map((segment) => [segmentKey(segment), segment]));
  const placed = [...distinct.values()].map(place).filter(({ from, to }) => from <= to);
  const runs = [...Map.groupBy(placed, ({ segment }) => nameHistory(segment.chain)).values()].flatMap(
    linkChain,
  );
  runs.sort(compareRuns);
  return runs.map((run, index) => {
    const chain = chainOf(run);
    return { chain, placed: run, ends: explainEnd(run, runs.slice(index + 1)) };
  });
}

function place(segment: Segment): PlacedSegment {
  return {
    segment,
    from: parseLsn(segment.from),
    to: parseLsn(segment.to),
    fromXmax: BigInt(segment.fromXmax),
    through: parseTimestamp(segment.through),
  };
}

/** Segments with equal names may follow one another. */
function nameHistory({ id, systemIdentifier, timeline, databaseOid }: Segment['chain']): string {
  return [id, systemIdentifier, timeline, databaseOid].join(' ');
}

interface Link {
  readonly placed: PlacedSegment;
  /** The segment that continues this one and reaches furthest */
  readonly next: Link | undefined;
  /** The position that it reaches */
  readonly end: bigint;
}

function linkChain(placed: readonly PlacedSegment[]): PlacedSegment[][] {
  const links: Link[] = [];
  const furthest = new Map<bigint, Link>();
  for (const one of placed.toSorted((a, b) => comparePositions(b, a))) {
    const next = furthest.get(one.to);
    const link = { placed: one, next, end: next?.end ?? one.to };
    links.push(link);
    const rival = furthest.get(one.from);
    // Among ways that reach equally far, the one of shorter segments shows more exactly what can be reached.
    if (rival === undefined || link.end >= rival.end) furthest.set(one.from, link);
  }
  const taken = new Set<Link>();
  const runs: PlacedSegment[][] = [];
  for (const first of links.toReversed()) {
    const run: PlacedSegment[] = [];
    for (let link: Link | undefined = first; link && !taken.has(link); link = link.next) {
      taken.add(link);
      run.push(link.placed);
    }
    if (run.length > 0) runs.push(run);
  }
  return runs;
}

function comparePositions(one: PlacedSegment, other: PlacedSegment): number {
  return compare(one.from, other.from) || compare(one.to, other.to);
}

function compareRuns(one: readonly PlacedSegment[], other: readonly PlacedSegment[]): number {
  return compare(chainOf(one).id, chainOf(other).id) || compare(one[0]?.from ?? 0n, other[0]?.from ?? 0n);
}

function chainOf([first]: readonly PlacedSegment[]): Segment['chain'] {
  if (first === undefined) throw new Error('a run without segments');
  return first.segment.chain;
}

/** @param later the runs that follow this one */
function explainEnd(
  run: readonly PlacedSegment[],
  later: readonly (readonly PlacedSegment[])[],
): string | null {
  const { id } = chainOf(run);
  const end = run.at(-1);
  for (const next of later) {
    const chain = chainOf(next);
    const [first] = next;
    if (!end || !first) continue;
    if (chain.id !== id) return chain.because ?? 'captures began anew';
    if (first.from > end.to) {
      return `the changes between ${end.segment.to} and ${first.segment.from} of the write-ahead log are missing`;
    }
  }
  return null;
}
