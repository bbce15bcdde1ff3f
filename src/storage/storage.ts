import { StorageError } from '../runtime/errors.ts';

/**
 * Requests that a storage takes side by side. With 32 a store 50 ms away confirms 600 small objects in a second; with 16, half as
 * many, and a processor that waits.
 */
export const storageLanes = 32;

/**
 * Where a repository lives. Every value is a whole buffer of bounded size (a row object holds about 32 MiB of text), so a
 * storage needs no streams and no multipart uploads, and memory is bounded by how many calls are under way.
 *
 * The contract, which `test/storage.contract.ts` runs for every storage:
 *
 * - A value appears whole or not at all: a reader never sees part of a `put`, even when the writer is killed.
 * - When `put` or `create` returns, the value is durable, and the storage has confirmed its hash or at least its size.
 * - A storage retries what is worth retrying, within bounds, and its callers never do. What a method throws is final. A write that failed
 *   has not changed what is stored, unless its error is `uncertain`.
 * - Every method throws `StorageError` with the key and the location in its message; `missing` is set when a key is absent. Only where
 *   the place itself is not what a repository may lie in, as with links in a folder, it is a `ConfigurationError`, and where all of it
 *   is one damaged file, an `IntegrityError`.
 * - Keys are relative paths of `[A-Za-z0-9._/-]`; anything that could leave the repository (`..`, a leading `/`) is refused,
 *   and so is `tmp/`, which belongs to the storage itself. What others left beside a repository and is no key is not listed.
 */
export interface Storage extends AsyncDisposable {
  /** For people: `./backups`, `s3://bucket/prefix`. Holds no secret. */
  readonly location: string;

  /**
   * Prepares the storage for writing and proves that it can be written, listed and read, leaving nothing behind where
   * deleting is allowed. Learns whether create-only writes are honoured and whether values can be deleted at all.
   * Throws `ConfigurationError` when the location itself is wrong.
   */
  probe(): Promise<Capabilities>;

  /** Stores a value, replacing an older one. Idempotent. */
  put(key: string, value: Uint8Array): Promise<void>;

  /**
   * Stores a value only if the key is absent: `false` when it was there already, and then nothing has changed. Where the
   * storage cannot decide this in one step (`Capabilities.createOnly` is false) the answer is a look followed by a write.
   */
  create(key: string, value: Uint8Array): Promise<boolean>;

  /**
   * Throws `ForeignValueError` when the value has more than `limit` bytes, of which no more are read into memory than that, and when
   * what is there is a link, a pipe or whatever else is no file: a repository has none of these, whoever put them there.
   * `DeniedValueError` when this value alone may not be read.
   *
   * @param limit bytes; by default `largestValue`
   */
  get(key: string, limit?: number, options?: ReadOptions): Promise<Buffer>;

  /** The size in bytes and the time of the last change by the storage's own clock, or undefined when the key is absent. */
  stat(key: string): Promise<StoredValue | undefined>;

  /** All keys that start with `prefix`, in no particular order, any number of them. An absent prefix is an empty list. */
  list(prefix: string): AsyncIterable<StoredValue>;

  /**
   * Removes keys. An absent key is not an error. Throws `RetainedError`, after removing all that can be removed, when the
   * storage forbids removing some: a retention lock, or credentials without that right.
   *
   * Where the place keeps versions of what is deleted, that is no longer listed nor found, and its bytes stay: see `purge`.
   */
  delete(keys: readonly string[]): Promise<void>;

  /**
   * Removes keys and what the place keeps of them, as far as it lets these credentials; and tells what became of each, without an error for
   * what is forbidden. Absent where nothing is kept of what is deleted, so that `delete` does all of that.
   */
  purge?(keys: readonly string[]): Promise<Purge>;

  /** What `await using` does at the end of a block. */
  close(): Promise<void>;
}

export interface ReadOptions {
  /**
   * Over a connection of its own: what was read before is in doubt, and what has changed a byte of it on the way may still be in the middle
   * of the connections that are open.
   */
  readonly fresh?: boolean;
}

/** What became of keys that were to go for good. Keys that are in neither list are gone, with their bytes. */
export interface Purge {
  /** No longer listed nor found, but the place keeps their bytes as versions, and these credentials may not remove these. */
  readonly hidden: readonly string[];
  /** There as before */
  readonly retained: readonly RetainedValue[];
  /** How many versions that the place kept are gone */
  readonly versions: number;
}

export interface RetainedValue {
  readonly key: string;
  /** When the lock that holds it ends; undefined when there is none, or it is not told */
  readonly until: Date | undefined;
}

export interface StoredValue {
  readonly key: string;
  /** bytes */
  readonly size: number;
  readonly modifiedAt: Date;
}

export interface Capabilities {
  /** Whether `create` is one indivisible step in this storage. */
  readonly createOnly: boolean;
  /** False when values can be written but not removed: what a stolen key cannot delete. There is nothing to prune then. */
  readonly deletes: boolean;
}

/** No value of any repository has more bytes. Text of this size can still be a string, of which Node takes half a GiB. */
export const largestValue = 256 * 1024 * 1024;

/**
 * What lies under a key was not stored by us, or not as it is: those who read many values pass it over, or count it as damage, and go
 * on. Its cause is never a passing failure.
 */
export class ForeignValueError extends StorageError {
  /** What is wrong with it, as the end of a sentence: `it has 5368709120 bytes, …`. */
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

/** A value that is there and is not given out, while others are: it may be what it should be, and cannot be told. */
export class DeniedValueError extends ForeignValueError {}

/** An answer that ended early or broke off after it had begun: the cause of a `StorageError` that says nothing of what is stored. */
export class BrokenBodyError extends Error {}

/** @throws ForeignValueError when there are more bytes than a reader takes */
export function assertSize(key: string, location: string, bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new ForeignValueError(key, location, `it has ${bytes} bytes, where ${limit} are the most`);
}

/** The storage forbids removing `keys`. All others of the same call are gone. */
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

/** Characters of a key at most; those of objects have 75. What a probe proves holds for them all. */
export const longestKey = 80;

const keyPattern = /^(?!\/|tmp\/)(?!.*\/\/)[A-Za-z0-9._/-]+(?<!\/)$/;

export function isKey(key: string): boolean {
  return (
    keyPattern.test(key) && key !== 'tmp' && !key.split('/').some((part) => part === '..' || part === '.')
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
