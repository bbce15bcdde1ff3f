import type { PlaceInputs } from '../../interface/inputs/types.ts';
import { type Limits, readFreshness } from '../../repository/backups/freshness.ts';
import { findVanished } from '../../repository/backups/vanished.ts';
import { readRecoverable } from '../../repository/changes/windows.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { readRecords } from '../../repository/records.ts';
import { measureStored } from '../../repository/stored-bytes.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import type { StatusFacts } from './facts.ts';
import { judgeStatus } from './judge.ts';
import type { Status } from './result.ts';

/** What is asked of the repository of a storage */
export interface StatusRequest extends PlaceInputs, Limits {
  /** Of the storage; undefined: what it costs is not asked */
  readonly pricePerGbMonth: number | undefined;
}

/**
 * Reads how fresh, verified and drilled the backups are, and which points in time can be recovered. Changes
 * nothing, and reads only the outlines of backups. Everything that is ignored is reported as a warning.
 *
 * @throws StorageError when a manifest or a record cannot be read at all
 */
export async function readStatus(inputs: StatusRequest, context: Context): Promise<Status> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  return judgeStatus(await readStatusFacts(repository, inputs, context));
}

/**
 * Reads what a status is judged by.
 *
 * @throws StorageError as `readStatus` does
 */
export async function readStatusFacts(
  repository: Repository,
  request: Omit<StatusRequest, keyof PlaceInputs>,
  context: Context,
) {
  const { storage } = repository;
  const freshness = await readFreshness(repository, context);
  const onDamaged = (error: Error) => context.log.warn(`${error.message}; passed over`);
  const { signal } = context;
  const [prune] = (await readRecords(repository, 'prunes', onDamaged, { newest: 1, signal })).slice(-1);
  const { catalog } = freshness;
  const listed = new Set([...catalog.backups, ...catalog.damaged].map(({ id }) => id));
  const vanished = await findVanished(repository, listed, onDamaged, signal);
  const restores = await readRecords(repository, 'restores', onDamaged, { newest: shownRestores, signal });
  const runs = await readRecords(repository, 'runs', onDamaged, { newest: shownRuns, signal });
  const recoverable = await readRecoverable(repository, freshness.usable, context);
  const stored = await measureStored(storage, signal);
  return {
    ...{ freshness, recoverable, stored, vanished, prune, restores, runs },
    location: storage.location,
    limits: request,
    price: request.pricePerGbMonth,
    now: context.now(),
  } satisfies StatusFacts;
}

/** How many of the newest restores are examined for failures */
const shownRestores = 20;

/** The same of runs: those of a day, where changes are captured every quarter of an hour. */
const shownRuns = 100;
