import { runWorkers } from '../../runtime/workers.ts';
import { type Storage, type StoredValue, storageLanes } from '../../storage/storage.ts';

/*
 * Which objects are stored, from one listing: a page of a listing names a thousand objects, a query only one.
 * A backup takes the inventory under its lock, so no cleanup removes anything afterwards.
 */

/** What is known of a stored object. */
export type StoredFacts = Pick<StoredValue, 'size' | 'modifiedAt'>;

/** How many objects are listed in any case, however few a backup looks for */
const alwaysListed = 10_000;

/**
 * How many objects may be listed for each one that is looked for. Queries run in parallel and pages of a
 * listing one after another, so for longer listings queries are faster.
 */
const listedForEach = 20;

/** The most objects of a listing; each takes a quarter of a kB of memory */
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

  /** Makes an inventory that queries each object, for a run that stores little. */
  static askEach(storage: Storage): Inventory {
    return new Inventory(storage, new Map(), false);
  }

  /**
   * Lists the stored objects, as long as that is the faster way to find the wanted ones.
   *
   * @param wanted how many objects are looked for
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

  /** How many objects a listing would name, as far as known */
  get size(): number {
    return this.#isWhole ? this.#found.size : Math.max(this.#found.size, alwaysListed);
  }

  /** Looks up one object; undefined when it was not there. */
  async look(key: string): Promise<StoredFacts | undefined> {
    return this.#found.get(key) ?? (this.#isWhole ? undefined : this.#storage.stat(key));
  }

  /** Looks up several objects, by key; those that were not there are left out. */
  async lookForAll(keys: Iterable<string>, signal: AbortSignal): Promise<Map<string, StoredFacts>> {
    const found = new Map<string, StoredFacts>();
    const all = [...keys];
    const queue = all.values();
    await runWorkers(Math.min(storageLanes, all.length), signal, async (stop) => {
      for (const key of queue) {
        stop.throwIfAborted();
        const facts = await this.look(key);
        if (facts !== undefined) found.set(key, facts);
      }
    });
    return found;
  }
}
