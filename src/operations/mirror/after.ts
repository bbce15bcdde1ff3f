import type { CommonInputs } from '../../interface/inputs/shared-types.ts';
import type { CopyOutcome } from '../../repository/copies/outcome.ts';
import { openRepository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError } from '../../runtime/errors.ts';
import type { NamedStorage } from '../../storage/fallback.ts';
import { openStorage } from '../../storage/open.ts';
import { mirrorEach } from './copy.ts';

/** Of the objects that a run copies to a place without checksums, the share that is read back */
const share = 0.1;

/**
 * Copies what a run has just stored, and whatever else a copy lacks. What was stored is stored, so nothing here
 * makes the run fail: a copy that could not be written is a warning, and the next run brings it up to date.
 *
 * @param copies opened before the run began, so that a wrong address was refused then
 */
export async function copyAfterwards(
  inputs: CommonInputs,
  copies: readonly NamedStorage[],
  context: Context,
): Promise<CopyOutcome[]> {
  if (copies.length === 0) return [];
  try {
    await using storage = await openStorage(inputs.storage, inputs, context);
    const source = await openRepository(storage, inputs.repositoryKey);
    return await mirrorEach(source, copies, { whole: false, share, dryRun: false }, context);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isKnownError(error)) throw error;
    context.log.warn(`no copy was updated: ${error.message}`);
    return copies.map(({ name, storage }) => ({ kind: 'failed', name, location: storage.location, error }));
  }
}
