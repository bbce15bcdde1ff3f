import type { StoredObject } from '../../format/manifest.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import { storageLanes } from '../../storage/storage.ts';
import type { LoadPart } from './queue.ts';

/** bytes of plaintext that are held for parts nobody loads yet */
const heldBytes = 32 * 1024 * 1024;

/** bytes; what is larger takes its time to load, in which the next is fetched anyway */
const smallBytes = 4 * 1024 * 1024;

/**
 * Fetches the small objects that come next while others are loaded: of a distant storage each takes a trip, and a table of few rows is
 * loaded in less time than that.
 */
export class ObjectsAhead implements Pick<ObjectReader, 'read'> {
  readonly #reader: Pick<ObjectReader, 'read'>;
  readonly #objects: readonly StoredObject[];
  readonly #fetched = new Map<string, Promise<Buffer>>();
  #room = heldBytes;

  /** @param objects those of the manifest, which parts refer to by their index */
  constructor(reader: Pick<ObjectReader, 'read'>, objects: readonly StoredObject[]) {
    this.#reader = reader;
    this.#objects = objects;
  }

  /** @param parts that come next, the first of them first */
  expect(parts: Iterable<LoadPart>): void {
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
    // Whoever needs it gets the error; a restore that failed before has no more use for it.
    plaintext.catch(() => undefined);
    this.#fetched.set(object.name, plaintext);
    this.#room -= object.bytes;
  }
}
