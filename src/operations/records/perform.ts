import type { RecordsInputs } from '../../interface/inputs/types.ts';
import { withRecords } from '../../records/connection.ts';
import { rebuildRows } from '../../records/rebuild.ts';
import { verifyRows } from '../../records/verification.ts';
import { openRepository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import type { RecordsResult } from './result.ts';

/**
 * Rebuilds the records in a database, or compares them with the repository.
 *
 * @throws ConfigurationError when the database has no records to compare, or those of another version
 * @throws TargetError when it refuses a statement
 */
export async function performTask(
  inputs: Omit<RecordsInputs, 'operation'>,
  context: Context,
): Promise<RecordsResult> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  return await withRecords(inputs, context, async (session): Promise<RecordsResult> => {
    if (inputs.recordsTask === 'verify')
      return { kind: 'verified', ...(await verifyRows(repository, session, context)) };
    const mode = inputs.dryRun ? 'dry-run' : 'write';
    return { kind: 'rebuilt', mode, ...(await rebuildRows(repository, session, mode, context)) };
  });
}
