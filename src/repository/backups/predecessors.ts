import type { Manifest, StoredObject } from '../../format/manifest.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import type { Repository } from '../open.ts';
import { SealedReading } from '../signature.ts';
import { type ManifestOutline, outlineOf, readIfPresent } from './manifests.ts';

/** What the backups before this one tell it. */
export interface Predecessors {
  /** The newest that is whole; undefined when there is none. */
  readonly newest: Pick<Manifest, 'id' | 'encryption'> | undefined;
  /** The newest of them that has rows */
  readonly base: Manifest | undefined;
  /** The objects of the last few, by name: what need not be compressed and stored again */
  readonly known: ReadonlyMap<string, StoredObject>;
  /** What the last few say of themselves, by id */
  readonly outlines: ReadonlyMap<string, ManifestOutline>;
}

/** What a backup stores again is nearly always what one of the last few holds; the rest is found when it is written. */
const rememberedBackups = 3;

/** What stays in memory of each; of the base all does. */
type Remembered = Pick<Manifest, 'id' | 'encryption' | 'objects'> & { readonly outline: ManifestOutline };

/**
 * Reads the newest manifests, several at a time. A damaged one refers to nothing and is reported. An object that only older backups hold is
 * found there when it is about to be stored (see `ObjectWriter`), so that the time and memory that this takes do not grow with the number of
 * backups.
 *
 * @param listing the manifests there are, by id
 */
export async function readPredecessors(
  repository: Repository,
  listing: ReadonlyMap<string, StoredValue>,
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Predecessors> {
  const waiting = [...[...listing.keys()].sort().reverse().entries()];
  const reading = new SealedReading();
  /** By rank, 0 being the newest */
  const remembered = new Map<number, Remembered>();
  let base: { readonly rank: number; readonly manifest: Manifest } | undefined;
  const read = async (rank: number, id: string): Promise<void> => {
    try {
      const size = listing.get(id)?.size;
      const manifest = await reading.next('manifest', size, () => readIfPresent(repository, id));
      if (manifest === undefined) return;
      const { encryption, objects } = manifest;
      remembered.set(rank, { id, encryption, objects, outline: outlineOf(manifest) });
      if (manifest.kind !== 'schema' && !(base && base.rank < rank)) base = { rank, manifest };
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      onDamaged(error);
    }
  };
  for (;;) {
    const missing = rememberedBackups - remembered.size;
    const next = waiting.splice(0, Math.max(missing, base === undefined ? 1 : 0));
    if (next.length === 0) break;
    await runWorkers(next.length, signal, async (stop) => {
      const [rank, id] = next.shift() as [number, string];
      stop.throwIfAborted();
      await read(rank, id);
    });
  }
  const newestFirst = [...remembered].sort(([one], [other]) => one - other).map(([, manifest]) => manifest);
  return {
    newest: newestFirst[0],
    base: base?.manifest,
    known: indexObjects(newestFirst),
    outlines: new Map(newestFirst.map(({ id, outline }) => [id, outline])),
  };
}

/** The newest description of an object counts: it may have been stored anew since the older one. */
function indexObjects(manifests: readonly Remembered[]): Map<string, StoredObject> {
  const known = new Map<string, StoredObject>();
  for (const { objects } of manifests) {
    for (const object of objects) if (!known.has(object.name)) known.set(object.name, object);
  }
  return known;
}
