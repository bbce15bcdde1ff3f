import { randomBytes, randomInt } from 'node:crypto';
import { StorageError } from '../../runtime/errors.ts';
import { hour } from '../../values/duration.ts';
import { type Capabilities, longestKey, type StoredValue } from '../storage.ts';
import type { S3Deletion } from './deletion.ts';
import { listValues } from './listing.ts';
import type { S3Reading } from './reading.ts';
import type { S3Requests } from './requests.ts';
import type { S3Writing } from './writing.ts';

/** The number of keys that probes choose from, which bounds what they leave where deleting is not allowed */
const slots = 256;

/** The most probes, because two concurrent probes may choose the same key and disturb each other */
const mostProbes = 3;

export interface S3Parts {
  readonly requests: S3Requests;
  readonly reading: S3Reading;
  readonly writing: S3Writing;
  readonly deletion: S3Deletion;
  readonly now: Date;
}

/** Proves that a bucket can be written, read and listed, and learns its capabilities. */
export async function probeBucket(parts: S3Parts): Promise<Capabilities> {
  for (let probes = 1; probes <= mostProbes; probes++) {
    const capabilities = await probeOnce(parts);
    if (capabilities) return capabilities;
  }
  throw new StorageError(
    `${parts.requests.location} does not return what was written to it`,
    'Use a store whose reads and listings are strongly consistent.',
  );
}

/** Probes once; undefined when the written value cannot be read or is not listed. */
async function probeOnce(parts: S3Parts): Promise<Capabilities | undefined> {
  const { deletion } = parts;
  const key = `probe/${randomInt(slots)}-`.padEnd(longestKey, '0');
  let found: Found | undefined;
  try {
    found = await writeAndLook(parts, key);
  } finally {
    if (!found) await deletion.deleteSome([key]).catch(() => {});
  }
  if (!found) return undefined;
  const retained = await deletion.deleteSome([key, ...found.left]);
  return { createOnly: found.createOnly, deletes: !retained.includes(key) };
}

interface Found {
  readonly createOnly: boolean;
  /** Keys of earlier probes that were killed, or could not delete */
  readonly left: readonly string[];
}

async function writeAndLook(parts: S3Parts, key: string): Promise<Found | undefined> {
  const { writing, reading, now } = parts;
  // The two values differ, so that the effect of a retried request is not taken for that of the other.
  const [first, second] = [randomBytes(8), randomBytes(8)];
  const created = await writing.createOnce(key, first);
  if (created === 'refused') await writing.put(key, first);
  const [again, read, probes] = await Promise.all([
    // The second write must be refused; a store that ignores the condition overwrites.
    created === 'stored' ? writing.createOnce(key, second) : created,
    readIfThere(reading, key),
    listProbes(parts.requests),
  ]);
  // A value that existed before is of a probe that could not delete it.
  const isWhole = read !== undefined && (created === 'present' || read.equals(first) || read.equals(second));
  if (!isWhole || !probes.some((probe) => probe.key === key)) return undefined;
  // A concurrent probe that has deleted the key in between looks like a store that ignores the condition.
  const last = again === 'stored' ? await writing.createOnce(key, randomBytes(8)) : again;
  writing.createOnly = last === 'present';
  const left = probes.filter((probe) => probe.key !== key && isOld(probe, now)).map((probe) => probe.key);
  return { createOnly: writing.createOnly, left };
}

/** Tells whether a store checks the SHA-256 of what it is sent: it refuses a wrong one. */
export async function probeChecksums({ writing, deletion }: S3Parts): Promise<boolean> {
  const key = `probe/${randomInt(slots)}-`.padEnd(longestKey, '1');
  if (await writing.refusesWrongChecksum(key)) return true;
  await deletion.deleteSome([key]);
  return false;
}

async function readIfThere(reading: S3Reading, key: string): Promise<Buffer | undefined> {
  try {
    return await reading.get(key);
  } catch (error) {
    if (error instanceof StorageError && error.missing) return undefined;
    throw error;
  }
}

async function listProbes(requests: S3Requests): Promise<StoredValue[]> {
  const probes: StoredValue[] = [];
  for await (const probe of listValues(requests, 'probe/')) probes.push(probe);
  return probes;
}

function isOld({ modifiedAt }: StoredValue, now: Date): boolean {
  return now.getTime() - modifiedAt.getTime() > hour;
}
