import { createHash, randomBytes } from 'node:crypto';
import {
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { StorageError } from '../../runtime/errors.ts';
import { say } from '../../runtime/wording.ts';
import { DeniedValueError, ForeignValueError } from '../storage.ts';
import type { S3Options } from './client.ts';
import { isDigestRefusal, isSilence, isTransient, statusOf } from './failure.ts';
import type { S3Reading } from './reading.ts';
import type { Attempt, S3Requests } from './requests.ts';
import { hostOf } from './sentences.ts';

/** The most uploads of one value, when the store keeps other bytes than were sent */
const mostUploads = 3;

/**
 * The outcome of a write on the condition that the key is absent; `refused` when the store does not support
 * the condition.
 */
export type Creation = 'stored' | 'present' | 'refused';

/** A write that was answered */
interface Sent {
  readonly answer: PutObjectCommandOutput;
  /** MD5 of the bytes that were sent */
  readonly md5: Buffer;
}

type Outcome =
  /** `sent` is undefined when the answer was lost and the value is stored nevertheless. */
  | { readonly kind: 'stored'; readonly sent?: Sent }
  | { readonly kind: 'present'; readonly attempt: number }
  | { readonly kind: 'refused' };

/** Writes values, and confirms for each that the store has exactly these bytes, or at least their number. */
export class S3Writing {
  /** Whether the store honours `If-None-Match: *`; undefined until known */
  createOnly: boolean | undefined;
  readonly #requests: S3Requests;
  readonly #reading: S3Reading;
  /** Settings of each write: encryption and storage class */
  readonly #settings: Partial<PutObjectCommandInput>;
  /**
   * Whether the ETag of a value is the MD5 of its bytes, which is not guaranteed, and not so with KMS;
   * undefined until known
   */
  #tellsMd5: boolean | undefined;
  /** Whether the store accepts Content-MD5; undefined until known */
  #takesMd5: boolean | undefined;
  /** Whether values are sent with their SHA-256, which the store then keeps; false once it has refused that */
  #sendsSha256: boolean;

  constructor(requests: S3Requests, reading: S3Reading, { encryption, storageClass, checksums }: S3Options) {
    this.#requests = requests;
    this.#reading = reading;
    this.#sendsSha256 = checksums ?? false;
    this.#settings = {
      ...(encryption && { ServerSideEncryption: encryption.algorithm }),
      ...(encryption?.keyId !== undefined && { SSEKMSKeyId: encryption.keyId }),
      ...(storageClass !== undefined && { StorageClass: storageClass as 'STANDARD' }),
    };
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    for (let uploads = 1; ; uploads++) {
      const sent = await this.#upload(key, value);
      const wrong = sent && (await this.#findWrong(key, value, sent));
      if (wrong === undefined) return;
      if (uploads === mostUploads) throw this.#describe(key, wrong);
    }
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    // A store that ignores the condition would overwrite silently, so the key is checked first unless the
    // store is known to honour it.
    if (this.createOnly !== true && (await this.#reading.stat(key))) return false;
    const outcome =
      this.createOnly === false ? { kind: 'refused' as const } : await this.#attempt(key, value);
    switch (outcome.kind) {
      case 'present':
        return outcome.attempt > 1 && (await this.#has(key, value));
      case 'refused':
        this.createOnly = false;
        await this.put(key, value);
        return true;
      case 'stored':
        // This call created the key, so it may overwrite wrong bytes.
        if (outcome.sent && (await this.#findWrong(key, value, outcome.sent))) await this.put(key, value);
        return true;
    }
  }

  /**
   * Writes on the condition that the key is absent, without further checks: for a probe, which reads the
   * value itself.
   */
  async createOnce(key: string, value: Uint8Array): Promise<Creation> {
    const outcome = await this.#attempt(key, value);
    if (outcome.kind !== 'present' || outcome.attempt === 1) return outcome.kind;
    return (await this.#has(key, value)) ? 'stored' : 'present';
  }

  /** Sends a value with the SHA-256 of another one. Whether the store refuses it; it has the value if not. */
  async refusesWrongChecksum(key: string): Promise<boolean> {
    const [value, other] = [randomBytes(8), randomBytes(8)];
    const input = { ...this.#requests.address(key), ...this.#settings, ChecksumSHA256: hashBase64(other) };
    return this.#requests.run('store', key, async ({ options }) => {
      try {
        await this.#requests.client.send(new PutObjectCommand({ ...input, Body: value }), options);
        return false;
      } catch (error) {
        if (isDigestRefusal(error)) return true;
        if (statusOf(error) === 501) return false;
        throw error;
      }
    });
  }

  /** @returns undefined when the answer was lost and the value is stored nevertheless */
  async #upload(key: string, value: Uint8Array): Promise<Sent | undefined> {
    try {
      return await this.#requests.run(
        'store',
        key,
        (attempt) => this.#send(key, value, attempt),
        value.length,
      );
    } catch (error) {
      if (await this.#isStoredAfter(error, key, value)) return undefined;
      throw error;
    }
  }

  async #attempt(key: string, value: Uint8Array): Promise<Outcome> {
    const call = (attempt: Attempt) => this.#sendIfAbsent(key, value, attempt);
    try {
      return await this.#requests.run('create', key, call, value.length);
    } catch (error) {
      if (await this.#isStoredAfter(error, key, value)) return { kind: 'stored' };
      throw error;
    }
  }

  async #sendIfAbsent(key: string, value: Uint8Array, attempt: Attempt): Promise<Outcome> {
    try {
      return { kind: 'stored', sent: await this.#send(key, value, attempt, { IfNoneMatch: '*' }) };
    } catch (error) {
      const status = statusOf(error);
      // An earlier attempt may have stored the value although its answer was lost.
      if (status === 412) return { kind: 'present', attempt: attempt.number };
      // From a store that has honoured the condition this is an ordinary failure; a write without the
      // condition could overwrite.
      const unknown = status === 501 || (status === 400 && !isTransient(error));
      if (unknown && this.createOnly !== true) return { kind: 'refused' };
      throw error;
    }
  }

  async #send(
    key: string,
    value: Uint8Array,
    { options }: Attempt,
    condition: { IfNoneMatch?: '*' } = {},
  ): Promise<Sent> {
    const input = { ...this.#requests.address(key), ...this.#settings, ...condition, Body: value };
    const send = (checked: object) =>
      this.#requests.client.send(new PutObjectCommand({ ...input, ...checked }), options);
    const md5 = createHash('md5').update(value).digest();
    if (this.#sendsSha256) {
      try {
        return { answer: await send({ ChecksumSHA256: hashBase64(value) }), md5 };
      } catch (error) {
        const status = statusOf(error);
        if (status !== 501 && (status !== 400 || isTransient(error))) throw error;
        // What else may be wrong with the request shows without the checksum.
      }
      this.#sendsSha256 = false;
    }
    try {
      const answer = await send(this.#takesMd5 === false ? {} : { ContentMD5: md5.toString('base64') });
      this.#takesMd5 ??= true;
      return { answer, md5 };
    } catch (error) {
      // S3 Express and others do not support Content-MD5 (user guide of S3, "Directory buckets",
      // "Differences").
      if (this.#takesMd5 !== undefined || statusOf(error) !== 501) throw error;
      const answer = await send({});
      this.#takesMd5 = false;
      return { answer, md5 };
    }
  }

  /**
   * Tells whether a value is stored although its write failed: every attempt may have lost only its answer.
   *
   * @throws StorageError with `uncertain` set, when the store does not show whether the value is stored
   */
  async #isStoredAfter(error: unknown, key: string, value: Uint8Array): Promise<boolean> {
    if (!(error instanceof StorageError) || !this.#requests.hasAnswered) return false;
    if (error.configuration && !isTransient(error.cause)) return false;
    try {
      if (await this.#has(key, value)) return true;
    } catch {
      throw toUncertainError(error);
    }
    // The last request may still arrive at the store.
    if (isSilence(error.cause)) throw toUncertainError(error);
    return false;
  }

  /** Tells whether exactly these bytes are stored. */
  async #has(key: string, value: Uint8Array): Promise<boolean> {
    try {
      return (await this.#reading.get(key, value.length)).equals(value);
    } catch (error) {
      // A withheld value may have these bytes or others.
      const isOther = error instanceof ForeignValueError && !(error instanceof DeniedValueError);
      if (isOther || (error instanceof StorageError && error.missing)) return false;
      throw error;
    }
  }

  /**
   * Says how the stored value differs from the one that was sent; undefined when it does not differ. The MD5
   * in the answer needs no further request; without one, the size is compared.
   */
  async #findWrong(key: string, value: Uint8Array, { answer, md5 }: Sent): Promise<string | undefined> {
    const told = this.#tellsMd5 === false ? undefined : md5Of(answer);
    if (told === undefined) return this.#findWrongSize(key, value);
    if (told === md5.toString('hex')) {
      this.#tellsMd5 = true;
      return undefined;
    }
    if (!(await this.#has(key, value))) return `other bytes, with the MD5 ${told}`;
    this.#tellsMd5 ??= false;
    return undefined;
  }

  async #findWrongSize(key: string, value: Uint8Array): Promise<string | undefined> {
    const found = await this.#reading.stat(key);
    if (found?.size === value.length) return undefined;
    return found ? `${found.size} of ${value.length} bytes` : 'nothing';
  }

  #describe(key: string, wrong: string): StorageError {
    const { location, place } = this.#requests;
    return new StorageError(
      `${location} has ${wrong} under ${key}, although ${hostOf(place)} confirmed that it was stored`,
      'Do not rely on this storage until its operator has explained this.',
    );
  }
}

function hashBase64(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('base64');
}

/** Returns the MD5 from the answer to a write; undefined when its ETag is something else. */
function md5Of(answer: PutObjectCommandOutput): string | undefined {
  if (answer.ServerSideEncryption?.startsWith('aws:kms') || answer.SSECustomerAlgorithm) return undefined;
  return /^"?([0-9a-f]{32})"?$/i.exec(answer.ETag ?? '')?.[1]?.toLowerCase();
}

function toUncertainError({ message, told, cause, configuration }: StorageError): StorageError {
  return new StorageError(
    `${message}; it may have been stored anyway`,
    say`${told.next} Then check whether the value is there.`,
    { cause, configuration, uncertain: true },
  );
}
