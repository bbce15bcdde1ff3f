import { IntegrityError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import { type Storage, storageLanes } from '../../storage/storage.ts';
import { compare } from '../../values/ordering.ts';
import { listRecords } from '../listed-records.ts';
import { Inventory } from '../objects/inventory.ts';
import { objectKey } from '../objects/store.ts';
import type { Repository } from '../open.ts';
import { readListed, recordKey } from '../records.ts';
import { ObjectTable } from './object-table.ts';
import type { Refusal } from './outcome.ts';
import { describedObjects, listKind, objectName, readValue, type ValueKind } from './sealed-value.ts';

/** What two places of one repository have, and what the second one lacks. */
export interface MirrorPlan {
  /** Keys of what the copy lacks, each kind in the order in which it is copied */
  readonly missing: Readonly<Record<ValueKind, readonly string[]>>;
  /** The objects that missing backups and changes need, and those that the copy has lost */
  readonly objects: ObjectTable;
  /** bytes of all missing values and objects */
  readonly bytes: number;
  /** Values that are damaged in the source */
  readonly refused: readonly Refusal[];
  /** Ids of the backups that the copy has, oldest first */
  readonly present: readonly string[];
}

export interface PlanOptions {
  /**
   * Whether to compare the objects of all backups, rather than of those alone that the copy lacks: a run that has
   * just stored one backup need not list a million objects twice.
   */
  readonly whole: boolean;
  readonly signal: AbortSignal;
  /** At least 0 and less than 1 */
  readonly random: () => number;
  readonly warn: (message: string) => void;
}

/** How many manifests and headers are read at once; each may have some MB. */
const readers = 4;

/** What listings tell of two places. */
export interface Difference {
  readonly missing: MirrorPlan['missing'];
  readonly listed: Readonly<Record<ValueKind, Listings>>;
  /** Ids of the backups that the copy has, oldest first */
  readonly present: readonly string[];
}

/**
 * Compares two places by listings of all but their objects, without what the copy's own cleanups have removed.
 *
 * @param copy undefined while there is nothing at the place
 * @throws StorageError when a place cannot be listed
 */
export async function compareListings(
  source: Repository,
  copy: Repository | undefined,
  options: Pick<PlanOptions, 'signal' | 'warn'>,
): Promise<Difference> {
  const { signal } = options;
  const listed = {
    backups: await listBoth(source, copy, 'backups', signal),
    changes: await listBoth(source, copy, 'changes', signal),
    signatures: await listBoth(source, copy, 'signatures', signal),
    records: await listBoth(source, copy, 'records', signal),
  };
  const removed = copy === undefined ? nothingRemoved : await findRemoved(copy, listed.records.here, options);
  const lacking = (kind: ValueKind) => {
    const { here, there } = listed[kind];
    return [...here.keys()].filter((key) => !there.has(key) && !removed(kind, key)).sort(compare);
  };
  const missing = {
    backups: lacking('backups'),
    changes: removeEarlier(lacking('changes'), listed.changes.there, removed('changes', '')),
    signatures: lacking('signatures'),
    records: lacking('records'),
  };
  return { missing, listed, present: [...listed.backups.there.keys()].map(backupOf).sort() };
}

/**
 * Finds what a copy lacks, objects included.
 *
 * @param copy undefined while there is nothing at the place
 * @throws StorageError when a place cannot be listed
 */
export async function planMirror(
  source: Repository,
  copy: Repository | undefined,
  options: PlanOptions,
): Promise<MirrorPlan> {
  const { signal } = options;
  const objects = new ObjectTable(options.random());
  const refused: Refusal[] = [];
  const { missing, listed, present } = await compareListings(source, copy, options);
  for (const kind of ['backups', 'changes'] as const)
    await wantAll(source, kind, missing[kind], objects, refused, options);
  if (copy !== undefined) {
    // Only what the copy has a backup or changes of can it have lost.
    const isKeeping = listed.backups.there.size + listed.changes.there.size > 0;
    if (!options.whole) await lookUp(copy.storage, objects, signal);
    else if (await listObjects(source.storage, copy.storage, objects, signal, isKeeping)) {
      // Something is in the source and not in the copy, and no missing backup needs it.
      for (const kind of ['backups', 'changes'] as const) {
        const { here, there } = listed[kind];
        const kept = [...there.keys()].filter((key) => here.has(key));
        await wantAll(source, kind, kept, objects, refused, options);
      }
    }
  }
  return { missing, objects, bytes: sumBytes(missing, listed, objects), refused, present };
}

/** The id of a backup by the key of its manifest */
export function backupOf(key: string): string {
  return key.slice('backups/'.length, -'.json'.length);
}

interface Listings {
  readonly here: ReadonlyMap<string, number>;
  readonly there: ReadonlyMap<string, number>;
}

async function listBoth(
  source: Repository,
  copy: Repository | undefined,
  kind: ValueKind,
  signal: AbortSignal,
): Promise<Listings> {
  const here = await listKind(source.storage, kind, signal);
  return { here, there: copy === undefined ? new Map() : await listKind(copy.storage, kind, signal) };
}

type Removed = (kind: ValueKind, key: string) => boolean;
const nothingRemoved: Removed = () => false;

/**
 * Tells what cleanups of the copy itself have removed there, by its records that the source does not have: a copy
 * may keep less than the source, and must not get it back each time. Of changes, whether any were removed.
 */
async function findRemoved(
  copy: Repository,
  here: ReadonlyMap<string, number>,
  options: Pick<PlanOptions, 'signal' | 'warn'>,
): Promise<Removed> {
  const own = (await listRecords(copy, 'prunes')).filter(({ id }) => !here.has(recordKey('prunes', id)));
  const prunes = await readListed(
    copy,
    'prunes',
    own,
    (error) => options.warn(error.message),
    options.signal,
  );
  const ids = new Set(prunes.flatMap(({ content }) => content.removed.map(({ id }) => id)));
  const isAnyChange = prunes.some(({ content }) => (content.segments ?? 0) > 0);
  return (kind, key) =>
    kind === 'backups' ? ids.has(backupOf(key)) : kind === 'changes' && key === '' && isAnyChange;
}

/** Leaves out changes before the oldest that the copy has, where it has removed some: a cleanup removes the oldest. */
function removeEarlier(
  missing: readonly string[],
  there: ReadonlyMap<string, number>,
  isRemoving: boolean,
): readonly string[] {
  if (!isRemoving) return missing;
  const [oldest] = [...there.keys()].sort();
  return oldest === undefined ? missing : missing.filter((key) => key > oldest);
}

/** Notes the objects that manifests or headers need. What is damaged or gone is refused, and needs nothing. */
async function wantAll(
  source: Repository,
  kind: 'backups' | 'changes',
  keys: readonly string[],
  objects: ObjectTable,
  refused: Refusal[],
  { signal }: PlanOptions,
): Promise<void> {
  const queue = keys.values();
  await runWorkers(Math.min(readers, keys.length), signal, async (stop) => {
    for (const key of queue) {
      stop.throwIfAborted();
      try {
        const bytes = await readValue(source, kind, key);
        if (bytes !== undefined) for (const object of describedObjects(key, bytes)) objects.want(object);
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        refused.push({ key, why: error.message });
      }
    }
  });
}

/** Looks up the wanted objects, by a listing or one by one, whichever takes fewer requests. */
async function lookUp(storage: Storage, objects: ObjectTable, signal: AbortSignal): Promise<void> {
  const total = objects.count('absent').objects;
  if (total === 0) return;
  const inventory = await Inventory.take(storage, total, signal);
  const queue = objects.names('absent');
  await runWorkers(Math.min(storageLanes, total), signal, async (stop) => {
    for (const name of queue) {
      stop.throwIfAborted();
      const found = await inventory.look(objectKey(name));
      if (found !== undefined) objects.list(name, found.size);
    }
  });
}

/**
 * Lists all objects of both places.
 *
 * @param isCompared whether the source is listed at all, which takes minutes where it has a million
 * @returns whether the source has one that the copy has not, or not in this length, and that is not yet wanted
 */
async function listObjects(
  source: Storage,
  copy: Storage,
  objects: ObjectTable,
  signal: AbortSignal,
  isCompared: boolean,
): Promise<boolean> {
  for await (const { key, size } of copy.list('objects/')) {
    signal.throwIfAborted();
    const name = objectName(key);
    if (name !== undefined) objects.list(name, size);
  }
  if (!isCompared) return false;
  let isMore = false;
  for await (const { key, size } of source.list('objects/')) {
    signal.throwIfAborted();
    const name = objectName(key);
    isMore ||= name !== undefined && objects.sizeListed(name) !== size && !objects.isWanted(name);
  }
  return isMore;
}

function sumBytes(
  missing: MirrorPlan['missing'],
  listed: Readonly<Record<ValueKind, Listings>>,
  objects: ObjectTable,
): number {
  let bytes = 0;
  for (const kind of ['backups', 'changes', 'signatures', 'records'] as const)
    for (const key of missing[kind]) bytes += listed[kind].here.get(key) ?? 0;
  return bytes + objects.count('absent').bytes;
}
