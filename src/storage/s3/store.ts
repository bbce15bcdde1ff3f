import { ConfigurationError, StorageError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import {
  assertKey,
  assertPrefix,
  type Capabilities,
  type PlaceTraits,
  type Purge,
  type ReadOptions,
  RetainedError,
  type Storage,
  type StoredValue,
} from '../storage.ts';
import type { S3Options } from './client.ts';
import { deleteBatch, S3Deletion } from './deletion.ts';
import { listValues } from './listing.ts';
import { probeBucket, probeChecksums } from './probe.ts';
import { S3Reading } from './reading.ts';
import { S3Requests } from './requests.ts';
import { readBucketTraits } from './traits.ts';
import { S3Versions } from './versions.ts';
import { S3Writing } from './writing.ts';

/**
 * A bucket of an S3-compatible store, or a prefix in one.
 *
 * Credentials come from the default chain of the AWS SDK. All retries follow one rule for whole calls, and
 * the SDK's own are off: its standard retries give up after less than a second, share a budget that a burst
 * of failures of parallel uploads empties, and cover a response only until its headers have come.
 */
export class S3Storage implements Storage {
  readonly location: string;
  readonly #requests: S3Requests;
  readonly #reading: S3Reading;
  readonly #writing: S3Writing;
  readonly #deletion: S3Deletion;
  readonly #versions: S3Versions;
  readonly #now: () => Date;
  readonly #asksForChecksums: boolean;
  /** Whether the store has been seen to refuse a wrong SHA-256 */
  #keepsChecksums = false;

  constructor(options: S3Options) {
    this.#now = () => options.context.now();
    this.#asksForChecksums = options.checksums ?? false;
    this.#requests = new S3Requests(options);
    this.#reading = new S3Reading(this.#requests);
    this.#writing = new S3Writing(this.#requests, this.#reading, options);
    this.#deletion = new S3Deletion(this.#requests);
    this.#versions = new S3Versions(this.#requests, this.#deletion, this.#now);
    this.location = this.#requests.location;
  }

  async probe(): Promise<Capabilities> {
    try {
      const parts = {
        requests: this.#requests,
        reading: this.#reading,
        writing: this.#writing,
        deletion: this.#deletion,
        now: this.#now(),
      };
      const capabilities = await probeBucket(parts);
      if (this.#asksForChecksums) this.#keepsChecksums = await probeChecksums(parts);
      return capabilities;
    } catch (error) {
      if (error instanceof StorageError && error.configuration) {
        throw new ConfigurationError(error.told.message, error.told.next, error.cause);
      }
      throw error;
    }
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    assertKey(key);
    await this.#writing.put(key, value);
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    assertKey(key);
    return this.#writing.create(key, value);
  }

  async get(key: string, limit?: number, options?: ReadOptions): Promise<Buffer> {
    assertKey(key);
    return this.#reading.get(key, limit, options);
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    assertKey(key);
    return this.#reading.stat(key);
  }

  async checksum(key: string): Promise<string | undefined> {
    assertKey(key);
    // A store may give back any number that it was sent, which proves nothing.
    return this.#keepsChecksums ? this.#reading.checksum(key) : undefined;
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    assertPrefix(prefix);
    yield* listValues(this.#requests, prefix);
  }

  async delete(keys: readonly string[]): Promise<void> {
    keys.forEach(assertKey);
    const retained: string[] = [];
    for (let from = 0; from < keys.length; from += deleteBatch) {
      append(retained, await this.#deletion.deleteSome(keys.slice(from, from + deleteBatch)));
    }
    if (retained.length > 0) throw new RetainedError(retained, this.location);
  }

  async purge(keys: readonly string[]): Promise<Purge> {
    keys.forEach(assertKey);
    return this.#versions.purge(keys);
  }

  readTraits(): Promise<PlaceTraits> {
    return readBucketTraits(this.#requests);
  }

  async close(): Promise<void> {
    this.#requests.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
