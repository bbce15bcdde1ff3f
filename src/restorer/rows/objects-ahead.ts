import type { StoredObject } from '../../format/manifest.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import { storageLanes } from '../../storage/storage.ts';
import type { LoadJob } from './queue.ts';

/** Bytes of plaintext that are held for parts that no worker loads yet. */
const heldBytes = 32 * 1024 * 1024;

/**
 * Bytes of the largest object that is fetched ahead. A larger one takes long to load, and the next is fetched
 * meanwhile.
 */
const smallBytes = 4 * 1024 * 1024;

/**
 * Fetches the next small objects while others are loaded. From a distant storage each takes a round trip, and
 * a table of few rows is loaded in less time.
 */
export class ObjectsAhead implements Pick<ObjectReader, 'read'> {
  readonly #reader: Pick<ObjectReader, 'read'>;
  readonly #objects: readonly StoredObject[];
  readonly #fetched = new Map<string, Promise<Buffer>>();
  #room = heldBytes;

  /** @param objects of the manifest, to which parts refer by index */
  constructor(reader: Pick<ObjectReader, 'read'>, objects: readonly StoredObject[]) {
    this.#reader = reader;
    this.#objects = objects;
  }

  /** @param parts that come next, in their order */
  expect(parts: Iterable<LoadJob>): void {
    let seen = 0;
    for (const { jobs } of parts) {
      const object = this.#objects[jobs[0]?.range.pieces[0]?.object ?? -1];
      if (object !== undefined) this.#fetch(object);
      if (++seen === storageLanes) return;
    }
  }

  read(object: StoredObject): Promise<Buffer> {
    const fetched = this.#fetched.get(object.name);
    if (fetched === undefined) return this.#reader.read(object);
    this.#fetched.delete(object.name);
    this.#room += object.bytes;
    return fetched;
  }

  #fetch(object: StoredObject): void {
    if (object.bytes > smallBytes || object.bytes > this.#room || this.#fetched.has(object.name)) return;
    const plaintext = this.#reader.read(object);
    // The reader of the object gets the error. A restore that failed before does not need it.
    plaintext.catch(() => undefined);
    this.#fetched.set(object.name, plaintext);
    this.#room -= object.bytes;
  }
}
