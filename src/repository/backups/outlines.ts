import { promisify } from 'node:util';
import zlib from 'node:zlib';
import * as v from 'valibot';
import { parseBounded } from '../../format/bounded-json.ts';
import { count, time } from '../../format/manifest.ts';
import type { Log } from '../../runtime/context.ts';
import { IntegrityError, messageOf, StorageError } from '../../runtime/errors.ts';
import { runTogether, runWorkers } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import type { Repository } from '../open.ts';
import { readSealed, SealedReading, sealContent } from '../signature.ts';
import { type ManifestOutline, outlineSchema, readOutline } from './manifests.ts';

/**
 * `outlines.json`: the outlines of all manifests, so that a reader of many does not download each whole. It
 * is a cache. An outline counts only for a manifest that the storage lists with exactly the size and time
 * recorded beside the outline; all other manifests are read. A run that writes to the repository replaces the
 * file; of two that do so at once one loses its outlines, and the next reader reads those manifests. The file
 * may be deleted at any time.
 */
const location = 'outlines.json';

/** An outline, with the size and time of its manifest as the storage lists it. */
export interface KnownOutline {
  readonly outline: ManifestOutline;
  /** bytes of the manifest */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** The outlines of all manifests of a repository. */
export interface Outlines {
  /** In no particular order */
  readonly known: readonly KnownOutline[];
  /** Manifests that cannot be trusted */
  readonly damaged: readonly { readonly id: string; readonly message: string }[];
  /** Ids of backups whose manifest was not read: only the cache vouches for them, with its size and time. */
  readonly unread: ReadonlySet<string>;
  /** Whether `outlines.json` has exactly these */
  readonly areSaved: boolean;
}

/** How many manifests are read at once. */
const readers = 16;

/** Bytes of all outlines as JSON: enough for some 60,000 backups */
const largestText = 64 * 1024 * 1024;

const fileSchema = v.object({
  format: v.literal(1),
  repository: v.string(),
  /** zstd of the JSON text of the entries, in base64 */
  outlines: v.string(),
});

const entriesSchema = v.array(v.object({ size: count, modifiedAt: time, outline: outlineSchema }));

const compress = promisify(zlib.zstdCompress);
const decompress = promisify(zlib.zstdDecompress);

/**
 * Reads the outlines of all backups. A backup that is removed meanwhile may be left out.
 *
 * @param listing the manifests that exist, by id
 * @param onDamaged receives every manifest that cannot be trusted, and the cache when it cannot
 * @throws StorageError when a manifest cannot be read at all
 */
export async function readOutlines(
  repository: Repository,
  listing: Promise<ReadonlyMap<string, StoredValue>>,
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal,
  read: ReadOutline = (id) => readOutline(repository, id),
): Promise<Outlines> {
  const [manifests, saved] = await runTogether<[ReadonlyMap<string, StoredValue>, readonly KnownOutline[]]>(
    signal,
    [() => listing, () => readSaved(repository, onDamaged)],
  );
  const known = saved.filter((one) => isOf(one, manifests.get(one.outline.id)));
  const areSaved = known.length === saved.length && known.length === manifests.size;
  const missing = new Map(manifests);
  for (const { outline } of known) missing.delete(outline.id);
  const found = await readWhole(missing, read, onDamaged, signal);
  return {
    known: [...known, ...found.known],
    damaged: found.damaged,
    unread: new Set(known.map(({ outline }) => outline.id)),
    areSaved,
  };
}

/**
 * Reads the manifests of the given backups whose outlines came from the cache, for a caller that relies on
 * them: a disk may change bytes and leave the size and time of a file as they were.
 *
 * @returns the manifests that cannot be trusted
 */
export async function checkUnread(
  repository: Repository,
  { known, unread }: Outlines,
  ids: ReadonlySet<string>,
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Outlines['damaged']> {
  const unverified = known.filter(({ outline: { id } }) => unread.has(id) && ids.has(id));
  const manifests = new Map(unverified.map((one) => [one.outline.id, one]));
  return (await readWhole(manifests, (id) => readOutline(repository, id), onDamaged, signal)).damaged;
}

type ReadOutline = (id: string) => Promise<ManifestOutline | undefined>;

/**
 * Completes the cache with all backups that exist, as far as it can be read and written. Backups are found
 * without it, so a failure of the storage is only logged.
 *
 * @param listing the manifests that exist, by id
 * @param atHand outlines of manifests that were read already
 */
export async function completeOutlines(
  repository: Repository,
  listing: ReadonlyMap<string, StoredValue>,
  atHand: ReadonlyMap<string, ManifestOutline>,
  log: Pick<Log, 'debug'>,
  signal: AbortSignal,
): Promise<void> {
  // Damaged manifests are reported when a backup would build upon one, and by validate.
  const ignore = () => undefined;
  const read: ReadOutline = async (id) => atHand.get(id) ?? readOutline(repository, id);
  try {
    const { known, areSaved } = await readOutlines(
      repository,
      Promise.resolve(listing),
      ignore,
      signal,
      read,
    );
    if (!areSaved) await keepOutlines(repository, known, log);
  } catch (error) {
    if (!signal.aborted && !(error instanceof StorageError)) throw error;
    log.debug(`outlines of backups were not read: ${messageOf(error)}`);
  }
}

/** Replaces the cache. A refusal of the storage is only logged. */
export async function keepOutlines(
  repository: Repository,
  known: readonly KnownOutline[],
  log: Pick<Log, 'debug'>,
): Promise<void> {
  const entries = known.map(({ size, modifiedAt, outline }) => ({ size, modifiedAt, outline }));
  const compressed = await compress(Buffer.from(JSON.stringify(entries)));
  const content = { format: 1, repository: repository.id, outlines: compressed.toString('base64') };
  try {
    await repository.storage.put(location, sealContent(repository, 'outlines', content));
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    log.debug(`outlines of backups were not kept: ${error.message}`);
  }
}

/**
 * Tells whether the manifest is the one of the outline: manifests of one id with equal size and time are
 * taken for the same.
 */
function isOf({ size, modifiedAt }: KnownOutline, listed: StoredValue | undefined): boolean {
  return listed?.size === size && listed.modifiedAt.getTime() === modifiedAt.getTime();
}

async function readWhole(
  manifests: ReadonlyMap<string, Pick<StoredValue, 'size' | 'modifiedAt'>>,
  read: ReadOutline,
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Pick<Outlines, 'known' | 'damaged'>> {
  const known: KnownOutline[] = [];
  const damaged: { id: string; message: string }[] = [];
  const reading = new SealedReading();
  const queue = manifests.entries();
  await runWorkers(Math.min(readers, manifests.size), signal, async (stop) => {
    for (const [id, { size, modifiedAt }] of queue) {
      stop.throwIfAborted();
      try {
        const outline = await reading.next('manifest', size, () => read(id));
        if (outline) known.push({ outline, size, modifiedAt });
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        damaged.push({ id, message: error.message });
        onDamaged(error);
      }
    }
  });
  return { known, damaged };
}

/** Reads the outlines of the cache; none when it is absent or cannot be trusted. */
async function readSaved(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
): Promise<readonly KnownOutline[]> {
  try {
    return (await openSaved(repository)) ?? [];
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    onDamaged(error);
    return [];
  }
}

async function openSaved(repository: Repository): Promise<readonly KnownOutline[] | undefined> {
  const file = await readSealed(repository, 'outlines', location, fileSchema, toDamageError);
  if (file === undefined) return undefined;
  // When several repositories share a key, the cache of another one has a valid seal too.
  if (file.repository !== repository.id) throw toDamageError('it is of another repository');
  try {
    const compressed = Buffer.from(file.outlines, 'base64');
    const text = await decompress(compressed, { maxOutputLength: largestText });
    return v
      .parse(entriesSchema, parseBounded(text), { abortEarly: true })
      .map(({ size, modifiedAt, outline }) => ({ size, modifiedAt: new Date(modifiedAt), outline }));
  } catch (cause) {
    throw toDamageError(`it is sealed but not of format 1 (${messageOf(cause).slice(0, 200)})`, cause);
  }
}

function toDamageError(how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `${location}: ${how}`,
    'Nothing is lost: the manifests have the same data and are read instead. The next backup writes it again.',
    cause,
  );
}
