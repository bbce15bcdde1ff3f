import { createHmac, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { parseBounded } from '../format/bounded-json.ts';
import { type IntegrityError, messageOf, StorageError } from '../runtime/errors.ts';
import { ByteBudget } from '../runtime/workers.ts';
import { ForeignValueError, largestValue } from '../storage/storage.ts';
import type { Repository } from './open.ts';
import { readAgain } from './reading.ts';

/**
 * Sealed files: one line of JSON whose last field is an HMAC over all before it, by the key of the repository. It detects any
 * change by one who does not hold the key, and any truncation. docs/format.md shows how to check one by hand.
 */

/** What a file is. It goes into the seal, so that a record never passes for a manifest, nor one kind of record for another. */
export type SealedKind = 'manifest' | 'outlines' | 'segment' | `record ${string}`;

/** `,"seal":"<64 digits>"}` and a line break */
const sealLength = 76;
const sealPattern = /,"seal":"([0-9a-f]{64})"\}\n?$/;

const mebibyte = 1024 * 1024;

/** The most bytes that a file of a kind has. What is larger is not ours, and is not read: anyone who writes the storage can put it there. */
export function sizeLimit(kind: SealedKind): number {
  switch (kind) {
    case 'manifest':
      // Of a database of 25 TB, or of 200,000 tables
      return largestValue;
    case 'segment':
      return 64 * mebibyte;
    case 'record garbage':
      return 8 * mebibyte;
    default:
      return 32 * mebibyte;
  }
}

/** Parsed, what is read takes several times that. */
const readBytes = 32 * mebibyte;

/** Keeps those who read many sealed files from having too much of them in memory. */
export class SealedReading {
  readonly #budget = new ByteBudget(readBytes);

  /** @param size as listed; undefined when it is not known */
  next<Result>(kind: SealedKind, size: number | undefined, read: () => Promise<Result>): Promise<Result> {
    return this.#budget.hold(size === undefined || size > sizeLimit(kind) ? 0 : size, read);
  }
}

/**
 * @param content an object with at least one field, none of them named `seal`
 * @throws StorageError when it is so large that no reader would take it
 */
export function sealContent(repository: Repository, kind: SealedKind, content: object): Buffer {
  const open = Buffer.from(JSON.stringify(content).slice(0, -1));
  const [size, limit] = [open.length + sealLength, sizeLimit(kind)];
  if (size > limit) {
    throw new StorageError(
      `the ${kind} would have ${size} bytes, where ${limit} are the most`,
      'It was not stored. Split what it is about: leave out tables with `exclude`, or validate fewer backups at once.',
    );
  }
  return Buffer.concat([open, Buffer.from(`,"seal":"${computeSeal(repository, kind, open)}"}\n`)]);
}

/** Why a file is not what this repository has sealed. Its reader knows what to do about it. */
export class BrokenSealError extends Error {}

/**
 * The JSON text that was sealed.
 *
 * @throws BrokenSealError when the file is damaged or truncated, of another kind, or was not written with this repository's key
 */
export function openSealed(repository: Repository, kind: SealedKind, bytes: Buffer): string {
  return `${checkSeal(repository, kind, bytes).toString('utf8')}}`;
}

/**
 * The bytes that were sealed, but for the brace that ends them: for those who need a part only.
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
    throw new BrokenSealError('its seal does not fit its content');
  }
  return open;
}

/** @param open the content without the brace that ends it */
function computeSeal({ key }: Repository, kind: SealedKind, open: Buffer): string {
  return createHmac('sha256', key).update(`${kind}\0`).update(open).update('}').digest('hex');
}

/**
 * The content of a sealed file without the brace that ends it; undefined when there is none of the key. What does not fit is read again.
 *
 * @param damaged the error for a file that is not what this repository has sealed
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
  });
}

/**
 * Reads a sealed file of a form. Undefined when there is none of the key, for example because it was removed since it was listed.
 *
 * @param damaged the error for a file that is not what this repository has sealed, or not of the form
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
