import { drain, runWorkers } from '../../runtime/workers.ts';
import { type Storage, type StoredValue, storageLanes } from '../../storage/storage.ts';

/**
 * Which objects are stored, as one listing told: it names a thousand at a time, where a question is about one. A backup takes it under its
 * lock, so that no cleanup removes anything since.
 */

/** What is known of a stored object. */
export type StoredFacts = Pick<StoredValue, 'size' | 'modifiedAt'>;

/** Objects of a repository that is listed to its end whatever a backup needs of it */
const alwaysListed = 10_000;

/**
 * Objects that are listed for each one that is looked for. Questions go side by side and pages of a listing one after another, so
 * that with more of them questions are the shorter way.
 */
const listedForEach = 20;

/** Objects in a listing at most, of which each takes a quarter of a kB of memory */
const mostListed = 200_000;

export class Inventory {
  readonly #storage: Storage;
  readonly #found: ReadonlyMap<string, StoredFacts>;
  readonly #isWhole: boolean;

  private constructor(storage: Storage, found: ReadonlyMap<string, StoredFacts>, isWhole: boolean) {
    this.#storage = storage;
    this.#found = found;
    this.#isWhole = isWhole;
  }

  /** For those who store little: asks for each object. */
  static askEach(storage: Storage): Inventory {
    return new Inventory(storage, new Map(), false);
  }

  /**
   * Lists what there is, as long as that is the shorter way to find so many objects.
   *
   * @param wanted how many are looked for
   */
  static async take(storage: Storage, wanted: number, signal: AbortSignal): Promise<Inventory> {
    const found = new Map<string, StoredFacts>();
    let left = Math.min(alwaysListed + listedForEach * wanted, mostListed);
    for await (const { key, size, modifiedAt } of storage.list('objects/')) {
      signal.throwIfAborted();
      if (left-- === 0) return new Inventory(storage, found, false);
      found.set(key, { size, modifiedAt });
    }
    return new Inventory(storage, found, true);
  }

  /** How many objects a listing would name, as far as is known */
  get size(): number {
    return this.#isWhole ? this.#found.size : Math.max(this.#found.size, alwaysListed);
  }

  /** Undefined when the object was not there. */
  async look(key: string): Promise<StoredFacts | undefined> {
    return this.#found.get(key) ?? (this.#isWhole ? undefined : this.#storage.stat(key));
  }

  /** What is there of some objects, by key. */
  async lookForAll(keys: Iterable<string>, signal: AbortSignal): Promise<Map<string, StoredFacts>> {
    const found = new Map<string, StoredFacts>();
    const queue = [...keys];
    await runWorkers(Math.min(storageLanes, queue.length), signal, async (stop) => {
      for (const key of drain(queue)) {
        stop.throwIfAborted();
        const facts = await this.look(key);
        if (facts !== undefined) found.set(key, facts);
      }
    });
    return found;
  }
}
