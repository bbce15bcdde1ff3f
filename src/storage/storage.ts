import { StorageError } from '../runtime/errors.ts';

/**
 * The most concurrent requests to a storage. With 32, a store 50 ms away confirms 600 small objects in a
 * second; with 16, it confirms half as many, and the processor idles.
 */
export const storageLanes = 32;

/**
 * The place of a repository. Every value is a whole buffer of bounded size (a row object holds about 32 MiB
 * of text), so a storage needs no streams and no multipart uploads, and memory is bounded by the number of
 * calls under way.
 *
 * The contract, which `test/storage.contract.ts` checks for every storage:
 *
 * - A value appears whole or not at all: a reader never sees part of a `put`, even when the writer is killed.
 * - When `put` or `create` returns, the value is durable, and the storage has confirmed its hash or at least
 *   its size.
 * - A storage retries requests that may succeed later, within bounds, and its callers never do. An error of a
 *   method is final. A failed write has not changed the stored value, unless its error is `uncertain`.
 * - Every method throws `StorageError` with the key and the location in its message; `missing` is set when a
 *   key is absent. There are two exceptions: a place that cannot hold a repository, as a folder with links
 *   inside, is a `ConfigurationError`, and a place that is one damaged file is an `IntegrityError`.
 * - Keys are relative paths of `[A-Za-z0-9._/-]`. A path that could leave the repository (`..`, a leading
 *   `/`) is refused, and so is `tmp/`, which belongs to the storage itself. Files of others whose names are
 *   no keys are not listed.
 */
export interface Storage extends AsyncDisposable {
  /** Name for people: `./backups`, `s3://bucket/prefix`; it holds no secret. */
  readonly location: string;

  /**
   * How many places may answer a read: `ReadOptions.place` chooses among them. One where it is absent.
   */
  readonly places?: number;

  /**
   * Returns what two names of the same place have in common, without writing: of a folder its path without links.
   * Undefined where that cannot be told now; the method is absent where only a write tells.
   */
  findRealPlace?(): Promise<string | undefined>;

  /** Called with the bytes of `repository.json` when a repository was opened here. */
  onOpened?: ((config: Buffer) => void) | undefined;

  /**
   * Prepares the storage for writing and proves that it can be written, listed and read; where deleting is
   * allowed, nothing of the probe stays. Learns whether create-only writes are honoured and whether values
   * can be deleted at all.
   *
   * @throws ConfigurationError when the location itself is wrong
   */
  probe(): Promise<Capabilities>;

  /** Stores a value and replaces an older one; idempotent. */
  put(key: string, value: Uint8Array): Promise<void>;

  /**
   * Stores a value only if the key is absent. Returns `false` and changes nothing when the key exists. A
   * storage that cannot do this in one step (`Capabilities.createOnly` is false) checks first and then
   * writes.
   */
  create(key: string, value: Uint8Array): Promise<boolean>;

  /**
   * Reads a value.
   *
   * @param limit the most bytes to accept and to hold in memory; by default `largestValue`
   * @throws ForeignValueError when the value has more than `limit` bytes, or is a link, a pipe or anything
   * else but a file
   * @throws DeniedValueError when this value alone may not be read
   */
  get(key: string, limit?: number, options?: ReadOptions): Promise<Buffer>;

  /** Returns the size in bytes and the last change by the storage's clock; undefined for an absent key. */
  stat(key: string): Promise<StoredValue | undefined>;

  /**
   * Returns the SHA-256 that the place itself has checked and keeps of a value, in hexadecimal; undefined where it
   * keeps none of this one, or `probe` has not seen that it refuses a wrong one. The method is absent where a place
   * keeps none at all. No byte of the value is transferred.
   *
   * @throws StorageError with `missing` set when there is no such value
   */
  checksum?(key: string): Promise<string | undefined>;

  /** Lists all keys that start with `prefix`, unordered and unlimited. An absent prefix is an empty list. */
  list(prefix: string): AsyncIterable<StoredValue>;

  /**
   * Removes keys; an absent key is no error. Where the place keeps versions, a deleted value is neither
   * listed nor found any more, and its bytes stay: see `purge`.
   *
   * @throws RetainedError after all other keys are removed, when the storage forbids removing some: by a
   * retention lock, or because the credentials lack the right
   */
  delete(keys: readonly string[]): Promise<void>;

  /**
   * Removes keys with all versions that the place keeps of them, as far as these credentials may. Forbidden
   * keys are reported, without an error. The method is absent where the place keeps no versions, and `delete`
   * suffices.
   */
  purge?(keys: readonly string[]): Promise<Purge>;

  /**
   * Asks what the place does with values of its own accord; changes nothing. The method is absent where the
   * place does nothing.
   */
  readTraits?(): Promise<PlaceTraits>;

  /** Ends the use of the storage; `await using` calls it at the end of a block. */
  close(): Promise<void>;
}

export interface ReadOptions {
  /**
   * Reads over a new connection: the value read before is suspect, and the device that changed a byte on the
   * way may still be in the path of the open connections.
   */
  readonly freshConnection?: boolean;
  /**
   * Where a storage has several places: from which of them on to look, counted from 0. What those before it gave
   * is suspect.
   */
  readonly place?: number;
}

/** The outcome of a purge. Keys in neither list are gone, with all their bytes. */
export interface Purge {
  /**
   * Keys that are neither listed nor found any more, but whose bytes stay as versions that these credentials
   * may not remove
   */
  readonly hidden: readonly string[];
  /** Values that are unchanged */
  readonly retained: readonly RetainedValue[];
  /** The number of versions that were removed */
  readonly versions: number;
}

/** What a place does with values beside the contract. `unknown`: it does not say, or not to these credentials. */
export interface PlaceTraits {
  /** Whether it keeps the versions of a value that was replaced or deleted; `suspended`: it did so once */
  readonly versions: 'kept' | 'suspended' | 'none' | 'unknown';
  /** The retention lock that every new value gets */
  readonly defaultRetention: DefaultRetention | 'none' | 'unknown';
}

export interface DefaultRetention {
  /** `COMPLIANCE` can be lifted by nobody */
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly days: number;
}

export interface RetainedValue {
  readonly key: string;
  /** When its retention lock ends; undefined when there is no lock, or its end is not known */
  readonly until: Date | undefined;
}

export interface StoredValue {
  readonly key: string;
  /** Bytes */
  readonly size: number;
  readonly modifiedAt: Date;
}

export interface Capabilities {
  /** Whether `create` is one atomic step in this storage */
  readonly createOnly: boolean;
  /**
   * False when values can be written and not removed, so that a stolen key cannot delete them; pruning is
   * impossible then.
   */
  readonly deletes: boolean;
}

/**
 * The most bytes of a value in any repository. Text of this size still fits a string, which Node limits to
 * half a GiB.
 */
export const largestValue = 256 * 1024 * 1024;

/**
 * The value under a key was not stored by us, or was changed since. Readers of many values skip it, or count
 * it as damage, and continue. Its cause is never a transient failure.
 */
export class ForeignValueError extends StorageError {
  /** What is wrong with the value, as the end of a sentence: `it has 5368709120 bytes, …` */
  readonly how: string;

  constructor(
    key: string,
    location: string,
    how: string,
    cause?: unknown,
    next = 'Look at who can write to the storage besides backups. Remove it, or bring back the value from a copy.',
  ) {
    super(`${key} in ${location} is no value of a repository: ${how}`, next, { cause });
    this.how = how;
  }
}

/**
 * The storage has a value and refuses to return it, while it returns others. Whether the value is intact is
 * not known.
 */
export class DeniedValueError extends ForeignValueError {}

/**
 * An answer that ended early or broke off after it had begun. As the cause of a `StorageError` it says
 * nothing about the stored value.
 */
export class BrokenBodyError extends Error {}

/** @throws ForeignValueError when a value has more bytes than its reader accepts */
export function assertSize(key: string, location: string, bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new ForeignValueError(key, location, `it has ${bytes} bytes; the limit is ${limit}`);
}

/** The storage forbids removing `keys`; all other keys of the same call are removed. */
export class RetainedError extends StorageError {
  readonly keys: readonly string[];

  constructor(keys: readonly string[], location: string, cause?: unknown) {
    const more = keys.length > 1 ? ` and ${keys.length - 1} more` : '';
    super(
      `${location} retained ${keys[0]}${more}: deleting was denied`,
      'Prune with credentials that may delete, or after the retention period of the storage has passed.',
      { cause },
    );
    this.keys = keys;
  }
}

/**
 * The most characters of a key; keys of objects have 75. A probe uses a key of this length, so its proof
 * holds for all keys.
 */
export const longestKey = 80;

const keyPattern = /^(?!\/|tmp\/)(?!.*\/\/)[A-Za-z0-9._/-]+(?<!\/)$/;

/** What a folder has beside its values: writes under way, and what keeps git from taking it up */
const besideValues: readonly string[] = ['tmp', '.gitignore'];

export function isKey(key: string): boolean {
  return (
    keyPattern.test(key) &&
    !besideValues.includes(key) &&
    !key.split('/').some((part) => part === '..' || part === '.')
  );
}

/** Refuses a key that could name anything outside the repository. */
export function assertKey(key: string): void {
  if (!isKey(key)) {
    throw new Error(`not a storage key: ${JSON.stringify(key)}`);
  }
}

/** Refuses a prefix that no key can start with. The empty prefix names every key. */
export function assertPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.replace(/\/$/, ''))) {
    throw new Error(`not a prefix of storage keys: ${JSON.stringify(prefix)}`);
  }
}
