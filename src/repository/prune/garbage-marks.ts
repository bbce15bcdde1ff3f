import * as v from 'valibot';
import { IntegrityError, StorageError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { createTimedId, stampOf, timedId } from '../../values/timed-id.ts';
import type { Repository } from '../open.ts';
import { readSealed, type SealedKind, SealedReading, sealContent } from '../signature.ts';

/**
 * The names of objects that no backup needed when a cleanup looked: `garbage/<time>-<random>.json`. An object
 * is removed only when its mark is older than the grace period and still no backup needs it. The time of the
 * mark file in the storage counts, so a wrong clock of a machine cannot shorten the grace period.
 */
export interface GarbageMark {
  readonly key: string;
  /** By the storage's clock */
  readonly markedAt: Date;
  /** Empty when the file cannot be trusted: it then marks nothing. */
  readonly names: readonly string[];
}

export interface Tally {
  readonly objects: number;
  /** Stored bytes */
  readonly bytes: number;
}

/** Objects that were marked together. */
export interface MarkedTally extends Tally {
  /** By the storage's clock */
  readonly markedAt: Date;
}

/** How many mark files are read at once. */
const readers = 16;

/** The most names in a mark file, which then has less than 4 MB. */
const maxNames = 50_000;

/** Two files of one second share an id once in 65,536 times. */
const maxAttempts = 8;

const sealedKind: SealedKind = 'record garbage';
const keyPattern = new RegExp(`^garbage/(${timedId})\\.json$`);

const schema = v.object({
  format: v.literal(1),
  id: v.string(),
  names: v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
});

/**
 * Reads all mark files, in no particular order; damaged ones are reported and have no names.
 *
 * A backup must not rely on an object that is marked and that no listed manifest needs: it stores the object
 * anew with `put`, which makes it newer than its mark. An object that a manifest needs must stay as it is:
 * stored anew and encrypted, it would no longer have the bytes that this manifest describes. No sweep removes
 * it, because the backup holds a lock until its own manifest is written.
 *
 * @throws StorageError when a mark cannot be read at all
 */
export async function readMarkFiles(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
  signal = new AbortController().signal,
): Promise<GarbageMark[]> {
  const marks: GarbageMark[] = [];
  const files = await listMarkFiles(repository);
  const reading = new SealedReading();
  const queue = files.values();
  await runWorkers(Math.min(readers, files.length), signal, async (stop) => {
    for (const { key, modifiedAt: markedAt, size } of queue) {
      stop.throwIfAborted();
      try {
        const names = await reading.next(sealedKind, size, () => readNames(repository, key));
        if (names) marks.push({ key, markedAt, names });
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        onDamaged(error);
        marks.push({ key, markedAt, names: [] });
      }
    }
  });
  return marks;
}

export async function listMarkFiles({ storage }: Repository): Promise<StoredValue[]> {
  const files: StoredValue[] = [];
  for await (const value of storage.list('garbage/')) if (keyPattern.test(value.key)) files.push(value);
  return files;
}

/** Reads the names of a mark file; undefined when it was removed after it was listed. */
async function readNames(repository: Repository, key: string): Promise<string[] | undefined> {
  const damaged = (how: string, cause?: unknown) =>
    new IntegrityError(`mark ${key}: ${how}`, 'It is ignored, and removed after the grace period.', cause);
  const found = await readSealed(repository, sealedKind, key, schema, damaged);
  if (found === undefined) return undefined;
  if (found.id !== keyPattern.exec(key)?.[1])
    throw damaged(`it says that it is mark ${found.id.slice(0, 40)}`);
  return found.names;
}

/** Indexes by name when each object was last marked: milliseconds since 1970 by the storage's clock. */
export function indexMarks(marks: readonly GarbageMark[]): Map<string, number> {
  const index = new Map<string, number>();
  for (const { names, markedAt } of marks) {
    for (const name of names) index.set(name, Math.max(index.get(name) ?? 0, markedAt.getTime()));
  }
  return index;
}

/**
 * Tells whether a mark applies to an object: it does not when the object was stored anew after the mark.
 * Where times are whole seconds, an object of the mark's own second may be newer; it gets another mark.
 */
export function isMarked(marks: ReadonlyMap<string, number>, name: string, modifiedAt: Date): boolean {
  return modifiedAt.getTime() < (marks.get(name) ?? Number.NEGATIVE_INFINITY);
}

/** Collects names and writes each mark file as soon as it is full. */
export class MarkWriter {
  readonly #repository: Repository;
  readonly #now: () => Date;
  readonly #written: MarkedTally[] = [];
  #names: string[] = [];
  #bytes = 0;

  constructor(repository: Repository, now: () => Date) {
    this.#repository = repository;
    this.#now = now;
  }

  /** @param size stored bytes of the object */
  async add(name: string, size: number): Promise<void> {
    this.#names.push(name);
    this.#bytes += size;
    if (this.#names.length >= maxNames) await this.#write();
  }

  /** Writes the remaining names. The marks that it returns are durable. */
  async finish(): Promise<readonly MarkedTally[]> {
    if (this.#names.length > 0) await this.#write();
    return this.#written;
  }

  async #write(): Promise<void> {
    const { storage } = this.#repository;
    const key = await this.#create();
    const found = await storage.stat(key);
    if (!found) {
      throw new StorageError(
        `${key} is not in ${storage.location} right after it was stored`,
        'Use a storage whose reads are strongly consistent.',
      );
    }
    this.#written.push({ markedAt: found.modifiedAt, objects: this.#names.length, bytes: this.#bytes });
    this.#names = [];
    this.#bytes = 0;
  }

  async #create(): Promise<string> {
    const now = this.#now();
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const id = createTimedId(now);
      const content = { format: 1, id, names: this.#names };
      const key = `garbage/${id}.json`;
      if (await this.#repository.storage.create(key, sealContent(this.#repository, sealedKind, content)))
        return key;
    }
    throw new StorageError(
      `${this.#repository.storage.location} reported ${maxAttempts} times that a mark of ${stampOf(now)} exists already`,
      'Check that the storage can tell absent keys from present ones, then run the cleanup again.',
    );
  }
}
