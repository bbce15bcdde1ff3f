import type { Manifest, SequenceState, StoredObject } from '../../format/manifest.ts';
import { countPages, planRanges, type RowRange } from '../../postgres/catalog/ranges.ts';
import { formatCount, formatCounted } from '../../report/quantity.ts';
import type { Base } from '../../repository/backups/base.ts';
import { toolVersion } from '../../runtime/version.ts';
import { chooseRanges, matchTables, type TableChoice } from '../../source/incremental/range-choice.ts';
import { countRanges, type RangeCount } from '../../source/incremental/range-counts.ts';
import { checkSample, chooseUnits } from '../../source/incremental/sample-check.ts';
import { followLineage } from '../../source/lineage.ts';
import type { BufferPool } from '../../source/rows/buffer-pool.ts';
import type { PendingPiece } from '../../source/rows/object-sink.ts';
import type { Snapshot } from '../../source/snapshot/snapshot.ts';
import type { CopyRequest } from './copy-request.ts';

/** What a backup reads, and what it takes over from its base. */
export interface CopyPlan {
  readonly choices: readonly TableChoice[];
  /** The base; undefined when everything is read. */
  readonly base: Manifest | undefined;
  /** Why a backup that was to be incremental reads everything; null otherwise */
  readonly fullBecause: string | null;
  /** Stored ranges that differ from what was read again, for people; empty in a sound repository. */
  readonly mismatches: readonly string[];
  /**
   * Reads a sample of what is taken over, to check the decision. If the sample differs, the rule cannot be
   * relied upon, and the returned plan reads everything.
   */
  recheck(signal: AbortSignal): Promise<CopyPlan>;
}

/** Plans to read everything. */
export function planFull(
  snapshot: Snapshot,
  fullBecause: string | null,
  mismatches: readonly string[] = [],
): CopyPlan {
  const choices = snapshot.tables.map((table) => ({
    table,
    reused: [],
    read: planRanges(table),
    why: undefined,
  }));
  const plan: CopyPlan = { choices, base: undefined, fullBecause, mismatches, recheck: async () => plan };
  return plan;
}

/** Workers of the sample check, beside those that read what has changed */
const recheckWorkers = 2;

/** How a backup relates to the base it was given. */
export type Relation =
  | { readonly kind: 'unrelated'; readonly why: string }
  | {
      readonly kind: 'idle' | 'active';
      readonly base: Manifest;
      readonly isStored: (object: StoredObject) => boolean;
      /** The base has the rows of transactions numbered below this. */
      readonly since: bigint;
    };

/** Finds out whether a backup can be built upon the base at all. */
export function relate(found: Base, snapshot: Snapshot): Relation {
  if (found.manifest === undefined) return { kind: 'unrelated', why: found.why };
  const { manifest, isStored } = found;
  const lineage = followLineage(manifest.source, snapshot, snapshot.tokens, snapshot.ours.transactions);
  switch (lineage.kind) {
    case 'broken':
      return { kind: 'unrelated', why: `backup ${manifest.id} cannot be built on: ${lineage.why}` };
    case 'idle':
      return { kind: 'idle', base: manifest, isStored, since: 0n };
    case 'active':
      return { kind: 'active', base: manifest, isStored, since: lineage.since };
  }
}

/** Decides for each range whether it has changed since the base. */
export async function planIncremental(
  { source, settings, snapshot, destination }: CopyRequest,
  relation: Relation,
  options: { workers: number; pool: BufferPool; signal: AbortSignal },
): Promise<CopyPlan> {
  const { name, context } = destination;
  if (relation.kind === 'unrelated') return planFull(snapshot, relation.why);
  const { base } = relation;
  const idle = relation.kind === 'idle';
  const plans = matchTables(base, snapshot.tables, relation.isStored, idle);
  const candidates = plans.flatMap((plan) => plan.candidates.map(({ rowRange }) => rowRange));
  const choices = chooseRanges(base, plans, idle ? undefined : await count(candidates, relation.since));
  const plan: CopyPlan = { choices, base, fullBecause: null, mismatches: [], recheck };
  return plan;

  async function recheck(signal: AbortSignal): Promise<CopyPlan> {
    const reused = choices.flatMap((choice) => choice.reused);
    const units = chooseUnits(reused, source.recheck, context.now());
    const mismatches = await checkSample(snapshot, settings, units, {
      name,
      pool: options.pool,
      signal,
      workers: Math.min(options.workers, recheckWorkers),
    });
    for (const mismatch of mismatches) {
      context.log.error(
        `${mismatch}: its rows are not what backup ${base.id} stored, although nothing says that they changed`,
      );
    }
    if (mismatches.length === 0) return plan;
    return planFull(snapshot, `what was read again differs from backup ${base.id}`, mismatches);
  }

  function count(rowRanges: readonly RowRange[], since: bigint): Promise<Map<RowRange, RangeCount>> {
    const total = rowRanges.reduce((sum, rowRange) => sum + countPages(rowRange), 0);
    let done = 0;
    return context.log.group(
      `Looking for changes in ${formatCounted(rowRanges.length, 'range')} since backup ${base.id}`,
      () =>
        countRanges(snapshot, settings, rowRanges, since, {
          workers: options.workers,
          signal: options.signal,
          onProgress(pages) {
            done += pages;
            context.log.progress(`${formatCount(done)} of ${formatCount(total)} pages`);
          },
        }),
    );
  }
}

/**
 * Finds the archive of the base if it is still current: no transaction has written since the base, and no
 * sequence has moved. Sequences are compared because they move outside of transactions. Undefined when
 * pg_dump has to write a new archive. A recheck that finds other rows refutes what is found here, and so does
 * another digest of the definitions.
 */
export function findArchive(
  relation: Relation,
  sequences: readonly SequenceState[],
): readonly PendingPiece[] | undefined {
  if (relation.kind !== 'idle' || relation.base.tool.version !== toolVersion) return undefined;
  const manifest = relation.base;
  const stateOf = ({ schema, name, lastValue, isCalled }: SequenceState) =>
    JSON.stringify([schema, name, lastValue, isCalled]);
  const recorded = new Set(manifest.facts.sequences.filter((then) => then.latest === null).map(stateOf));
  const stood =
    recorded.size === manifest.facts.sequences.length &&
    recorded.size === sequences.length &&
    sequences.every((now) => recorded.has(stateOf(now)));
  const objects = manifest.archive.objects.map((index) => manifest.objects[index] as StoredObject);
  if (!stood || !objects.every(relation.isStored)) return undefined;
  return objects.map((object) => ({ holder: { object }, offset: 0, length: object.bytes }));
}
