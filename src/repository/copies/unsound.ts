import type { Context } from '../../runtime/context.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { drain, runWorkers } from '../../runtime/workers.ts';
import type { FallbackStorage } from '../../storage/fallback.ts';
import { compare } from '../../values/ordering.ts';
import type { Repository } from '../open.ts';
import { readRecords } from '../records.ts';
import type { ObjectTable } from './object-table.ts';
import type { Refusal } from './outcome.ts';
import { backupOf } from './plan.ts';
import { describedObjects, listKind, readValue, type ValueKind, valueKinds } from './sealed-value.ts';

/** Values of a storage that are missing or damaged there. */
export interface Unsound {
  /** Those that copies have whole, each kind in its order */
  readonly keys: Readonly<Record<ValueKind, readonly string[]>>;
  readonly lost: readonly Refusal[];
}

/** How many values are read at once; a manifest may have some MB. */
const readers = 4;

/**
 * Finds what of a storage is missing or damaged, but for objects; and notes the objects that its backups and
 * captured changes need, those included that are to be brought back.
 *
 * @param isChosen whether a record of the right length is read
 */
export async function findUnsound(
  source: Repository,
  target: Repository,
  copies: FallbackStorage,
  objects: ObjectTable,
  isChosen: () => boolean,
  context: Context,
): Promise<Unsound> {
  const { signal } = context;
  const records = await listKind(target.storage, 'records', signal);
  // Records of a copy may be about the copy itself. Where no others are left, they are better than none.
  const isAnew = records.size === 0;
  const removed = await findRemoved(isAnew ? source : target, context);
  const keys: Record<ValueKind, string[]> = { backups: [], changes: [], signatures: [], records: [] };
  const lost: Refusal[] = [];
  for (const kind of valueKinds) {
    const here = await listKind(target.storage, kind, signal);
    const there = await listKind({ list: (prefix) => copies.listEverywhere(prefix) }, kind, signal);
    const [oldest] = [...here.keys()].sort();
    const isGone = (key: string) => removed(kind, key, oldest) && !(kind === 'records' && isAnew);
    const missing = [...there.keys()].filter((key) => !here.has(key) && !isGone(key));
    const suspects = kind === 'signatures' ? [] : [...here.keys()];
    const queue = [...missing, ...suspects].sort(compare);
    await runWorkers(Math.min(readers, queue.length), signal, async (stop) => {
      for (const key of drain(queue)) {
        stop.throwIfAborted();
        const isSameLength = here.get(key) === there.get(key);
        if (kind === 'records' && here.has(key) && isSameLength && !isChosen()) continue;
        const found = await readSound(source, target, kind, key, here.has(key));
        if (found.why !== undefined) lost.push({ key, why: found.why });
        if (found.isHealed) keys[kind].push(key);
        if (found.bytes === undefined || (kind !== 'backups' && kind !== 'changes')) continue;
        for (const object of describedObjects(key, found.bytes)) objects.want(object);
      }
    });
    keys[kind].sort(compare);
  }
  return { keys, lost };
}

interface Found {
  readonly bytes?: Buffer;
  /** Whether it is to be stored again */
  readonly isHealed: boolean;
  /** Why it cannot be healed */
  readonly why?: string;
}

/** Reads a value where it should be, and where that is not sound, from the copies. */
async function readSound(
  source: Repository,
  target: Repository,
  kind: ValueKind,
  key: string,
  isThere: boolean,
): Promise<Found> {
  let why = 'it is missing';
  if (isThere) {
    const own = await readIfSound(target, kind, key);
    if (typeof own !== 'string') return { bytes: own, isHealed: false };
    why = own;
  }
  const copied = await readIfSound(source, kind, key);
  if (typeof copied !== 'string') return { bytes: copied, isHealed: true };
  return { isHealed: false, why: isThere ? `${why}; and in the copies ${copied}` : copied };
}

/** @returns the bytes, or what is wrong */
async function readIfSound(repository: Repository, kind: ValueKind, key: string): Promise<Buffer | string> {
  try {
    return (await readValue(repository, kind, key)) ?? 'it is missing';
  } catch (error) {
    if (error instanceof IntegrityError) return error.message;
    throw error;
  }
}

type Removed = (kind: ValueKind, key: string, oldest: string | undefined) => boolean;

/**
 * Tells what cleanups have removed: it is not missing. They name backups; of changes they remove the oldest, so those
 * before the oldest that is left are theirs. Of records, those that may be about a copy, or were of old runs, are
 * none that the storage has lost.
 */
async function findRemoved(repository: Repository, { log, signal }: Context): Promise<Removed> {
  const prunes = await readRecords(repository, 'prunes', (error) => log.warn(error.message), { signal });
  const ids = new Set(prunes.flatMap(({ content }) => content.removed.map(({ id }) => id)));
  const isAnyChange = prunes.some(({ content }) => (content.segments ?? 0) > 0);
  return (kind, key, oldest) => {
    switch (kind) {
      case 'backups':
        return ids.has(backupOf(key));
      case 'changes':
        return isAnyChange && (oldest === undefined || key < oldest);
      case 'records':
        return !/^records\/(pins|restores)\//.test(key);
      case 'signatures':
        return false;
    }
  };
}
