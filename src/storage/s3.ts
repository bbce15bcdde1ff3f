import { createHash, randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ConfigurationError, StorageError } from '../errors.ts';
import { append } from '../lists.ts';
import { readWhole } from './s3-answers.ts';
import type { S3Options } from './s3-client.ts';
import { deleteBatch, S3Deletion } from './s3-deletion.ts';
import { explain, isPassing, isWithheld, nameOf, statusOf } from './s3-failure.ts';
import { listValues } from './s3-listing.ts';
import { S3Requests } from './s3-requests.ts';
import {
  assertKey,
  assertPrefix,
  assertSize,
  type Capabilities,
  DeniedValueError,
  largestValue,
  type ReadOptions,
  RetainedError,
  type Storage,
  type StoredValue,
} from './storage.ts';

const hour = 60 * 60 * 1000;

/**
 * A bucket of an S3-compatible store, or a folder in one.
 *
 * Credentials come from the default chain of the AWS SDK. All retries are made here, by one rule for whole calls, and
 * the SDK's own are off: its standard retries give up after less than a second, share a budget that a burst of failures on
 * parallel uploads empties, and end when the headers of a response have come, before its body has.
 */
export class S3Storage implements Storage {
  readonly location: string;
  readonly #requests: S3Requests;
  readonly #deletion: S3Deletion;
  /** Whether the store honours `If-None-Match: *`; undefined until it is known. */
  #createOnly: boolean | undefined;
  /** A key whose value was read */
  #readable: string | undefined;

  constructor(options: S3Options) {
    this.#requests = new S3Requests(options);
    this.#deletion = new S3Deletion(this.#requests);
    this.location = this.#requests.location;
  }

  async probe(): Promise<Capabilities> {
    try {
      return await this.#prove();
    } catch (error) {
      if (
        error instanceof StorageError &&
        error.cause &&
        explain(error.cause, this.#requests.place).configuration
      ) {
        throw new ConfigurationError(error.message, error.next, error.cause);
      }
      throw error;
    }
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    assertKey(key);
    await this.#upload(key, value);
    await this.#confirm(key, value);
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    assertKey(key);
    // A store that ignores the condition would overwrite in silence, so only one known to honour it is asked directly.
    if (this.#createOnly !== true && (await this.stat(key))) return false;
    const outcome = this.#createOnly === false ? 'refused' : await this.#uploadIfAbsent(key, value);
    if (outcome === 'present') return false;
    if (outcome === 'refused') {
      await this.#upload(key, value);
      this.#createOnly = false;
    }
    await this.#confirm(key, value);
    return true;
  }

  async get(key: string, limit = largestValue, { fresh = false }: ReadOptions = {}): Promise<Buffer> {
    assertKey(key);
    const check = (bytes: number) => assertSize(key, this.location, bytes, limit);
    const client = fresh ? this.#requests.freshClient : this.#requests.client;
    try {
      const value = await this.#requests.run('read', key, async () => {
        const { Body, ContentLength } = await client.send(new GetObjectCommand(this.#requests.address(key)));
        return readWhole(Body as Readable, this.#requests.silence, ContentLength, check);
      });
      this.#readable ??= key;
      return value;
    } catch (error) {
      throw (await this.#isDeniedAlone(key, error))
        ? new DeniedValueError(key, this.location, 'the store gives out others and not this one', error)
        : error;
    }
  }

  /** Credentials that have lost their rights do not make a damaged backup of every one: a value that was read is read again. */
  async #isDeniedAlone(key: string, error: unknown): Promise<boolean> {
    const readable = this.#readable;
    if (!(error instanceof StorageError) || readable === undefined || readable === key) return false;
    if (!isWithheld(nameOf(error.cause))) return false;
    try {
      await this.get(readable);
      return true;
    } catch {
      return false;
    }
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    assertKey(key);
    return this.#requests.run('look at', key, async () => {
      try {
        const head = await this.#requests.client.send(new HeadObjectCommand(this.#requests.address(key)));
        return { key, size: head.ContentLength ?? 0, modifiedAt: head.LastModified ?? new Date(0) };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
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

  async close(): Promise<void> {
    this.#requests.close();
  }

  async #prove(): Promise<Capabilities> {
    // A probe that was killed, or could not delete, left its key; it is removed or used again, so that they never add up.
    const left: string[] = [];
    for await (const { key, modifiedAt } of this.list('probe/')) {
      if (Date.now() - modifiedAt.getTime() > hour) left.push(key);
    }
    const [undeletable] = await this.#deletion.deleteSome(left);
    const key = undeletable ?? `probe/${randomUUID()}`;
    try {
      const value = Buffer.from('first');
      this.#createOnly = await this.#honoursCreateOnly(key, value);
      // Not where it was created and kept, for under a retention lock not even the same value may be written again.
      if (!this.#createOnly) await this.#upload(key, value);
      await this.#confirm(key, value);
      const read = await this.get(key);
      if (!read.equals(value) || !(await this.#isListed(key))) {
        throw new StorageError(
          `${this.location} does not give back what was written to it`,
          'Use a store whose reads and listings are strongly consistent.',
        );
      }
    } catch (error) {
      await this.#deletion.deleteSome([key]).catch(() => {});
      throw error;
    }
    const retained = await this.#deletion.deleteSome([key]);
    return { createOnly: this.#createOnly, deletes: retained.length === 0 };
  }

  /**
   * Creates a key twice. The second time must be refused; a store that does not know the condition overwrites. The values
   * differ, so that a retried request is not taken for the one before it.
   */
  async #honoursCreateOnly(key: string, value: Uint8Array): Promise<boolean> {
    const first = await this.#uploadIfAbsent(key, value);
    const outcome = first === 'stored' ? await this.#uploadIfAbsent(key, Buffer.from('second')) : first;
    return outcome === 'present';
  }

  async #isListed(key: string): Promise<boolean> {
    for await (const value of this.list(key)) if (value.key === key) return true;
    return false;
  }

  async #upload(key: string, value: Uint8Array): Promise<void> {
    await this.#requests.run('store', key, () => this.#requests.client.send(this.#putCommand(key, value)));
  }

  /** `refused` when the store answers that it does not know the condition; nothing was stored then. */
  async #uploadIfAbsent(key: string, value: Uint8Array): Promise<'stored' | 'present' | 'refused'> {
    const outcome = await this.#requests.run('create', key, async (attempt) => {
      try {
        await this.#requests.client.send(this.#putCommand(key, value, { IfNoneMatch: '*' }));
        return 'stored';
      } catch (error) {
        const status = statusOf(error);
        // An earlier attempt may have stored the value although its answer was lost.
        if (status === 412) return attempt > 1 ? 'present after a retry' : 'present';
        // From a store that has honoured it this is a failure like others; writing without the condition could overwrite.
        const unknown = status === 501 || (status === 400 && !isPassing(error));
        if (unknown && this.#createOnly !== true) return 'refused';
        throw error;
      }
    });
    if (outcome !== 'present after a retry') return outcome;
    return (await this.get(key)).equals(value) ? 'stored' : 'present';
  }

  #putCommand(key: string, value: Uint8Array, condition: { IfNoneMatch?: '*' } = {}): PutObjectCommand {
    const md5 = createHash('md5').update(value).digest('base64');
    return new PutObjectCommand({
      ...this.#requests.address(key),
      ...condition,
      Body: value,
      ContentMD5: md5,
    });
  }

  async #confirm(key: string, value: Uint8Array): Promise<void> {
    const found = await this.stat(key);
    if (found?.size === value.byteLength) return;
    const what = found ? `has ${found.size} of ${value.byteLength} bytes` : 'is not there';
    throw new StorageError(
      `${key} ${what} in ${this.location}, although ${this.#requests.place.host} confirmed that it was stored`,
      'Do not rely on this store before its operator has explained this.',
    );
  }
}
