import { createHmac, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { parseBounded } from '../format/bounded-json.ts';
import { type IntegrityError, messageOf, StorageError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { ByteBudget } from '../runtime/workers.ts';
import { ForeignValueError, largestValue } from '../storage/storage.ts';
import type { Repository } from './open.ts';
import { readAgain } from './reading.ts';

/*
 * Sealed files: one line of JSON whose last field is an HMAC over all bytes before it, with the key of the
 * repository. The seal detects any truncation, and any change by a person without the key. docs/format.md
 * shows how to check one by hand.
 */

/**
 * The kind of a file. It is part of the seal, so a record never passes for a manifest, nor one kind of record
 * for another. A `claim` is the note that the platform was asked for a restore.
 */
export type SealedKind = 'manifest' | 'outlines' | 'segment' | 'claim' | `record ${string}`;

/** `,"seal":"<64 digits>"}` and a line break */
const sealLength = 76;
const sealPattern = /,"seal":"([0-9a-f]{64})"\}\n?$/;

const mebibyte = 1024 * 1024;

/**
 * The most bytes of a file of one kind. A larger file is not ours and is not read: anyone who can write to
 * the storage could have put it there.
 */
export function sizeLimit(kind: SealedKind): number {
  switch (kind) {
    case 'manifest':
      // Enough for a database of 25 TB, or of 200,000 tables
      return largestValue;
    case 'segment':
      return 64 * mebibyte;
    case 'record garbage':
      return 8 * mebibyte;
    case 'claim':
      return 4096;
    default:
      return 32 * mebibyte;
  }
}

/** Bytes of sealed files in memory at once; parsed, they take several times as much. */
const readBytes = 32 * mebibyte;

/** Bounds the memory of readers of many sealed files. */
export class SealedReading {
  readonly #budget = new ByteBudget(readBytes);

  /** @param size as listed; undefined when unknown */
  next<Result>(kind: SealedKind, size: number | undefined, read: () => Promise<Result>): Promise<Result> {
    return this.#budget.hold(size === undefined || size > sizeLimit(kind) ? 0 : size, read);
  }
}

/**
 * Returns the bytes of a sealed file.
 *
 * @param content an object with at least one field, none of them named `seal`
 * @throws StorageError when it is too large for any reader
 */
export function sealContent(repository: Repository, kind: SealedKind, content: object): Buffer {
  const open = Buffer.from(JSON.stringify(content).slice(0, -1));
  const [size, limit] = [open.length + sealLength, sizeLimit(kind)];
  if (size > limit) {
    throw new StorageError(
      `the ${kind} would have ${size} bytes; the limit is ${limit}`,
      say`It was not stored. Split what it is about: leave out tables with ${nameInput('exclude')}, or validate fewer backups at once.`,
    );
  }
  return Buffer.concat([open, Buffer.from(`,"seal":"${computeSeal(repository, kind, open)}"}\n`)]);
}

/** Says how a file differs from a file that this repository has sealed. The caller adds the next step. */
export class BrokenSealError extends Error {}

/**
 * Returns the JSON text that was sealed.
 *
 * @throws BrokenSealError when the file is damaged or truncated, of another kind, or was not written with
 * this repository's key
 */
export function openSealed(repository: Repository, kind: SealedKind, bytes: Buffer): string {
  return `${checkSeal(repository, kind, bytes).toString('utf8')}}`;
}

/**
 * Returns the bytes that were sealed, without the closing brace: for callers that need only a part of them.
 *
 * @throws BrokenSealError as `openSealed` does
 */
export function checkSeal(repository: Repository, kind: SealedKind, bytes: Buffer): Buffer {
  const tail = bytes.subarray(-sealLength).toString('latin1');
  const found = sealPattern.exec(tail);
  if (!found) {
    throw new BrokenSealError(`it is truncated or damaged (${bytes.length} bytes, no seal at its end)`);
  }
  const open = bytes.subarray(0, Math.max(bytes.length - sealLength, 0) + found.index);
  const expected = Buffer.from(computeSeal(repository, kind, open));
  if (!timingSafeEqual(expected, Buffer.from(found[1] ?? ''))) {
    throw new BrokenSealError('its seal does not match its content');
  }
  return open;
}

/** @param open the content without its closing brace */
function computeSeal({ key }: Repository, kind: SealedKind, open: Buffer): string {
  return createHmac('sha256', key).update(`${kind}\0`).update(open).update('}').digest('hex');
}

/**
 * Reads the content of a sealed file, without its closing brace; undefined when there is no such key. A file
 * that does not match its seal is read again.
 *
 * @param damaged makes the error for a file that is not what this repository has sealed
 * @throws StorageError when it cannot be read at all
 */
export async function fetchSealed(
  repository: Repository,
  kind: SealedKind,
  key: string,
  damaged: (how: string, cause?: unknown) => IntegrityError,
): Promise<Buffer | undefined> {
  return readAgain(async (options) => {
    try {
      return checkSeal(repository, kind, await repository.storage.get(key, sizeLimit(kind), options));
    } catch (cause) {
      if (cause instanceof BrokenSealError) throw damaged(cause.message, cause);
      if (cause instanceof ForeignValueError) throw damaged(cause.how, cause);
      if (cause instanceof StorageError && cause.missing) return undefined;
      throw cause;
    }
  }, repository.storage.places);
}

/**
 * Reads a sealed file and parses it with a schema. Undefined when there is no such key, for example because
 * it was removed after it was listed.
 *
 * @param damaged makes the error for a file that is not what this repository has sealed, or does not match
 * the schema
 * @throws StorageError when it cannot be read at all
 */
export async function readSealed<Schema extends v.GenericSchema>(
  repository: Repository,
  kind: SealedKind,
  key: string,
  schema: Schema,
  damaged: (how: string, cause?: unknown) => IntegrityError,
): Promise<v.InferOutput<Schema> | undefined> {
  const open = await fetchSealed(repository, kind, key, damaged);
  if (open === undefined) return undefined;
  let parsed: v.SafeParseResult<Schema>;
  try {
    parsed = v.safeParse(schema, parseBounded(open, '}'), { abortEarly: true });
  } catch (cause) {
    throw damaged(messageOf(cause), cause);
  }
  if (parsed.success) return parsed.output;
  throw damaged(`it is sealed but not of format 1 (${v.summarize(parsed.issues).slice(0, 500)})`);
}
