import { setTimeout as sleep } from 'node:timers/promises';
import type { PlaceInputs } from '../../interface/inputs/shared-types.ts';
import type { Inputs } from '../../interface/inputs/types.ts';
import { readCatalog } from '../../repository/backups/catalog.ts';
import { readReplayable } from '../../repository/changes/damage.ts';
import { findReach } from '../../repository/changes/recoverable.ts';
import { recentSegments } from '../../repository/changes/segments.ts';
import { openRepository } from '../../repository/open.ts';
import { messageOf } from '../../runtime/errors.ts';
import { openStorage, type StorageContext } from '../../storage/open.ts';

/** How long the search may take, because an alarm waits for it */
const timeoutMs = 8000;

/**
 * Finds the newest backup with rows that is not known to be damaged, and the time it can bring the database
 * back to: that of its snapshot, or of the newest changes that were captured after it. For alarms.
 *
 * @returns null when there is none; undefined when it cannot be found out, for example because the storage is
 *   what failed
 */
export async function findNewest(
  inputs: Inputs | undefined,
  context: StorageContext,
): Promise<{ id: string; takenAt: Date } | null | undefined> {
  if (inputs === undefined || context.signal.aborted) return undefined;
  if (isAboutNoneOrMany(inputs)) return undefined;
  const { storage } = inputs;
  if (storage === undefined) return undefined;
  // A repository in an artifact would have to be downloaded as a whole.
  if (/^artifact:/i.test(storage)) return undefined;
  return Promise.race([look({ ...inputs, storage }, context), sleep(timeoutMs, undefined, { ref: false })]);
}

const elsewhere = ['schedule', 'report', 'doctor', 'estimate', 'init', 'keygen'] as const;
type Elsewhere = (typeof elsewhere)[number];

/** A report, a schedule and an estimate are about none or many, and a doctor looks before there is a backup. */
function isAboutNoneOrMany(inputs: Inputs): inputs is Extract<Inputs, { readonly operation: Elsewhere }> {
  return elsewhere.some((operation) => operation === inputs.operation);
}

async function look(
  inputs: PlaceInputs,
  context: StorageContext,
): Promise<{ id: string; takenAt: Date } | null | undefined> {
  const { log, signal } = context;
  try {
    await using storage = await openStorage(inputs.storage, inputs, context);
    const repository = await openRepository(storage, inputs.repositoryKey);
    const onDamaged = (error: Error) => log.debug(error.message);
    const { backups } = await readCatalog(repository, { onDamaged, signal });
    const newest = backups.find(
      ({ kind, damagedAt, purpose }) => kind !== 'schema' && damagedAt === null && purpose !== 'safety',
    );
    if (newest === undefined) return null;
    const segments = await readReplayable(repository, onDamaged, {
      ...{ newest: recentSegments, onRecord: onDamaged, signal },
    });
    const reach = findReach(newest, segments)?.to;
    return { id: newest.id, takenAt: reach === undefined ? newest.snapshotAt : new Date(reach) };
  } catch (error) {
    log.debug(`the newest backup is not known: ${messageOf(error)}`);
    return undefined;
  }
}
