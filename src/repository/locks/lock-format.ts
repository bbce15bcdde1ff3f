import * as v from 'valibot';
import { StorageError } from '../../runtime/errors.ts';
import { drain } from '../../runtime/workers.ts';
import {
  DeniedValueError,
  ForeignValueError,
  type Storage,
  type StoredValue,
} from '../../storage/storage.ts';

/** Locks as they lie in a storage: `locks/<id>.json`. They are not sealed: one who can write them could as well delete what they protect. */

/** How long a lock holds after it was last written, mostly. A killed run stands in the way for so long. */
export const usualLifetimeSeconds = 30 * 60;

/** A lock that claims to hold for longer than this is not believed. One that was written longer ago need not be read: it holds no longer. */
export const maxLifetimeSeconds = 60 * 60;

/** Locks that are read at once */
const readers = 32;

/** The name of a lock. What has another, and cannot be read as one, is none. */
const keyPattern = /^locks\/[0-9a-f]{16}(-\d+)?\.json$/;

/** bytes. What is larger is no lock, and keeps nobody waiting: one who writes the storage could put it there once and for all. */
const largestLock = 64 * 1024;

/** Anyone who can write to the storage can write these, and they are printed: no line breaks, with which a runner would take orders. */
const words = v.pipe(v.string(), v.maxLength(500), v.regex(/^\P{Cc}*$/u));

const contentSchema = v.object({
  format: v.literal(1),
  operation: words,
  mode: v.picklist(['shared', 'exclusive']),
  /** For people, never compared */
  holder: words,
  /** Tells one holder from all others; absent in locks of older versions, which only their holders release */
  holderId: v.optional(words),
  /** By the holder's clock: for people, never compared */
  since: v.pipe(v.string(), v.isoTimestamp()),
  ttlSeconds: v.pipe(v.number(), v.minValue(1), v.maxValue(maxLifetimeSeconds)),
  /** Given back, on a storage that does not let it be deleted */
  released: v.optional(v.boolean()),
});

export type LockContent = v.InferOutput<typeof contentSchema>;

/** A lock as it lies in the storage. */
export interface ListedLock {
  readonly key: string;
  /** By the storage's clock */
  readonly modifiedAt: Date;
  /** By the storage's clock: from then on it holds no longer, unless it is refreshed before */
  readonly expiresAt: Date;
  /** Undefined when it cannot be read: such a lock counts as exclusive until it expires. */
  readonly content: LockContent | undefined;
}

export function renderLock(content: LockContent): Buffer {
  return Buffer.from(`${JSON.stringify(content)}\n`);
}

export function isLockKey(key: string): boolean {
  return keyPattern.test(key);
}

export async function listValues(storage: Storage): Promise<StoredValue[]> {
  const values: StoredValue[] = [];
  for await (const value of storage.list('locks/')) values.push(value);
  return values;
}

export async function readLocks(
  storage: Storage,
  values: readonly StoredValue[],
  passOver: (message: string) => void,
): Promise<ListedLock[]> {
  const locks: ListedLock[] = [];
  const waiting = [...values];
  const reader = async () => {
    for (const value of drain(waiting)) {
      const lock = await readLock(storage, value, passOver);
      if (lock) locks.push(lock);
    }
  };
  await Promise.all(Array.from({ length: Math.min(readers, values.length) }, reader));
  return locks;
}

/** Undefined when it was removed since it was listed, and when it is none, which is told. */
async function readLock(
  storage: Storage,
  { key, modifiedAt }: StoredValue,
  passOver: (message: string) => void,
): Promise<ListedLock | undefined> {
  let text: string;
  try {
    text = (await storage.get(key, largestLock)).toString('utf8');
  } catch (error) {
    if (error instanceof StorageError && error.missing) return undefined;
    // Of another user of a shared folder: he holds it as well as one who lets it be read.
    if (error instanceof DeniedValueError) text = '';
    else if (error instanceof ForeignValueError) return void passOver(error.message);
    else throw error;
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), contentSchema), text);
  const content = parsed.success ? parsed.output : undefined;
  if (content === undefined && !isLockKey(key)) {
    return void passOver(`${key} in ${storage.location} has neither the name of a lock nor what one says`);
  }
  const lifetimeSeconds = content?.ttlSeconds ?? usualLifetimeSeconds;
  return { key, modifiedAt, expiresAt: new Date(modifiedAt.getTime() + lifetimeSeconds * 1000), content };
}

/** @param storeNow the storage's time */
export function isSpent({ content, expiresAt }: ListedLock, storeNow: Date): boolean {
  return content?.released === true || expiresAt.getTime() <= storeNow.getTime();
}
