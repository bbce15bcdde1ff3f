import type { Readable } from 'node:stream';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { StorageError } from '../../runtime/errors.ts';
import {
  assertSize,
  DeniedValueError,
  largestValue,
  type ReadOptions,
  type StoredValue,
} from '../storage.ts';
import { readWhole } from './answers.ts';
import { isArchived, isTransient, isWithheld, isWordless, nameOf, statusOf } from './failure.ts';
import type { Attempt, S3Requests } from './requests.ts';
import { tellAnswer } from './words.ts';

/** Reads values, and their sizes and times. */
export class S3Reading {
  readonly #requests: S3Requests;
  /** A key whose value was read successfully */
  #readable: string | undefined;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  async get(
    key: string,
    limit = largestValue,
    { freshConnection: fresh = false }: ReadOptions = {},
  ): Promise<Buffer> {
    const { location, silenceMs } = this.#requests;
    const check = (bytes: number) => assertSize(key, location, bytes, limit);
    try {
      const value = await this.#requests.run('read', key, async ({ options, meet }) => {
        const command = new GetObjectCommand(this.#requests.address(key));
        const client = fresh ? this.#requests.freshClient : this.#requests.client;
        const { Body, ContentLength } = await client.send(command, options);
        meet();
        return readWhole(Body as Readable, silenceMs, ContentLength, check);
      });
      this.#readable ??= key;
      return value;
    } catch (error) {
      if (!(error instanceof StorageError) || !(await this.#isDeniedAlone(key, error))) throw error;
      const how = `the store gives out others and not this one: ${tellAnswer(error.cause)}`;
      throw new DeniedValueError(key, location, how, error, isArchived(error.cause) ? error.next : undefined);
    }
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    return this.#requests.run('look at', key, async (attempt) => {
      const command = new HeadObjectCommand(this.#requests.address(key));
      try {
        const head = await this.#requests.client.send(command, attempt.options);
        return { key, size: head.ContentLength ?? 0, modifiedAt: head.LastModified ?? new Date(0) };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw isWordless(error) && !isTransient(error) ? await this.#askForWords(key, error, attempt) : error;
      }
    });
  }

  /**
   * Asks for the SHA-256 that the store keeps of a value, of all its bytes; undefined where it keeps none. That of
   * a multipart upload is one of checksums (COMPOSITE), and has its number of parts behind it: user guide of S3,
   * "Checking object integrity", "Full object and composite checksum types".
   *
   * @throws StorageError with `missing` set when there is no such value
   */
  async checksum(key: string): Promise<string | undefined> {
    const head = await this.#requests.run('look at', key, async ({ options }) => {
      const command = new HeadObjectCommand({ ...this.#requests.address(key), ChecksumMode: 'ENABLED' });
      try {
        return await this.#requests.client.send(command, options);
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
    if (head === undefined) {
      const message = `${key} is not in ${this.#requests.location}`;
      throw new StorageError(message, 'Check who removes files there.', { missing: true });
    }
    const { ChecksumSHA256 = '', ChecksumType } = head;
    if (ChecksumType === 'COMPOSITE' || !/^[A-Za-z0-9+/]{43}=$/.test(ChecksumSHA256)) return undefined;
    return Buffer.from(ChecksumSHA256, 'base64').toString('hex');
  }

  /** Repeats a failed HEAD as a GET: the answer to a HEAD has no body, and so no message of the store. */
  async #askForWords(key: string, wordless: unknown, { options }: Attempt): Promise<unknown> {
    const command = new GetObjectCommand({ ...this.#requests.address(key), Range: 'bytes=0-0' });
    try {
      const { Body } = await this.#requests.client.send(command, options);
      (Body as Readable).destroy();
      return wordless;
    } catch (error) {
      return statusOf(error) === statusOf(wordless) ? error : wordless;
    }
  }

  /**
   * Tells whether the store denies this value alone, by reading again a value that could be read before:
   * credentials that lost their rights must not make every backup look damaged.
   */
  async #isDeniedAlone(key: string, error: StorageError): Promise<boolean> {
    const readable = this.#readable;
    if (readable === undefined || readable === key) return false;
    if (!isWithheld(nameOf(error.cause))) return false;
    try {
      await this.get(readable);
      return true;
    } catch {
      return false;
    }
  }
}
