import type { S3Client } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { retry } from '../../http/retry.ts';
import { StorageError } from '../../runtime/errors.ts';
import { ForeignValueError, storageLanes } from '../storage.ts';
import { openClient, type S3Options, silenceMsOf } from './client.ts';
import { Deadline } from './deadline.ts';
import {
  isAbsent,
  isClockCorrected,
  isPathRefused,
  isSilence,
  isTransient,
  SilenceError,
  statusOf,
} from './failure.ts';
import type { Action, S3Place } from './sentences.ts';
import { explain } from './words.ts';

/** The most retries; with their pauses and jitter they outlast an outage of 30 seconds. */
const maxRetries = 7;

/**
 * The most retries before the store has answered once: until then, a failure is more often a wrong address
 * than an outage.
 */
const maxFirstRetries = 2;

/**
 * The most attempts of one request that end in a full silence. An attempt without a connection ends sooner,
 * and counts like other failures.
 */
const mostSilences = 2;

/** One attempt of a request */
export interface Attempt {
  /** Counted from 1 */
  readonly number: number;
  /** The options for `send` of the SDK */
  readonly options: { readonly abortSignal: AbortSignal };
  /** Ends the deadline; called when an answer has begun whose body is read with a limit of its own. */
  readonly meet: () => void;
}

/**
 * Requests to one bucket or a prefix in it: holds the address, limits the concurrency and makes the retries.
 */
export class S3Requests {
  readonly bucket: string;
  /** The text before each key: empty, or the prefix with a slash */
  readonly root: string;
  readonly location: string;
  readonly place: S3Place;
  /** A connection that carries no byte for so long counts as dead. */
  readonly silenceMs: number;
  readonly #options: S3Options;
  readonly #firstDelayMs: number;
  readonly #limit = pLimit(storageLanes);
  #client: S3Client;
  /** A client that opens a new connection for each request */
  #fresh: S3Client | undefined;
  /** The client with the bucket in the path that `#client` replaced; its requests may still be under way. */
  #byPath: S3Client | undefined;
  #answered = false;
  /** True while no request has succeeded since one exhausted its retries */
  #givenUp = false;

  constructor(options: S3Options) {
    const { bucket, prefix, endpoint, context } = options;
    this.#options = options;
    this.#client = openClient(options);
    this.bucket = bucket;
    this.root = prefix === '' ? '' : `${prefix}/`;
    this.location = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    this.place = { bucket, endpoint, env: context.env };
    this.silenceMs = silenceMsOf(options);
    this.#firstDelayMs = options.firstDelayMs ?? 250;
  }

  get client(): S3Client {
    return this.#client;
  }

  /** The client for reading a value again: each of its requests has a connection of its own. */
  get freshClient(): S3Client {
    const { addressing = 'auto' } = this.#options;
    this.#fresh ??= openClient(
      { ...this.#options, addressing: this.#byPath === undefined ? addressing : 'virtual' },
      false,
    );
    return this.#fresh;
  }

  /** Whether the store has answered any request */
  get hasAnswered(): boolean {
    return this.#answered;
  }

  address(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: this.root + key };
  }

  close(): void {
    this.#client.destroy();
    this.#fresh?.destroy();
    this.#byPath?.destroy();
  }

  /**
   * Runs one call with retries. A call must not run another one inside: the number of concurrent calls is
   * limited, so nested ones could deadlock.
   *
   * @param bytes the number of bytes to send, for which the deadline allows time
   * @throws StorageError with the SDK's last error as its cause; a ForeignValueError is thrown as it is
   */
  async run<T>(action: Action, key: string, call: (attempt: Attempt) => Promise<T>, bytes = 0): Promise<T> {
    let silences = 0;
    const attempt = async (number: number): Promise<T> => {
      const since = performance.now();
      try {
        return await this.#try(number, call, bytes);
      } catch (error) {
        if (isSilence(error) && performance.now() - since > this.silenceMs / 2) silences++;
        throw error;
      }
    };
    try {
      return await this.#limit(() =>
        retry(attempt, {
          retries: maxRetries,
          delayMs: this.#firstDelayMs,
          waitMsAfter: (error, retries) => (this.#isWorthAnother(error, retries, silences) ? 0 : undefined),
        }),
      );
    } catch (error) {
      this.#givenUp ||= isTransient(error);
      throw this.#describe(error, action, key);
    }
  }

  async #try<T>(number: number, call: (attempt: Attempt) => Promise<T>, bytes: number): Promise<T> {
    const deadline = new Deadline(this.silenceMs, bytes, this.#givenUp ? 'short' : 'usual');
    const { abortSignal, meet } = deadline;
    try {
      const result = await call({ number, options: { abortSignal }, meet });
      this.#answered = true;
      this.#givenUp = false;
      return result;
    } catch (error) {
      if (deadline.isPast) throw new SilenceError('it did not answer in time', { cause: error });
      if (statusOf(error) !== undefined || error instanceof ForeignValueError) this.#answered = true;
      throw error;
    } finally {
      meet();
    }
  }

  #isWorthAnother(error: unknown, retries: number, silences: number): boolean {
    if (retries === 0 && (isClockCorrected(error) || this.#turnsVirtual(error))) return true;
    if (!isTransient(error)) return false;
    // After the store was given up, only clean-up requests are made.
    if (this.#givenUp) return retries === 0 && !isSilence(error);
    return silences < mostSilences && (this.#answered || retries < maxFirstRetries);
  }

  /** Tells whether the store refuses the bucket in the path, and puts it into the host name from now on. */
  #turnsVirtual(error: unknown): boolean {
    if ((this.#options.addressing ?? 'auto') !== 'auto' || !isPathRefused(error)) return false;
    if (this.#byPath === undefined) {
      this.#byPath = this.#client;
      this.#client = openClient({ ...this.#options, addressing: 'virtual' });
    }
    return true;
  }

  #describe(error: unknown, action: Action, key: string): Error {
    if (error instanceof ForeignValueError) return error;
    if (action === 'read' && isAbsent(error)) {
      const next = 'Run `validate`: a file is missing from the repository.';
      return new StorageError(`${key} is not in ${this.location}`, next, { cause: error, missing: true });
    }
    const { what, next, configuration } = explain(error, {
      ...this.place,
      action,
      hasAnswered: this.#answered,
    });
    const where = `${key || 'the bucket'} in ${this.location}`;
    return new StorageError(`cannot ${action} ${where}: ${what}`, next, { cause: error, configuration });
  }
}
