import { createHmac, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { type IntegrityError, messageOf, StorageError } from '../errors.ts';
import type { Repository } from './repository.ts';

/**
 * Sealed files: one line of JSON whose last field is an HMAC over all before it, by the key of the repository. It detects any
 * change by one who does not hold the key, and any truncation. docs/format.md shows how to check one by hand.
 */

/** What a file is. It goes into the seal, so that a record never passes for a manifest, nor one kind of record for another. */
export type SealedKind = 'manifest' | 'segment' | `record ${string}`;

/** `,"seal":"<64 digits>"}` and a line break */
const sealLength = 76;
const sealPattern = /,"seal":"([0-9a-f]{64})"\}\n?$/;

/** @param content an object with at least one field, none of them named `seal` */
export function sealContent(repository: Repository, kind: SealedKind, content: object): Buffer {
  const open = Buffer.from(JSON.stringify(content).slice(0, -1));
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
  let bytes: Buffer;
  try {
    bytes = await repository.storage.get(key);
  } catch (error) {
    if (error instanceof StorageError && error.missing) return undefined;
    throw error;
  }
  let parsed: v.SafeParseResult<Schema>;
  try {
    parsed = v.safeParse(schema, JSON.parse(openSealed(repository, kind, bytes)));
  } catch (cause) {
    throw damaged(messageOf(cause), cause);
  }
  if (parsed.success) return parsed.output;
  throw damaged(`it is sealed but not of format 1 (${v.summarize(parsed.issues).slice(0, 500)})`);
}
