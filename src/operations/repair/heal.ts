import { identifyHolder } from '../../github/run.ts';
import type { RepairInputs } from '../../interface/inputs/types.ts';
import { healFrom } from '../../repository/copies/heal.ts';
import type { Context } from '../../runtime/context.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { openCopies } from '../../storage/copies.ts';
import { FallbackStorage } from '../../storage/fallback.ts';
import { openStorage } from '../../storage/open.ts';
import type { RepairResult } from './result.ts';

/**
 * Heals the storage from its copies.
 *
 * @throws ConfigurationError when they hold another repository; nothing is changed then
 */
export async function healStorage(
  inputs: Omit<RepairInputs, 'operation'>,
  context: Context,
): Promise<RepairResult> {
  const clock = new PhaseClock();
  await using resources = new AsyncDisposableStack();
  const storage = resources.use(await openStorage(inputs.storage, inputs, context));
  const [first, ...others] = await openCopies(inputs.copies, context, resources);
  if (first === undefined) throw new Error('a repair without copies');
  const copies = new FallbackStorage([first, ...others], context.log);
  const { repositoryKey, share, dryRun } = inputs;
  const holder = identifyHolder(context.env);
  const healing = await healFrom(storage, copies, { repositoryKey, share, dryRun, holder }, context);
  return {
    ...healing,
    isDryRun: dryRun,
    storage: storage.location,
    copies: [first, ...others].map((copy) => copy.storage.location),
    elapsed: clock.elapsed(),
  };
}
