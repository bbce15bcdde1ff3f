import { objectSize } from '../../format/limits.ts';
import type { StoredObject } from '../../format/manifest.ts';
import { formatCount, formatRate } from '../../report/quantity.ts';
import { createReader, readStored } from '../../repository/objects/store.ts';
import type { Repository } from '../../repository/open.ts';
import { isUnread } from '../../repository/reading.ts';
import type { Context } from '../../runtime/context.ts';
import { IntegrityError, messageOf } from '../../runtime/errors.ts';
import type { PhaseClock } from '../../runtime/phase-clock.ts';
import { ByteBudget, runWorkers } from '../../runtime/workers.ts';
import { storageLanes } from '../../storage/storage.ts';
import type { Findings } from './findings.ts';
import type { Holder, Use } from './object-uses.ts';

/** bytes of objects in memory at once: four times the largest */
const readBytes = 4 * objectSize;

/** What a check of objects needs: the repository, its keys, and the listed objects. */
export interface ObjectCheck {
  readonly repository: Repository;
  readonly identities: readonly string[];
  readonly mayOpen: (holder: Holder) => boolean;
  /** All listed objects, among which other copies of a content are found */
  readonly uses: ReadonlyMap<string, Use>;
}

/**
 * Reads the objects of a sample, and notes damage. An object that cannot be read does not stop the check of
 * the others.
 *
 * @returns bytes that were read
 */
export async function checkObjects(
  check: ObjectCheck,
  sample: readonly Use[],
  findings: Findings,
  clock: PhaseClock,
  context: Context,
): Promise<number> {
  let read = 0;
  let checked = 0;
  const queue = sample.values();
  const budget = new ByteBudget(readBytes);
  await runWorkers(Math.min(storageLanes, sample.length), context.signal, async (signal) => {
    for (const use of queue) {
      signal.throwIfAborted();
      const { name, bytes, stored } = use.object;
      const failure = await budget.hold(Math.max(bytes, stored), () => findFailure(check, use));
      if (failure !== undefined) {
        findings.noteObject(name, failure);
        for (const { backup, segment, part } of use.parts)
          findings.note({ backup, segment, where: 'objects', part, how: messageOf(failure) }, failure);
      }
      read += stored;
      checked++;
      context.log.progress(
        `${formatCount(checked)} of ${formatCount(sample.length)} objects, ${formatRate(read, clock.elapsed())}, ${formatCount(findings.damages.length)} damaged parts`,
      );
    }
  });
  return read;
}

async function findFailure(check: ObjectCheck, use: Use): Promise<Error | undefined> {
  const { repository, identities, mayOpen } = check;
  const opener = use.parts.find(({ holder }) => mayOpen(holder));
  try {
    if (opener === undefined) await readAnyCopy(check, use.object);
    else await createReader(repository, opener.holder, identities).prove(use.object);
    return undefined;
  } catch (error) {
    if (error instanceof IntegrityError || (error instanceof Error && isUnread(error))) return error;
    throw error;
  }
}

/**
 * Accepts any listed copy of a content. Encryption gives a content other bytes each time, so when a later
 * backup has stored a lost object again, the stored bytes match one of several descriptions, each of which is
 * sealed.
 *
 * @throws IntegrityError when the stored bytes match no description
 */
async function readAnyCopy(
  { repository: { storage }, uses }: ObjectCheck,
  object: StoredObject,
): Promise<void> {
  try {
    await readStored(storage, object);
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    const others = [...uses.values()].filter(
      (other) => other.object.name === object.name && other.object !== object,
    );
    for (const other of others) {
      const sound = await readStored(storage, other.object).then(
        () => true,
        (cause: unknown) => {
          if (cause instanceof IntegrityError) return false;
          throw cause;
        },
      );
      if (sound) return;
    }
    throw error;
  }
}
