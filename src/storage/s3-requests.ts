import type { S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import pRetry from 'p-retry';
import { StorageError } from '../errors.ts';
import { openClient, type S3Options, silenceOf } from './s3-client.ts';
import { explain, isPassing, nameOf, type S3Place, statusOf } from './s3-failure.ts';
import { ForeignValueError } from './storage.ts';

/** Requests under way together, and so connections. */
const maxConcurrency = 16;

/** With the pauses between them, and their jitter, retries outlast a failure of 30 seconds. */
const maxRetries = 7;

/** Until the store has answered once, silence means a wrong address more often than an outage. */
const maxFirstRetries = 2;

/** What is asked of one bucket, or a folder in it: where that is, how many requests go together, and when one is made again. */
export class S3Requests {
  readonly client: S3Client;
  readonly bucket: string;
  /** What stands before each key: empty, or the prefix with a slash */
  readonly root: string;
  readonly location: string;
  readonly place: S3Place;
  /** milliseconds without a byte after which a connection counts as dead */
  readonly silence: number;
  readonly #options: S3Options;
  readonly #firstPause: number;
  readonly #limit = pLimit(maxConcurrency);
  #answered = false;
  #fresh: S3Client | undefined;

  constructor(options: S3Options) {
    const { bucket, prefix, endpoint } = options;
    this.#options = options;
    this.client = openClient(options);
    this.bucket = bucket;
    this.root = prefix === '' ? '' : `${prefix}/`;
    this.location = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    this.place = { bucket, host: endpoint?.host ?? 'Amazon S3' };
    this.silence = silenceOf(options);
    this.#firstPause = options.firstPause ?? 250;
  }

  /** Opens a connection for each of its requests. */
  get freshClient(): S3Client {
    this.#fresh ??= openClient(this.#options, false);
    return this.#fresh;
  }

  close(): void {
    this.client.destroy();
    this.#fresh?.destroy();
  }

  address(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.root + key };
  }

  /**
   * Runs one call with retries. `call` is told the number of its attempt, from 1. What it throws in the end becomes a
   * `StorageError` with the SDK's error as its cause.
   */
  async run<T>(action: string, key: string, call: (attempt: number) => Promise<T>): Promise<T> {
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
      const { what, next, configuration } = explain(error, this.place);
      throw new StorageError(`cannot ${action} ${key || 'the bucket'} in ${this.location}: ${what}`, next, {
        cause: error,
        configuration,
      });
    }
  }
}
