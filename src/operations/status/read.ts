import type { CopyPlace } from '../../interface/inputs/copies-values.ts';
import type { StatusInputs } from '../../interface/inputs/types.ts';
import type { ManagedFacts } from '../../management/facts.ts';
import { type Limits, readFreshness } from '../../repository/backups/freshness.ts';
import { mostRuns, rateWindow } from '../../repository/backups/success-rate.ts';
import { findVanished } from '../../repository/backups/vanished.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import { readRecoverable } from '../../repository/changes/windows.ts';
import { type CopyState, readCopyStates } from '../../repository/copies/state.ts';
import { DamageWarnings } from '../../repository/damage-warnings.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { readRecords, type StoredRecord } from '../../repository/records.ts';
import { measureStored } from '../../repository/stored-bytes.ts';
import type { Context } from '../../runtime/context.ts';
import { openCopies } from '../../storage/copies.ts';
import { openStorage } from '../../storage/open.ts';
import type { SlotLook } from '../../values/slot-look.ts';
import { findNewestCommit } from '../managed/own-layer.ts';
import { askPlatform } from '../managed/read.ts';
import { chooseCopies, chooseProjects } from '../schedule/named-secrets.ts';
import type { StatusFacts } from './facts.ts';
import { judgeStatus } from './judge.ts';
import type { Status } from './result.ts';
import { type ReadSchedules, readSchedules } from './schedules.ts';
import { lookAtSlot } from './slot.ts';

/** What a status is judged by besides what the storage holds */
export interface StatusQuestion extends Limits {
  /** Of a gigabyte for a month; undefined: what it costs is not asked */
  readonly pricePerGbMonth: number | undefined;
  readonly schedules: ReadSchedules | undefined;
  readonly slotNow: SlotLook | undefined;
  /** What the platform says of its own backups; undefined: it was not asked */
  readonly managed: ManagedFacts | undefined;
  readonly copies?: readonly CopyPlace[];
}

/**
 * Reads how fresh, verified and drilled the backups are, which points in time can be recovered, and how
 * schedules and the slot of captures stand. Changes nothing, and reads only the outlines of backups. Everything
 * that is ignored is reported as a warning.
 *
 * @throws StorageError when a manifest or a record cannot be read at all
 */
export async function readStatus(inputs: StatusInputs, context: Context): Promise<Status> {
  const schedules = await readSchedules(inputs, context);
  const { management, copies } = schedules === undefined ? inputs : readNamed(inputs, schedules, context);
  const managed = management && (await askPlatform(management, context));
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const slotNow = await lookAtSlot(inputs, repository, context);
  const question = { ...inputs, copies, schedules, slotNow, managed };
  return judgeStatus(await readStatusFacts(repository, question, context));
}

/** What the policy says of the database goes beside the inputs, and names its project and its copies. */
function readNamed(
  inputs: StatusInputs,
  { database }: ReadSchedules,
  context: Context,
): Pick<StatusInputs, 'management' | 'copies'> {
  const { policy = '', managementAccess } = inputs;
  const [management] = chooseProjects([database], { policy, managementAccess }, context);
  return { management, copies: chooseCopies(database, inputs.copies, inputs, context) };
}

/**
 * Reads what a status is judged by.
 *
 * @throws StorageError as `readStatus` does
 */
export async function readStatusFacts(repository: Repository, question: StatusQuestion, context: Context) {
  const { storage } = repository;
  const freshness = await readFreshness(repository, context);
  using damage = new DamageWarnings(context.log);
  const onDamaged = damage.warn;
  const { signal } = context;
  const [prune] = (await readRecords(repository, 'prunes', onDamaged, { newest: 1, signal })).slice(-1);
  const { catalog } = freshness;
  const listed = new Set([...catalog.backups, ...catalog.damaged].map(({ id }) => id));
  const vanished = await findVanished(repository, listed, onDamaged, signal);
  const restores = await readRecords(repository, 'restores', onDamaged, { newest: shownRestores, signal });
  const { runs, unreadRuns } = await readRuns(repository, onDamaged, context);
  const recoverable = await readRecoverable(repository, freshness.usable, context);
  const stored = await measureStored(storage, signal);
  return {
    ...{ freshness, recoverable, stored, vanished, prune, restores, runs, unreadRuns },
    createdAt: repository.createdAt,
    capturedThrough: newestThrough(recoverable.segments),
    location: storage.location,
    limits: question,
    price: question.pricePerGbMonth,
    schedules: question.schedules,
    slotNow: question.slotNow,
    managed: question.managed,
    newestCommit: findNewestCommit(recoverable.segments),
    copies: await readCopies(repository, question.copies ?? [], context),
    now: context.now(),
  } satisfies StatusFacts;
}

async function readCopies(
  repository: Repository,
  places: readonly CopyPlace[],
  context: Context,
): Promise<CopyState[] | undefined> {
  if (places.length === 0) return undefined;
  await using resources = new AsyncDisposableStack();
  return await readCopyStates(repository, await openCopies(places, context, resources), context);
}

/** How many of the newest restores are examined for failures */
const shownRestores = 20;

/** Reads the runs of the success rate. */
async function readRuns(
  repository: Repository,
  onDamaged: (error: Error) => void,
  { now, signal }: Context,
): Promise<{ runs: readonly StoredRecord<'runs'>[]; unreadRuns: number }> {
  let unreadRuns = 0;
  const since = new Date(now().getTime() - rateWindow);
  const onUnread = (count: number) => {
    unreadRuns = count;
  };
  const runs = await readRecords(repository, 'runs', onDamaged, {
    newest: mostRuns,
    since,
    onUnread,
    signal,
  });
  return { runs, unreadRuns };
}

function newestThrough(segments: readonly Pick<Segment, 'through'>[]): Date | undefined {
  const times = segments.map(({ through }) => Date.parse(through));
  return times.length === 0 ? undefined : new Date(Math.max(...times));
}
