import { createHash } from 'node:crypto';
import { type CopyJob, isWholeTable, type Slice, weighSlice } from '../../postgres/catalog/ranges.ts';
import { qualifiedName } from '../../postgres/catalog/tables.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { hour } from '../../values/duration.ts';
import type { BufferPool } from '../rows/buffer-pool.ts';
import { copyRows } from '../rows/copy.ts';
import type { PlainObject } from '../rows/object-sink.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { ReusedSlice } from './range-choice.ts';

/** Slices that were read together into objects of their own: read again, they must give the very same objects. */
type Unit = readonly ReusedSlice[];

/**
 * Chooses the part of what is reused that this run reads all the same. Another part each hour, in no order: turns that follow one
 * another would leave most of them out for good where backups are made every day at the same hour.
 *
 * @param share above 0, at most 1
 * @param now decides whose turn it is
 */
export function chooseUnits(reused: readonly ReusedSlice[], share: number, now: Date): Unit[] {
  const units = gatherUnits(reused);
  const period = Math.max(1, Math.round(1 / share));
  const hours = Math.floor(now.getTime() / hour);
  const turn =
    createHash('sha256').update(String(hours)).digest().readUInt32BE(0) % Math.min(period, units.length);
  return units.filter((_, index) => index % period === turn);
}

/**
 * A unit is all slices that were read in one go: those that are connected by objects that they share, in the order in which their pieces
 * lie in these. Where one of them has been read anew since, the others do not fill their objects any more and are in no unit.
 */
function gatherUnits(reused: readonly ReusedSlice[]): Unit[] {
  const users = new Map<string, ReusedSlice[]>();
  for (const slice of reused) {
    for (const name of namesOf(slice)) {
      const sharing = users.get(name);
      if (sharing === undefined) users.set(name, [slice]);
      else sharing.push(slice);
    }
  }
  const units: Unit[] = [];
  const seen = new Set<ReusedSlice>();
  for (const slice of reused) {
    if (slice.pieces.length === 0 || seen.has(slice)) continue;
    const together = new Set([slice]);
    for (const member of together) {
      seen.add(member);
      for (const name of namesOf(member)) for (const other of users.get(name) ?? []) together.add(other);
    }
    const unit = sortByPlace([...together]);
    if (unit !== undefined && isComplete(unit)) units.push(unit);
  }
  return units;
}

function namesOf(slice: ReusedSlice): string[] {
  return [...new Set(slice.pieces.map(nameOf))];
}

/** Undefined when the objects do not follow one another: the same content may have been stored for others, too. */
function sortByPlace(slices: readonly ReusedSlice[]): ReusedSlice[] | undefined {
  const next = new Map<string, string>();
  for (const names of slices.map(namesOf)) {
    for (const [index, name] of names.slice(1).entries()) next.set(names[index] ?? '', name);
  }
  const followers = new Set(next.values());
  const all = new Set(slices.flatMap(namesOf));
  const order = new Map<string, number>();
  let name = [...all].find((candidate) => !followers.has(candidate));
  for (; name !== undefined && !order.has(name); name = next.get(name)) order.set(name, order.size);
  if (order.size !== all.size) return undefined;
  const placeOf = ({ pieces: [first] }: ReusedSlice) => (first ? (order.get(nameOf(first)) ?? 0) : 0);
  return slices.toSorted((one, other) => placeOf(one) - placeOf(other) || startOf(one) - startOf(other));
}

function nameOf(piece: { holder: { object?: PlainObject } }): string {
  return piece.holder.object?.name ?? '';
}

function startOf(slice: ReusedSlice): number {
  return slice.pieces[0]?.offset ?? 0;
}

/** Whether the pieces, one after another, are whole objects: then nothing else was read into them. */
function isComplete(unit: Unit): boolean {
  const lengths = new Map<string, number>();
  for (const piece of unit.flatMap((slice) => slice.pieces)) {
    const before = lengths.get(nameOf(piece)) ?? 0;
    if (piece.offset !== before) return false;
    lengths.set(nameOf(piece), before + piece.length);
  }
  const sizes = new Map(
    unit
      .flatMap((slice) => slice.pieces)
      .map((piece) => [nameOf(piece), piece.holder.object as { bytes?: number }]),
  );
  return [...lengths].every(([name, length]) => sizes.get(name)?.bytes === length);
}

/**
 * Reads units again and compares them with what is stored, by the names of their objects, which are digests of their content. Nothing
 * is fetched and nothing is stored.
 *
 * @param name gives content the name that it has in the repository
 * @returns what differs, for people; empty when all is as it should be
 */
export async function recheckUnits(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  units: readonly Unit[],
  options: { name: (plaintext: Buffer) => string; workers: number; pool: BufferPool; signal: AbortSignal },
): Promise<string[]> {
  const expected = new Map<Slice, ReusedSlice>(units.flat().map((member) => [member.slice, member]));
  const jobs = units.map(
    (unit): CopyJob => ({
      slices: unit.map((member) => member.slice),
      weight: unit.reduce((sum, member) => sum + weighSlice(member.slice), 0),
    }),
  );
  const copied = await copyRows(snapshot, settings, jobs, {
    ...options,
    store: async (plaintext): Promise<PlainObject> => ({ name: options.name(plaintext) }),
    onProgress: () => undefined,
  });
  return copied.flatMap(({ slice, rows, pieces }) => {
    const stored = expected.get(slice);
    return stored?.rows === rows && describePieces(stored.pieces) === describePieces(pieces)
      ? []
      : [describeSlice(slice)];
  });
}

function describePieces(pieces: ReusedSlice['pieces']): string {
  return pieces.map((piece) => `${nameOf(piece)} ${piece.offset} ${piece.length}`).join(',');
}

function describeSlice(slice: Slice): string {
  const pages = isWholeTable(slice) ? '' : `, pages ${slice.from} to ${slice.to ?? 'the end'}`;
  return `${qualifiedName(slice.table)}${pages}`;
}
