import { createHash, randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import pRetry from 'p-retry';
import { ConfigurationError, StorageError } from '../errors.ts';
import { describeWay } from '../http/agents.ts';
import { append } from '../lists.ts';
import { boundAnswers, readWhole } from './s3-answers.ts';
import { explain, isDenial, isPassing, isWithheld, nameOf, type S3Place, statusOf } from './s3-failure.ts';
import {
  assertKey,
  assertPrefix,
  assertSize,
  type Capabilities,
  DeniedValueError,
  ForeignValueError,
  isKey,
  largestValue,
  RetainedError,
  type Storage,
  type StoredValue,
} from './storage.ts';

export interface S3Options {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the root of the bucket. */
  readonly prefix: string;
  /** Absent for Amazon's own endpoints. */
  readonly endpoint?: URL;
  /** Absent: `auto` or `us-east-1` at a custom endpoint, else what the AWS configuration of this machine says. */
  readonly region?: string;
  /** Where proxies and authorities are named */
  readonly env?: NodeJS.ProcessEnv;
  /** The pause before the first retry, in milliseconds, doubled for each one after it. Tests shorten it. */
  readonly firstPause?: number;
  /** How long a connection may carry no byte in either direction, in milliseconds. Tests shorten it. */
  readonly silence?: number;
}

/** Requests under way together, and so connections. */
const maxConcurrency = 16;

/** With the pauses between them, and their jitter, retries outlast a failure of 30 seconds. */
const maxRetries = 7;

/** Until the store has answered once, silence means a wrong address more often than an outage. */
const maxFirstRetries = 2;

/** As many keys as one DeleteObjects may name. */
const deleteBatch = 1000;

/** milliseconds */
const defaultSilence = 60_000;

/** Times of silence after which an answer has begun. */
const answerWindow = 60;

/** Of a listing, one after another. Stores that skip what was deleted give some. */
const mostEmptyPages = 1000;

/** Answers to a request of a kind that the store does not know. */
const unsupported = new Set([400, 405, 411, 501]);

const hour = 60 * 60 * 1000;

/** What stands for Amazon's hosts, of which there is one for each bucket and region */
const amazon = new URL('https://s3.amazonaws.com');

/**
 * A bucket of an S3-compatible store, or a folder in one.
 *
 * Credentials come from the default chain of the AWS SDK. All retries are made here, by one rule for whole calls, and
 * the SDK's own are off: its standard retries give up after less than a second, share a budget that a burst of failures on
 * parallel uploads empties, and end when the headers of a response have come, before its body has.
 */
export class S3Storage implements Storage {
  readonly location: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #root: string;
  readonly #place: S3Place;
  readonly #firstPause: number;
  readonly #limit = pLimit(maxConcurrency);
  #answered = false;
  /** Whether the store honours `If-None-Match: *`; undefined until it is known. */
  #createOnly: boolean | undefined;
  #deletesInBatches = true;
  /** A key whose value was read */
  #readable: string | undefined;
  readonly #silence: number;

  constructor(options: S3Options) {
    const { bucket, prefix, endpoint } = options;
    this.#bucket = bucket;
    this.#root = prefix === '' ? '' : `${prefix}/`;
    this.location = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    const { env = process.env } = options;
    this.#place = { bucket, host: endpoint?.host ?? 'Amazon S3', url: endpoint ?? amazon, env };
    this.#firstPause = options.firstPause ?? 250;
    this.#silence = options.silence ?? defaultSilence;
    this.#client = new S3Client(configure(options, this.#silence));
    boundAnswers(this.#client, this.#silence);
  }

  async probe(): Promise<Capabilities> {
    try {
      return await this.#prove();
    } catch (error) {
      if (error instanceof StorageError && error.cause && explain(error.cause, this.#place).configuration) {
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

  async get(key: string, limit = largestValue): Promise<Buffer> {
    assertKey(key);
    const check = (bytes: number) => assertSize(key, this.location, bytes, limit);
    try {
      const value = await this.#request('read', key, async () => {
        const { Body, ContentLength } = await this.#client.send(new GetObjectCommand(this.#address(key)));
        return readWhole(Body as Readable, this.#silence, ContentLength, check);
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
    return this.#request('look at', key, async () => {
      try {
        const head = await this.#client.send(new HeadObjectCommand(this.#address(key)));
        return { key, size: head.ContentLength ?? 0, modifiedAt: head.LastModified ?? new Date(0) };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    assertPrefix(prefix);
    const tokens = new Set<string>();
    let empty = 0;
    let token: string | undefined;
    do {
      const page = await this.#request('list', prefix, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#root + prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      );
      const next = page.IsTruncated ? page.NextContinuationToken : undefined;
      empty = page.Contents?.length ? 0 : empty + 1;
      // Taking a part of a listing for the whole would make stored values look absent; one that goes in a circle has no end.
      const isBroken =
        page.IsTruncated && (next === undefined || tokens.has(next) || empty >= mostEmptyPages);
      if (isBroken || !isListing(page)) {
        throw new StorageError(
          `${this.#place.host} gave a listing of ${this.location} that is not whole`,
          'Check that `s3-endpoint` is the S3 interface of the store.',
        );
      }
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        // What was not asked for is of somebody else, and cut short it would have another name.
        if (!Key.startsWith(this.#root + prefix) || !Number.isSafeInteger(Size) || Size < 0) continue;
        const key = Key.slice(this.#root.length);
        if (isKey(key)) yield { key, size: Size, modifiedAt: LastModified ?? new Date(0) };
      }
      if (next !== undefined) tokens.add(next);
      token = next;
    } while (token !== undefined);
  }

  async delete(keys: readonly string[]): Promise<void> {
    keys.forEach(assertKey);
    const retained: string[] = [];
    for (let from = 0; from < keys.length; from += deleteBatch) {
      append(retained, await this.#deleteSome(keys.slice(from, from + deleteBatch)));
    }
    if (retained.length > 0) throw new RetainedError(retained, this.location);
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  async #prove(): Promise<Capabilities> {
    // A probe that was killed, or could not delete, left its key; it is removed or used again, so that they never add up.
    const left: string[] = [];
    for await (const { key, modifiedAt } of this.list('probe/')) {
      if (Date.now() - modifiedAt.getTime() > hour) left.push(key);
    }
    const [undeletable] = await this.#deleteSome(left);
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
      await this.#deleteSome([key]).catch(() => {});
      throw error;
    }
    const retained = await this.#deleteSome([key]);
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
    await this.#request('store', key, () => this.#client.send(this.#putCommand(key, value)));
  }

  /** `refused` when the store answers that it does not know the condition; nothing was stored then. */
  async #uploadIfAbsent(key: string, value: Uint8Array): Promise<'stored' | 'present' | 'refused'> {
    const outcome = await this.#request('create', key, async (attempt) => {
      try {
        await this.#client.send(this.#putCommand(key, value, { IfNoneMatch: '*' }));
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
    return new PutObjectCommand({ ...this.#address(key), ...condition, Body: value, ContentMD5: md5 });
  }

  async #confirm(key: string, value: Uint8Array): Promise<void> {
    const found = await this.stat(key);
    if (found?.size === value.byteLength) return;
    const what = found ? `has ${found.size} of ${value.byteLength} bytes` : 'is not there';
    throw new StorageError(
      `${key} ${what} in ${this.location}, although ${this.#place.host} confirmed that it was stored`,
      'Do not rely on this store before its operator has explained this.',
    );
  }

  /** Deletes at most a batch of keys, and returns those that the store retains. */
  async #deleteSome(keys: readonly string[]): Promise<string[]> {
    if (keys.length === 0) return [];
    const retained: string[] = [];
    let single = keys;
    if (this.#deletesInBatches) {
      try {
        const { Errors = [] } = await this.#request('delete', keys[0] ?? '', () =>
          this.#client.send(
            new DeleteObjectsCommand({
              Bucket: this.#bucket,
              Delete: { Objects: keys.map((key) => ({ Key: this.#root + key })), Quiet: true },
            }),
          ),
        );
        const failures = new Map(
          Errors.map(({ Key = '', Code = '' }) => [Key.slice(this.#root.length), Code]),
        );
        for (const [key, code] of failures) if (isDenial(code)) retained.push(key);
        single = [...failures.keys()].filter((key) => !retained.includes(key));
      } catch (error) {
        const cause = error instanceof StorageError ? error.cause : undefined;
        if (isDenial(nameOf(cause))) return [...keys];
        if (!unsupported.has(statusOf(cause) ?? 0)) throw error;
        this.#deletesInBatches = false;
      }
    }
    const kept = await Promise.all(single.map(async (key) => ((await this.#deleteOne(key)) ? [] : [key])));
    return retained.concat(...kept);
  }

  /** False when the store retains the value. */
  async #deleteOne(key: string): Promise<boolean> {
    return this.#request('delete', key, async () => {
      try {
        await this.#client.send(new DeleteObjectCommand(this.#address(key)));
      } catch (error) {
        if (isDenial(nameOf(error))) return false;
        if (nameOf(error) !== 'NoSuchKey') throw error;
      }
      return true;
    });
  }

  #address(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#root + key };
  }

  /**
   * Runs one call with retries. `call` is told the number of its attempt, from 1. What it throws in the end becomes a
   * `StorageError` with the SDK's error as its cause.
   */
  async #request<T>(action: string, key: string, call: (attempt: number) => Promise<T>): Promise<T> {
    const attempt = async (number: number): Promise<T> => {
      try {
        const result = await call(number);
        this.#answered = true;
        return result;
      } catch (error) {
        if (statusOf(error) !== undefined || error instanceof ForeignValueError) this.#answered = true;
        throw error;
      }
    };
    try {
      return await this.#limit(() =>
        pRetry(attempt, {
          retries: maxRetries,
          minTimeout: this.#firstPause,
          randomize: true,
          shouldRetry: ({ error, retriesConsumed }) =>
            isPassing(error) && (this.#answered || retriesConsumed < maxFirstRetries),
        }),
      );
    } catch (error) {
      if (error instanceof ForeignValueError) throw error;
      if (action === 'read' && statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') {
        const next = 'Validate the repository: a value is missing.';
        throw new StorageError(`${key} is not in ${this.location}`, next, { cause: error, missing: true });
      }
      const { what, next, configuration } = explain(error, this.#place);
      throw new StorageError(`cannot ${action} ${key || 'the bucket'} in ${this.location}: ${what}`, next, {
        cause: error,
        configuration,
      });
    }
  }
}

function configure(options: S3Options, silence: number): S3ClientConfig {
  const { endpoint, region, bucket, env = process.env } = options;
  // The limit of connections is ours, for `connectionTimeout` also counts the wait for a free one.
  const agent = { ...describeWay(env, 'storage'), keepAlive: true, maxSockets: Number.POSITIVE_INFINITY };
  const custom: S3ClientConfig = endpoint
    ? {
        endpoint: endpoint.href,
        region: region ?? (endpoint.hostname.endsWith('.r2.cloudflarestorage.com') ? 'auto' : 'us-east-1'),
        // Many compatible stores refuse the checksum headers that the SDK sends by default.
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      }
    : region
      ? { region }
      : {};
  return {
    ...custom,
    maxAttempts: 1,
    // A bucket with dots in its name has no valid certificate as a host name.
    forcePathStyle: endpoint !== undefined || bucket.includes('.'),
    // With it the SDK opens a connection for each upload.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: silence,
      // From the first byte of a request to the first of its answer: silence alone does not end what comes drop by drop.
      requestTimeout: silence * answerWindow,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}

/** Any page of the web is parsed as a listing without keys. */
function isListing({ Name, IsTruncated }: ListObjectsV2CommandOutput): boolean {
  return Name !== undefined || IsTruncated !== undefined;
}
