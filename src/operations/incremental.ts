import type { BackupInputs } from '../inputs.ts';
import type { SequenceState } from '../postgres/facts.ts';
import { countPages, planRanges, type Slice } from '../postgres/ranges.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import type { Manifest, StoredObject } from '../repository/manifest.ts';
import type { NameObject } from '../repository/objects.ts';
import type { BufferPool } from '../source/buffer-pool.ts';
import { countRanges, type RangeCount } from '../source/changes.ts';
import { chooseRanges, matchTables, type TableChoice } from '../source/incremental.ts';
import { followLineage } from '../source/lineage.ts';
import type { PendingPiece } from '../source/object-sink.ts';
import { chooseUnits, recheckUnits } from '../source/recheck.ts';
import type { Snapshot } from '../source/snapshot.ts';
import { toolVersion } from '../version.ts';
import type { World } from '../world.ts';
import type { Base } from './base.ts';

/** What a backup reads, and what it takes over from its base. */
export interface CopyPlan {
  readonly choices: readonly TableChoice[];
  /** The base it is built upon; undefined when everything is read. */
  readonly base: Manifest | undefined;
  /** Why a backup that was to be incremental reads everything; null otherwise */
  readonly fullBecause: string | null;
  /** No transaction has written since the base, so that its archive differs in sequences at most. */
  readonly idle: boolean;
  /** What was read again and is not what is stored, for people; empty in a sound repository. */
  readonly mismatches: readonly string[];
}

/** Reads everything. */
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
  return { choices, base: undefined, fullBecause, idle: false, mismatches };
}

/**
 * Decides range by range what did not change since the base, and has a part of that read again to see whether the decision was right.
 * When it was not, everything is read: then nothing of this rule can be relied upon.
 */
export async function planIncremental(
  inputs: BackupInputs,
  world: World,
  settings: ConnectionSettings,
  snapshot: Snapshot,
  found: Base,
  { name, pool }: { name: NameObject; pool: BufferPool },
): Promise<CopyPlan> {
  if (found.manifest === undefined) return planFull(snapshot, found.why);
  const base = found.manifest;
  const lineage = followLineage(base.source, snapshot, snapshot.ledger);
  if (lineage.kind === 'broken')
    return planFull(snapshot, `backup ${base.id} cannot be built upon: ${lineage.why}`);

  const idle = lineage.kind === 'idle';
  const plans = matchTables(base, snapshot.tables, found.isStored, idle);
  const counts =
    lineage.kind === 'idle'
      ? undefined
      : await count(
          plans.flatMap((plan) => plan.candidates.map(({ slice }) => slice)),
          lineage.since,
        );
  const choices = chooseRanges(base, plans, counts);
  const units = chooseUnits(
    choices.flatMap((choice) => choice.reused),
    inputs.recheck,
    world.now(),
  );
  const mismatches = await recheckUnits(snapshot, settings, units, {
    name,
    pool,
    workers: inputs.jobs,
    signal: snapshot.signal,
  });
  if (mismatches.length > 0) {
    for (const mismatch of mismatches) {
      world.log.error(
        `${mismatch}: its rows are not what backup ${base.id} stored, although nothing says that they changed`,
      );
    }
    return planFull(snapshot, `what was read again differs from backup ${base.id}`, mismatches);
  }
  return { choices, base, fullBecause: null, idle, mismatches };

  function count(slices: readonly Slice[], since: bigint): Promise<Map<Slice, RangeCount>> {
    const total = slices.reduce((sum, slice) => sum + countPages(slice), 0);
    let done = 0;
    return world.log.group(
      `Looking for changes in ${formatCounted(slices.length, 'range')} since backup ${base.id}`,
      () =>
        countRanges(snapshot, settings, slices, since, {
          workers: inputs.jobs,
          signal: snapshot.signal,
          onProgress(pages) {
            done += pages;
            world.log.progress(`${formatCount(done)} of ${formatCount(total)} pages`);
          },
        }),
    );
  }
}

/**
 * What a database that nobody has written to holds besides rows is in the archive of its base, unless a sequence has moved: sequences
 * are outside of transactions. Undefined when pg_dump has to write a new one.
 */
export function findArchive(
  base: Base,
  plan: CopyPlan,
  sequences: readonly SequenceState[],
): readonly PendingPiece[] | undefined {
  const { manifest } = base;
  if (manifest === undefined || !plan.idle || manifest.tool.version !== toolVersion) return undefined;
  const stateOf = ({ schema, name, lastValue, isCalled }: SequenceState) =>
    JSON.stringify([schema, name, lastValue, isCalled]);
  const recorded = new Set(manifest.facts.sequences.filter((then) => then.latest === null).map(stateOf));
  const stood =
    recorded.size === manifest.facts.sequences.length &&
    recorded.size === sequences.length &&
    sequences.every((now) => recorded.has(stateOf(now)));
  const objects = manifest.archive.objects.map((index) => manifest.objects[index] as StoredObject);
  if (!stood || !objects.every(base.isStored)) return undefined;
  return objects.map((object) => ({ holder: { object }, offset: 0, length: object.bytes }));
}
