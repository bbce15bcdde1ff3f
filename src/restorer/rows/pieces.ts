import type { Manifest, StoredObject, TableRange } from '../../format/manifest.ts';
import type { RowDigest } from '../../postgres/wire/row-digest.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import type { LoadJob } from './queue.ts';

/** Reads the COPY text of a range piece by piece, and digests it. */
export async function* readRange(
  range: TableRange,
  pieces: PieceReader,
  digest: RowDigest | undefined,
): AsyncGenerator<Buffer> {
  for (const piece of range.pieces) {
    const plaintext = await pieces.read(piece.object);
    const part = plaintext.subarray(piece.offset, piece.offset + piece.length);
    digest?.update(part);
    yield part;
  }
}

/**
 * Objects that are kept: the current one and the last one before it, because changed and unchanged ranges
 * alternate between two.
 */
const keptObjects = 2;

/**
 * Reads the objects of a part in the order in which their pieces are needed. A few are kept, and the next is
 * fetched and opened while the server takes the rows of the current one.
 */
export class PieceReader {
  readonly #reader: Pick<ObjectReader, 'read'>;
  readonly #objects: readonly StoredObject[];
  /** Indexes of objects, in the order in which they are needed */
  readonly #order: readonly number[];
  #at = 0;
  /** By index of the object, the most recently used last */
  readonly #held = new Map<number, Promise<Buffer>>();
  #next: { readonly object: number; readonly plaintext: Promise<Buffer> } | undefined;

  constructor(reader: Pick<ObjectReader, 'read'>, manifest: Manifest, part: LoadJob) {
    this.#reader = reader;
    this.#objects = manifest.objects;
    this.#order = part.jobs
      .flatMap(({ range }) => range.pieces.map((piece) => piece.object))
      .filter((object, position, all) => object !== all[position - 1]);
  }

  async read(object: number): Promise<Buffer> {
    const at = this.#order.indexOf(object, this.#at);
    if (at >= 0) this.#at = at;
    const plaintext = await this.#hold(object);
    this.#prefetch();
    return plaintext;
  }

  #hold(object: number): Promise<Buffer> {
    const plaintext =
      this.#held.get(object) ?? (this.#next?.object === object ? this.#next.plaintext : this.#fetch(object));
    if (this.#next?.object === object) this.#next = undefined;
    this.#held.delete(object);
    this.#held.set(object, plaintext);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= keptObjects) break;
      this.#held.delete(oldest);
    }
    return plaintext;
  }

  #prefetch(): void {
    // An object that was fetched for rows that were skipped since is no longer needed.
    if (this.#next !== undefined && this.#order.includes(this.#next.object, this.#at + 1)) return;
    const object = this.#order.slice(this.#at + 1).find((later) => !this.#held.has(later));
    if (object === undefined) return;
    this.#next = { object, plaintext: this.#fetch(object) };
  }

  #fetch(index: number): Promise<Buffer> {
    const object = this.#objects[index];
    if (!object) throw new Error(`the manifest has no object ${index}`);
    const plaintext = this.#reader.read(object);
    // The reader of the object gets the error. A restore that failed before does not need it.
    plaintext.catch(() => undefined);
    return plaintext;
  }
}
