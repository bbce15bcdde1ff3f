import { IntegrityError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import { listManifests, manifestKey, readObjectNames } from '../backups/manifests.ts';
import { listSegmentFiles, readSegment } from '../changes/segments.ts';
import type { Repository } from '../open.ts';
import { type SealedKind, SealedReading } from '../signature.ts';

/** A manifest, or the header of a segment, that cannot be trusted */
export interface DamagedHeader {
  /** The id of a backup, or the key of a segment */
  readonly id: string;
  readonly message: string;
}

/** The objects that backups and segments need. */
export interface ReferencedObjects {
  readonly names: ReadonlySet<string>;
  readonly damaged: readonly DamagedHeader[];
  /** Keys of manifests and segments that were removed between the listing and the reading */
  readonly vanished: readonly string[];
  /** How many manifests are listed, including those treated as removed */
  readonly manifests: number;
}

/** How many manifests and headers of segments are in memory at once */
const readers = 16;

/** A file that refers to objects */
interface Reference {
  readonly id: string;
  readonly key: string;
  readonly kind: SealedKind;
  /** bytes */
  readonly size: number;
  /** undefined when the file is gone */
  readonly read: () => Promise<readonly string[] | undefined>;
}

/**
 * Reads which objects are needed.
 *
 * @param removed ids of backups and keys of segments to treat as removed
 */
export async function readReferencedObjects(
  repository: Repository,
  signal: AbortSignal,
  removed: ReadonlySet<string> = new Set(),
): Promise<ReferencedObjects> {
  const names = new Set<string>();
  const damaged: DamagedHeader[] = [];
  const vanished: string[] = [];
  const listed = await listReferences(repository);
  const namings = listed.filter(({ id }) => !removed.has(id));
  const reading = new SealedReading();
  const queue = namings.values();
  await runWorkers(Math.min(readers, namings.length), signal, async (stop) => {
    for (const { id, key, kind, size, read } of queue) {
      stop.throwIfAborted();
      try {
        const found = await reading.next(kind, size, read);
        if (!found) vanished.push(key);
        for (const name of found ?? []) names.add(name);
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        damaged.push({ id, message: error.message });
      }
    }
  });
  return { names, damaged, vanished, manifests: listed.filter(({ kind }) => kind === 'manifest').length };
}

async function listReferences(repository: Repository): Promise<Reference[]> {
  const [manifests, files] = await Promise.all([listManifests(repository), listSegmentFiles(repository)]);
  return [
    ...[...manifests].map(([id, { size }]) => ({
      id,
      key: manifestKey(id),
      kind: 'manifest' as const,
      size,
      read: () => readObjectNames(repository, id),
    })),
    ...files.map(({ key, size }) => ({
      id: key,
      key,
      kind: 'segment' as const,
      size,
      read: async () => (await readSegment(repository, key))?.objects.map(({ name }) => name),
    })),
  ];
}
