import { createHash } from 'node:crypto';
import { type CopyJob, estimateBytes, isWholeTable, type RowRange } from '../../postgres/catalog/ranges.ts';
import { qualifiedName } from '../../postgres/catalog/tables.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { hour } from '../../values/duration.ts';
import type { BufferPool } from '../rows/buffer-pool.ts';
import { copyRows } from '../rows/copy.ts';
import type { PlainObject } from '../rows/object-sink.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { ReusedRange } from './range-choice.ts';

/**
 * Ranges that were read together into objects of their own: reading them again must give the same objects.
 */
type SampleUnit = readonly ReusedRange[];

/**
 * Chooses the sample of reused ranges that this run reads all the same. The sample changes every hour in a
 * pseudo-random order: in a fixed rotation, a backup at the same hour every day would never read most of
 * them.
 *
 * @param share above 0, at most 1
 * @param now decides whose turn it is
 */
export function chooseUnits(reused: readonly ReusedRange[], share: number, now: Date): SampleUnit[] {
  const units = gatherUnits(reused);
  const period = Math.max(1, Math.round(1 / share));
  const hours = Math.floor(now.getTime() / hour);
  const turn =
    createHash('sha256').update(String(hours)).digest().readUInt32BE(0) % Math.min(period, units.length);
  return units.filter((_, index) => index % period === turn);
}

/**
 * Gathers ranges that were read together: those connected by shared objects, in the order of their pieces in
 * these objects. If one of them has been read again since, the others no longer fill their objects and form
 * no unit.
 */
function gatherUnits(reused: readonly ReusedRange[]): SampleUnit[] {
  const users = new Map<string, ReusedRange[]>();
  for (const rowRange of reused) {
    for (const name of namesOf(rowRange)) {
      const sharing = users.get(name);
      if (sharing === undefined) users.set(name, [rowRange]);
      else sharing.push(rowRange);
    }
  }
  const units: SampleUnit[] = [];
  const seen = new Set<ReusedRange>();
  for (const rowRange of reused) {
    if (rowRange.pieces.length === 0 || seen.has(rowRange)) continue;
    const together = new Set([rowRange]);
    for (const member of together) {
      seen.add(member);
      for (const name of namesOf(member)) for (const other of users.get(name) ?? []) together.add(other);
    }
    const unit = sortByPlace([...together]);
    if (unit !== undefined && isComplete(unit)) units.push(unit);
  }
  return units;
}

function namesOf(rowRange: ReusedRange): string[] {
  return [...new Set(rowRange.pieces.map(nameOf))];
}

/**
 * Sorts ranges by their place in the objects. Undefined when the objects do not form a sequence: equal
 * content may have been stored for other ranges, too.
 */
function sortByPlace(rowRanges: readonly ReusedRange[]): ReusedRange[] | undefined {
  const next = new Map<string, string>();
  for (const names of rowRanges.map(namesOf)) {
    for (const [index, name] of names.slice(1).entries()) next.set(names[index] ?? '', name);
  }
  const followers = new Set(next.values());
  const all = new Set(rowRanges.flatMap(namesOf));
  const order = new Map<string, number>();
  let name = [...all].find((candidate) => !followers.has(candidate));
  for (; name !== undefined && !order.has(name); name = next.get(name)) order.set(name, order.size);
  if (order.size !== all.size) return undefined;
  const placeOf = ({ pieces: [first] }: ReusedRange) => (first ? (order.get(nameOf(first)) ?? 0) : 0);
  return rowRanges.toSorted((one, other) => placeOf(one) - placeOf(other) || startOf(one) - startOf(other));
}

function nameOf(piece: { holder: { object?: PlainObject } }): string {
  return piece.holder.object?.name ?? '';
}

function startOf(rowRange: ReusedRange): number {
  return rowRange.pieces[0]?.offset ?? 0;
}

/** Whether the pieces, one after another, are whole objects, so that no other range was read into them. */
function isComplete(unit: SampleUnit): boolean {
  const lengths = new Map<string, number>();
  for (const piece of unit.flatMap((rowRange) => rowRange.pieces)) {
    const before = lengths.get(nameOf(piece)) ?? 0;
    if (piece.offset !== before) return false;
    lengths.set(nameOf(piece), before + piece.length);
  }
  const sizes = new Map(
    unit
      .flatMap((rowRange) => rowRange.pieces)
      .map((piece) => [nameOf(piece), piece.holder.object as { bytes?: number }]),
  );
  return [...lengths].every(([name, length]) => sizes.get(name)?.bytes === length);
}

/**
 * Reads units again and compares them with the stored ones by the names of their objects, which are keyed
 * digests of the content. Nothing is fetched and nothing is stored.
 *
 * @param name gives content its name in the repository
 * @returns the ranges that differ, for people; empty when all are equal
 */
export async function checkSample(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  units: readonly SampleUnit[],
  options: { name: (plaintext: Buffer) => string; workers: number; pool: BufferPool; signal: AbortSignal },
): Promise<string[]> {
  const expected = new Map<RowRange, ReusedRange>(units.flat().map((member) => [member.rowRange, member]));
  const jobs = units.map(
    (unit): CopyJob => ({
      rowRanges: unit.map((member) => member.rowRange),
      weight: unit.reduce((sum, member) => sum + estimateBytes(member.rowRange), 0),
    }),
  );
  const copied = await copyRows(snapshot, settings, jobs, {
    ...options,
    store: async (plaintext): Promise<PlainObject> => ({ name: options.name(plaintext) }),
    onProgress: () => undefined,
  });
  return copied.flatMap(({ rowRange, rows, pieces }) => {
    const stored = expected.get(rowRange);
    return stored?.rows === rows && describePieces(stored.pieces) === describePieces(pieces)
      ? []
      : [nameRange(rowRange)];
  });
}

function describePieces(pieces: ReusedRange['pieces']): string {
  return pieces.map((piece) => `${nameOf(piece)} ${piece.offset} ${piece.length}`).join(',');
}

function nameRange(rowRange: RowRange): string {
  const pages = isWholeTable(rowRange) ? '' : `, pages ${rowRange.from} to ${rowRange.to ?? 'the end'}`;
  return `${qualifiedName(rowRange.table)}${pages}`;
}
