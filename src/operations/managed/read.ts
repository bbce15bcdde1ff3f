import type { ManagedInputs } from '../../interface/inputs/managed-types.ts';
import type { ManagementInputs } from '../../interface/inputs/management-types.ts';
import type { ManagementApi } from '../../management/api.ts';
import { clockOf, connectManagement } from '../../management/connect.ts';
import { isPassing, type ManagedFacts, readManagedFacts } from '../../management/facts.ts';
import { toKnownError } from '../../management/failure.ts';
import { readFreshness } from '../../repository/backups/freshness.ts';
import { readRecoverable } from '../../repository/changes/windows.ts';
import { openRepository } from '../../repository/open.ts';
import { readRecords } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import { judgeManaged } from './judge.ts';
import { findNewestCommit, toOwnLayer } from './own-layer.ts';
import type { Managed, OwnLayer } from './result.ts';

/**
 * Reads how the platform's own backups stand, and with a storage those of the repository. Changes nothing.
 *
 * @param api undefined: made for these inputs
 * @throws ConfigurationError when the token is not known, or sees no such project; PlatformError when the
 *   platform gives no answer about its backups now. A token that may only not see them is a finding.
 */
export async function readManaged(
  inputs: ManagedInputs,
  context: Context,
  api?: ManagementApi,
): Promise<Managed> {
  const facts = await askPlatform(inputs.management, context, api);
  const { backups } = facts;
  if (backups.kind === 'unread' && (isPassing(backups.failure) || isUnknown(backups.failure.reason)))
    throw toKnownError(backups.failure);
  return judgeManaged(facts, await readOwnLayer(inputs, context), inputs);
}

function isUnknown(reason: string): boolean {
  return ['unauthorized', 'missing', 'unclear', 'future', 'refused'].includes(reason);
}

/** Asks the platform all that concerns its backups of the project. What it refuses to tell is among the facts. */
export function askPlatform(
  management: ManagementInputs,
  context: Context,
  api: ManagementApi = connectManagement(management, context, clockOf(context)),
): Promise<ManagedFacts> {
  return readManagedFacts(api, management.projectRef, context.now());
}

/** How many of the newest restores tell how long one takes */
const shownRestores = 20;

async function readOwnLayer(inputs: ManagedInputs, context: Context): Promise<OwnLayer | undefined> {
  const { storage: place, repositoryKey } = inputs;
  if (place === undefined) return undefined;
  await using storage = await openStorage(place, inputs, context);
  const repository = await openRepository(storage, repositoryKey);
  const { log, signal } = context;
  const onDamaged = ({ message }: Error) => log.warn(`${message}; skipped`);
  const freshness = await readFreshness(repository, context);
  const recoverable = await readRecoverable(repository, freshness.usable, context);
  const restores = await readRecords(repository, 'restores', onDamaged, { newest: shownRestores, signal });
  const newestCommit = findNewestCommit(recoverable.segments);
  return toOwnLayer({ location: storage.location, freshness, recoverable, newestCommit, restores });
}
