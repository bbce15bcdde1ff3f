import { promisify } from 'node:util';
import zlib from 'node:zlib';
import * as v from 'valibot';
import { parseBounded } from '../../format/bounded-json.ts';
import { count, time } from '../../format/manifest.ts';
import type { Log } from '../../runtime/context.ts';
import { IntegrityError, messageOf, StorageError } from '../../runtime/errors.ts';
import { drain, runTogether, runWorkers } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import type { Repository } from '../open.ts';
import { readSealed, SealedReading, sealContent } from '../signature.ts';
import { type ManifestOutline, outlineSchema, readOutline } from './manifests.ts';

/**
 * `outlines.json`: what the manifests of all backups say of them, so that one who looks at many does not download each whole. It is a
 * cache. An outline in it counts only for a manifest that the storage lists with the very size and time that are written beside the
 * outline; all others are read. Whoever writes the repository replaces it; of two who do so at once one loses his outlines, and the next
 * reader reads those manifests. Anybody may delete it.
 */
const location = 'outlines.json';

/** An outline, and the file that it is of as the storage lists it. */
export interface KnownOutline {
  readonly outline: ManifestOutline;
  /** bytes of the manifest */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** What all manifests of a repository say. */
export interface Outlines {
  /** In no particular order */
  readonly known: readonly KnownOutline[];
  /** Manifests that cannot be trusted */
  readonly damaged: readonly { readonly id: string; readonly message: string }[];
  /** Ids of those whose manifest was not read: the cache, and its size and time, speak for it. */
  readonly unread: ReadonlySet<string>;
  /** Whether these, and no others, are what `outlines.json` has */
  readonly areSaved: boolean;
}

/** How many manifests are read at once. */
const readers = 16;

/** bytes of all outlines as JSON: of some 60,000 backups */
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
 * Reads the outlines of all backups. One that is removed meanwhile may be left out.
 *
 * @param listing the manifests there are, by id
 * @param onDamaged told of every manifest that cannot be trusted, and of the cache, when that cannot be
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
 * Reads the manifests of some backups whose outlines the cache told, for one who relies on them: a disk changes bytes, and neither size
 * nor time of a file.
 *
 * @returns those that cannot be trusted
 */
export async function checkUnread(
  repository: Repository,
  { known, unread }: Outlines,
  ids: ReadonlySet<string>,
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Outlines['damaged']> {
  const doubtful = known.filter(({ outline: { id } }) => unread.has(id) && ids.has(id));
  const manifests = new Map(doubtful.map((one) => [one.outline.id, one]));
  return (await readWhole(manifests, (id) => readOutline(repository, id), onDamaged, signal)).damaged;
}

type ReadOutline = (id: string) => Promise<ManifestOutline | undefined>;

/**
 * Sees to it that the cache has all backups that there are, as far as it can be read and written. Backups are found without it: nothing of
 * this fails anything.
 *
 * @param listing the manifests there are, by id
 * @param atHand outlines of manifests that were read since
 */
export async function completeOutlines(
  repository: Repository,
  listing: ReadonlyMap<string, StoredValue>,
  atHand: ReadonlyMap<string, ManifestOutline>,
  log: Pick<Log, 'debug'>,
  signal: AbortSignal,
): Promise<void> {
  // Which manifests are damaged is told when one is to be built upon, and by validate.
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

/** Replaces the cache, where the storage takes it. */
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

/** Two manifests of one size and time, to what the storage tells of it, are one. */
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
  const queue = [...manifests];
  await runWorkers(Math.min(readers, queue.length), signal, async (stop) => {
    for (const [id, { size, modifiedAt }] of drain(queue)) {
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

/** What the cache has; nothing when it is not there or cannot be trusted. */
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
  const file = await readSealed(repository, 'outlines', location, fileSchema, describeDamage);
  if (file === undefined) return undefined;
  // With a key that several repositories have, its seal fits all the same.
  if (file.repository !== repository.id) throw describeDamage('it is of another repository');
  try {
    const compressed = Buffer.from(file.outlines, 'base64');
    const text = await decompress(compressed, { maxOutputLength: largestText });
    return v
      .parse(entriesSchema, parseBounded(text), { abortEarly: true })
      .map(({ size, modifiedAt, outline }) => ({ size, modifiedAt: new Date(modifiedAt), outline }));
  } catch (cause) {
    throw describeDamage(`it is sealed but not of format 1 (${messageOf(cause).slice(0, 200)})`, cause);
  }
}

function describeDamage(how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `${location}: ${how}`,
    'Nothing is lost: it repeats what manifests say, which are read instead, and the next backup writes it anew.',
    cause,
  );
}
