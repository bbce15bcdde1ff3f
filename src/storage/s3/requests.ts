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
  isPassing,
  isPathRefused,
  isSilence,
  SilenceError,
  statusOf,
} from './failure.ts';
import type { Action, S3Place } from './sentences.ts';
import { explain } from './words.ts';

/** With the pauses between them, and their jitter, retries outlast a failure of 30 seconds. */
const maxRetries = 7;

/** Until the store has answered once, silence means a wrong address more often than an outage. */
const maxFirstRetries = 2;

/** Tries of one request that end in a whole silence. One in which no connection was opened ends sooner, and is like other failures. */
const mostSilences = 2;

/** One try of a request. */
export interface Attempt {
  /** From 1 */
  readonly number: number;
  /** For `send` of the SDK */
  readonly options: { readonly abortSignal: AbortSignal };
  /** To be called when an answer has begun whose body is read with a limit of its own. */
  readonly meet: () => void;
}

/** What is asked of one bucket, or a folder in it: where that is, how many requests go together, and when one is made again. */
export class S3Requests {
  readonly bucket: string;
  /** What stands before each key: empty, or the prefix with a slash */
  readonly root: string;
  readonly location: string;
  readonly place: S3Place;
  /** A connection that carries no byte for so long counts as dead. */
  readonly silenceMs: number;
  readonly #options: S3Options;
  readonly #firstDelayMs: number;
  readonly #limit = pLimit(storageLanes);
  #client: S3Client;
  /** Opens a connection for each of its requests */
  #fresh: S3Client | undefined;
  /** The client before this one, whose requests may still be under way */
  #byPath: S3Client | undefined;
  #answered = false;
  /** No request has been answered since one was made as often as it may be. */
  #givenUp = false;

  constructor(options: S3Options) {
    const { bucket, prefix, endpoint, world } = options;
    this.#options = options;
    this.#client = openClient(options);
    this.bucket = bucket;
    this.root = prefix === '' ? '' : `${prefix}/`;
    this.location = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
    this.place = { bucket, endpoint, env: world.env };
    this.silenceMs = silenceMsOf(options);
    this.#firstDelayMs = options.firstDelayMs ?? 250;
  }

  get client(): S3Client {
    return this.#client;
  }

  /** The client for what is read again: each of its requests has a connection of its own. */
  get freshClient(): S3Client {
    const { addressing = 'auto' } = this.#options;
    this.#fresh ??= openClient(
      { ...this.#options, addressing: this.#byPath === undefined ? addressing : 'virtual' },
      false,
    );
    return this.#fresh;
  }

  /** Whether the store has answered anything yet. */
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
   * Runs one call with retries. What it throws in the end becomes a `StorageError` with the SDK's error as its cause. It must not run
   * another one inside: places are limited.
   *
   * @param bytes that are sent, which take their time
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
      this.#givenUp ||= isPassing(error);
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
    if (!isPassing(error)) return false;
    // What is done after the store was given up is tidying.
    if (this.#givenUp) return retries === 0 && !isSilence(error);
    return silences < mostSilences && (this.#answered || retries < maxFirstRetries);
  }

  /** Whether the bucket goes into the host name from now on, because the store takes none in the path. */
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
      const next = 'Validate the repository: a value is missing.';
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
