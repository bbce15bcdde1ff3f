import { createHash, createHmac } from 'node:crypto';
import { storedSize } from '../../format/limits.ts';
import type { Manifest, StoredObject } from '../../format/manifest.ts';
import {
  ConfigurationError,
  IntegrityError,
  isKnownError,
  messageOf,
  StorageError,
} from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import {
  DeniedValueError,
  ForeignValueError,
  type ReadOptions,
  type Storage,
} from '../../storage/storage.ts';
import type { Repository } from '../open.ts';
import type { SuspectObjects } from '../prune/suspects.ts';
import { readAgain, SettledDamage } from '../reading.ts';
import { createDecoder, type Decode, type Encode } from './codec.ts';
import { Inventory, type StoredFacts } from './inventory.ts';

export function objectKey(name: string): string {
  return `objects/${name.slice(0, 2)}/${name}`;
}

/** Computes the name of an object. */
export type NameObject = (plaintext: Buffer) => string;

/**
 * Makes the function that names objects: HMAC-SHA256 over the recipients and the SHA-256 of the plaintext.
 * Equal plaintext gets an equal name, and without the key the name reveals nothing about it. Other recipients
 * make another object: one stored in the clear is never taken for its encrypted copy. The inner hash is
 * computed first so that the plaintext is read once.
 */
export function createNaming(key: Buffer, recipients: readonly string[]): NameObject {
  const audience = recipients.length === 0 ? 'none' : recipients.toSorted().join(' ');
  return (plaintext) =>
    createHmac('sha256', key)
      .update(`object\0${audience}\0`)
      .update(createHash('sha256').update(plaintext).digest())
      .digest('hex');
}

function hashStored(stored: Uint8Array): string {
  return createHash('sha256').update(stored).digest('hex');
}

/** What a writer of objects must know about its repository. */
export interface WriterContents {
  /** The stored objects, as seen under the lock of the run */
  readonly inventory: Inventory;
  /** The objects that listed backups refer to */
  readonly known: ReadonlyMap<string, StoredObject>;
  /** Objects that are about to be removed, or were found damaged */
  readonly suspects: SuspectObjects;
}

/** Stores plaintexts as objects, each content once. */
export class ObjectWriter {
  readonly #storage: Storage;
  readonly #name: NameObject;
  readonly #encode: Encode;
  readonly #inventory: Inventory;
  readonly #known: ReadonlyMap<string, StoredObject>;
  readonly #suspects: SuspectObjects;
  readonly #open: Decode | undefined;
  /** Contents of this run, in progress or done. */
  readonly #ours = new Map<string, Promise<StoredObject>>();
  /** Names of objects that the storage has confirmed to this run */
  readonly #written = new Set<string>();
  /** stored bytes that this run added */
  addedBytes = 0;
  /** objects that were there already */
  reused = 0;

  /**
   * @param open decodes what `encode` encodes; undefined when it needs an identity, which a backup does not
   * have
   */
  constructor(
    storage: Storage,
    name: NameObject,
    encode: Encode,
    { inventory, known, suspects }: WriterContents,
    open?: Decode,
  ) {
    this.#storage = storage;
    this.#name = name;
    this.#encode = encode;
    this.#inventory = inventory;
    this.#known = known;
    this.#suspects = suspects;
    this.#open = open;
  }

  /**
   * Stores a content once. When this resolves, the storage has confirmed the content; only `assertStored`
   * proves it. The buffer must not be reused before.
   */
  store(plaintext: Buffer): Promise<StoredObject> {
    const name = this.#name(plaintext);
    const ours = this.#ours.get(name) ?? this.#store(name, plaintext);
    this.#ours.set(name, ours);
    return ours;
  }

  async #store(name: string, plaintext: Buffer): Promise<StoredObject> {
    const key = objectKey(name);
    const known = this.#known.get(name);
    const suspectSince = this.#suspects.get(name);
    const found = await this.#inventory.look(key);
    const sound = suspectSince === undefined || (found !== undefined && found.modifiedAt > suspectSince);
    if (known !== undefined && sound && found?.size === known.stored) {
      this.reused++;
      return known;
    }
    const sealed = await this.#encode(plaintext);
    if (sealed.length > storedSize) {
      throw new ConfigurationError(
        say`${nameInput('encryption-recipients')}: with so many recipients, an object has ${sealed.length} bytes; the limit is ${storedSize}`,
        'Use fewer recipients. Several people can share one identity.',
      );
    }
    const object = { name, bytes: plaintext.length, stored: sealed.length, sha256: hashStored(sealed) };
    // `create` would send the whole object only to answer that it exists.
    if (found === undefined && (await this.#storage.create(key, sealed))) return this.#count(object);
    // Adopts the object that is there, unless it shrank, was found damaged, or is about to be removed: that
    // would make this backup unrestorable too.
    if (found === undefined || (known === undefined && sound)) {
      const there = await this.#adopt(object, plaintext);
      if (there !== undefined) return there;
    }
    await this.#storage.put(key, sealed);
    return this.#count(object);
  }

  #count(object: StoredObject): StoredObject {
    this.addedBytes += object.stored;
    this.#written.add(object.name);
    return object;
  }

  /**
   * Proves that objects are there in their full length, which a storage's confirmation does not: call it
   * before writing anything that refers to them. When few of very many objects were stored by this run, only
   * those are checked; the others were seen when the run began.
   *
   * @throws StorageError naming the first that is not
   */
  async assertStored(objects: readonly StoredObject[], signal: AbortSignal): Promise<void> {
    const written = objects.filter(({ name }) => this.#written.has(name));
    const few = isFew(written.length, this.#inventory.size + written.length);
    const checked = few ? written : objects;
    const inventory = few
      ? Inventory.askEach(this.#storage)
      : await Inventory.take(this.#storage, objects.length, signal);
    const found = await inventory.lookForAll(
      checked.map(({ name }) => objectKey(name)),
      signal,
    );
    const lost = checked.find(({ name, stored }) => found.get(objectKey(name))?.size !== stored);
    if (lost !== undefined) throw toLossError(lost, found.get(objectKey(lost.name)), this.#storage);
  }

  /**
   * Uses the object of another run that stored the same content, now or before it was killed. Encryption
   * gives every copy other bytes, so the manifest must describe the bytes that are there. Undefined when they
   * are not intact: no manifest vouches for them, and a store that kept less than it confirmed may be why an
   * earlier run failed.
   */
  async #adopt(object: StoredObject, plaintext: Buffer): Promise<StoredObject | undefined> {
    const there = await this.#fetchFound(objectKey(object.name));
    if (there === undefined || !(await this.#isWhole(there, object, plaintext))) return undefined;
    this.reused++;
    return { ...object, stored: there.length, sha256: hashStored(there) };
  }

  async #fetchFound(key: string): Promise<Buffer | undefined> {
    try {
      return await this.#storage.get(key, storedSize);
    } catch (error) {
      if (error instanceof ForeignValueError) return undefined;
      throw error;
    }
  }

  /** Encrypted bytes cannot be decrypted here; equal content for equal recipients has equal length. */
  async #isWhole(there: Buffer, object: StoredObject, plaintext: Buffer): Promise<boolean> {
    if (hashStored(there) === object.sha256) return true;
    if (this.#open === undefined) return there.length === object.stored;
    try {
      return (await this.#open(there, plaintext.length)).equals(plaintext);
    } catch {
      return false;
    }
  }
}

/** One page of a listing costs as much as ten queries; a repository of ten pages or less is always listed. */
const [objectsInPage, questionsForPage, pagesAlwaysListed] = [1000, 10, 10];

/** Tells whether so many objects are queried one by one, rather than found in a listing of all objects. */
function isFew(objects: number, all: number): boolean {
  const pages = Math.ceil(all / objectsInPage);
  return pages > pagesAlwaysListed && objects <= pages * questionsForPage;
}

function toLossError(
  { name, stored }: StoredObject,
  found: StoredFacts | undefined,
  { location }: Storage,
): StorageError {
  const what = found === undefined ? 'is not there' : `has ${found.size} of ${stored} bytes`;
  return new StorageError(
    `${objectKey(name)} ${what} in ${location}, although the storage confirmed that it was stored. Nothing that needs it was recorded`,
    'Check whether somebody else removes or writes objects there. If not, do not rely on this storage until its operator has explained this. Then run it again.',
  );
}

/** Reads objects back, and never returns anything but exactly what was stored. */
export class ObjectReader {
  readonly #storage: Storage;
  readonly #name: NameObject;
  readonly #open: Decode;

  constructor(storage: Storage, name: NameObject, open: Decode) {
    this.#storage = storage;
    this.#name = name;
    this.#open = open;
  }

  /**
   * Reads the plaintext of an object. Its stored bytes must have the SHA-256 of the sealed manifest, and
   * zstd's checksum proves the plaintext. A lost object that a later backup has stored again has other bytes
   * when it is encrypted: it is accepted when its content matches its name.
   *
   * @throws IntegrityError when it is missing or differs; the message names the object
   */
  read(object: StoredObject): Promise<Buffer> {
    return this.#read(object, false);
  }

  /**
   * Like `read`, and also proves the name, and thereby that the backup compressed what it had read. For
   * validation, which has the time.
   */
  prove(object: StoredObject): Promise<Buffer> {
    return this.#read(object, true);
  }

  #read(object: StoredObject, proveName: boolean): Promise<Buffer> {
    return readAgain(async (options) => {
      const stored = await fetchStored(this.#storage, object, options);
      const difference = describeDifference(stored, object);
      const plaintext = await this.#unseal(stored, object, difference);
      if ((proveName || difference !== undefined) && this.#name(plaintext) !== object.name) {
        throw difference === undefined
          ? new SettledDamage(...tell(object, 'its content is not what its name says'))
          : damaged(object, difference);
      }
      return plaintext;
    }, this.#storage.places);
  }

  async #unseal(stored: Buffer, object: StoredObject, difference: string | undefined): Promise<Buffer> {
    try {
      return await this.#open(stored, object.bytes);
    } catch (error) {
      // Bytes that differ from the stored ones may be encrypted for anyone: the identity is not at fault.
      if (error instanceof ConfigurationError && difference === undefined) throw error;
      const cause = error instanceof ConfigurationError ? undefined : error;
      throw difference === undefined
        ? new SettledDamage(...tell(object, messageOf(error), cause))
        : damaged(object, difference, cause);
    }
  }
}

/**
 * Creates a reader for the objects of one backup, or of one segment of changes.
 *
 * @throws ConfigurationError when the backup is encrypted and no identity was given
 */
export function createReader(
  repository: Repository,
  { encryption }: Pick<Manifest, 'encryption'>,
  identities: readonly string[],
): ObjectReader {
  const recipients = encryption.scheme === 'age' ? encryption.recipients : [];
  return new ObjectReader(
    repository.storage,
    createNaming(repository.key, recipients),
    createDecoder(encryption.scheme, identities, recipients.length),
  );
}

/** Fetches the stored bytes and compares them with the manifest; needs no key. */
export function readStored(storage: Storage, object: StoredObject): Promise<void> {
  return readAgain(async (options) => {
    const difference = describeDifference(await fetchStored(storage, object, options), object);
    if (difference !== undefined) throw damaged(object, difference);
  }, storage.places);
}

async function fetchStored(storage: Storage, object: StoredObject, options: ReadOptions): Promise<Buffer> {
  try {
    return await storage.get(objectKey(object.name), storedSize, options);
  } catch (error) {
    if (error instanceof DeniedValueError) {
      const next = 'Give permission to read it. If the storage has archived it, restore it first.';
      throw new SettledDamage(`object ${objectKey(object.name)}: ${error.how}`, next, error);
    }
    if (error instanceof ForeignValueError) throw damaged(object, error.how, error);
    if (error instanceof StorageError && error.missing) throw damaged(object, 'it is missing', error);
    throw error;
  }
}

function describeDifference(stored: Buffer, object: StoredObject): string | undefined {
  if (stored.length !== object.stored) return `it has ${stored.length} bytes instead of ${object.stored}`;
  return hashStored(stored) === object.sha256 ? undefined : 'its SHA-256 is not the recorded one';
}

function damaged(object: StoredObject, how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(...tell(object, how, cause));
}

function tell(object: StoredObject, how: string, cause?: unknown): [string, string, unknown] {
  const next = isKnownError(cause)
    ? cause.next
    : 'Run `validate` to see which backups need it, and restore another one.';
  return [`object ${objectKey(object.name)}: ${how}`, next, cause];
}
