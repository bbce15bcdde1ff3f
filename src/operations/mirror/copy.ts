import { identifyHolder } from '../../github/run.ts';
import type { MirrorInputs } from '../../interface/inputs/types.ts';
import { mirrorTo } from '../../repository/copies/mirror.ts';
import type { CopyOutcome } from '../../repository/copies/outcome.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { openCopies } from '../../storage/copies.ts';
import type { NamedStorage } from '../../storage/fallback.ts';
import { openStorage } from '../../storage/open.ts';
import type { MirrorResult } from './result.ts';

/**
 * Brings the copies up to what the storage has. The storage is only read: its credentials need no right to write.
 *
 * @throws ConfigurationError when a location is wrong, or holds another repository, before anything is written there
 * @throws the error of the only copy, or of the first where none could be written
 */
export async function mirrorCopies(
  inputs: Omit<MirrorInputs, 'operation'>,
  context: Context,
): Promise<MirrorResult> {
  const clock = new PhaseClock();
  await using resources = new AsyncDisposableStack();
  const copies = await openCopies(inputs.copies, context, resources);
  const storage = resources.use(await openStorage(inputs.storage, inputs, context));
  const source = await openRepository(storage, inputs.repositoryKey);
  const options = { whole: true, share: inputs.share, dryRun: inputs.dryRun };
  const outcomes = await mirrorEach(source, copies, options, context);
  const [first] = outcomes;
  if (first?.kind === 'failed' && outcomes.every(({ kind }) => kind === 'failed')) throw first.error;
  return {
    ...{ isDryRun: inputs.dryRun, source: storage.location, copies: outcomes },
    elapsed: clock.elapsed(),
  };
}

/** Writes each copy in turn. One that fails is told, and the next one is written. */
export async function mirrorEach(
  source: Repository,
  copies: readonly NamedStorage[],
  options: Omit<Parameters<typeof mirrorTo>[2], 'holder'>,
  context: Context,
): Promise<CopyOutcome[]> {
  const outcomes: CopyOutcome[] = [];
  const holder = identifyHolder(context.env);
  for (const copy of copies) {
    const { name, storage } = copy;
    try {
      const mirror = () => mirrorTo(source, copy, { ...options, holder }, context);
      outcomes.push(await context.log.group(`copy ${name}`, mirror));
    } catch (error) {
      context.signal.throwIfAborted();
      if (!isKnownError(error)) throw error;
      context.log.warn(`the copy ${name} was not updated: ${error.message}`);
      outcomes.push({ kind: 'failed', name, location: storage.location, error });
    }
  }
  return outcomes;
}
