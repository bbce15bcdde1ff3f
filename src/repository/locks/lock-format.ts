import * as v from 'valibot';
import { StorageError } from '../../runtime/errors.ts';
import {
  DeniedValueError,
  ForeignValueError,
  type Storage,
  type StoredValue,
} from '../../storage/storage.ts';

/*
 * Stored locks: `locks/<id>.json`. They are not sealed: anyone who can write them could as well delete what
 * they protect.
 */

/** How long a lock usually holds after it was last written. A killed run blocks others for this long. */
export const usualLifetimeSeconds = 30 * 60;

/**
 * The longest lifetime. A lock that claims a longer one is not believed; a lock written longer ago has
 * expired and need not be read.
 */
export const maxLifetimeSeconds = 60 * 60;

/** How many locks are read at once */
const readers = 32;

/** The name of a lock. A file with another name counts as a lock only if it can be read as one. */
const keyPattern = /^locks\/[0-9a-f]{16}(-\d+)?\.json$/;

/** Bytes. A larger file is not a lock: anyone who can write to the storage could leave it there for good. */
const largestLock = 64 * 1024;

/**
 * Printed text that anyone who can write to the storage controls. It has no line breaks: a runner would obey
 * commands in lines of their own.
 */
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
  /** Released, on a storage that does not let the file be deleted */
  released: v.optional(v.boolean()),
});

export type LockContent = v.InferOutput<typeof contentSchema>;

/** A lock as the storage lists it. */
export interface ListedLock {
  readonly key: string;
  /** By the storage's clock */
  readonly modifiedAt: Date;
  /** By the storage's clock: the lock holds until then, unless it is refreshed before */
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
  const queue = values.values();
  const reader = async () => {
    for (const value of queue) {
      const lock = await readLock(storage, value, passOver);
      if (lock) locks.push(lock);
    }
  };
  await Promise.all(Array.from({ length: Math.min(readers, values.length) }, reader));
  return locks;
}

/**
 * Undefined when the lock was removed after it was listed, or when the file is no lock, which is reported.
 */
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
    // A lock of another user of a shared folder counts even if it cannot be read.
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
export function isExpired({ content, expiresAt }: ListedLock, storeNow: Date): boolean {
  return content?.released === true || expiresAt.getTime() <= storeNow.getTime();
}
