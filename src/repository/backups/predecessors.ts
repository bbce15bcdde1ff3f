import type { Manifest, StoredObject } from '../../format/manifest.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import type { Repository } from '../open.ts';
import { SealedReading } from '../signature.ts';
import { type ManifestOutline, outlineOf, readIfPresent } from './manifests.ts';

/** What a new backup uses of the ones before it. */
export interface Predecessors {
  /** The newest intact backup; undefined when there is none. */
  readonly newest: Pick<Manifest, 'id' | 'encryption'> | undefined;
  /** The newest intact backup with rows */
  readonly base: Manifest | undefined;
  /** The objects of the last few backups, by name; they need not be compressed and stored again */
  readonly known: ReadonlyMap<string, StoredObject>;
  /** The outlines of the last few backups, by id */
  readonly outlines: ReadonlyMap<string, ManifestOutline>;
}

/**
 * How many backups are remembered. An object that a backup needs again is nearly always one of the last few
 * backups; others are found when they are written.
 */
const rememberedBackups = 3;

/** What stays in memory of each backup; the base stays whole. */
type Remembered = Pick<Manifest, 'id' | 'encryption' | 'objects'> & { readonly outline: ManifestOutline };

/**
 * Reads the newest manifests, several at a time. A damaged manifest is reported and contributes no objects.
 * An object that only older backups hold is found when it is about to be stored (see `ObjectWriter`), so the
 * time and memory needed here do not grow with the number of backups.
 *
 * @param listing the manifests that exist, by id
 */
export async function readPredecessors(
  repository: Repository,
  listing: ReadonlyMap<string, StoredValue>,
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Predecessors> {
  const waiting = [...[...listing.keys()].sort().reverse().entries()];
  const reading = new SealedReading();
  /** By rank; 0 is the newest */
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

/** Indexes objects by name. The newest description wins: the object may have been stored anew since. */
function indexObjects(manifests: readonly Remembered[]): Map<string, StoredObject> {
  const known = new Map<string, StoredObject>();
  for (const { objects } of manifests) {
    for (const object of objects) if (!known.has(object.name)) known.set(object.name, object);
  }
  return known;
}
