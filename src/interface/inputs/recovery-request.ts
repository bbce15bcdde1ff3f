import type { ReadInput } from './schema.ts';
import { takeCommon, takeCopies } from './shared-inputs.ts';
import type { CommonInputs } from './shared-types.ts';
import { Taker, toConfigurationError } from './taker.ts';
import type { RestoreInputs } from './types.ts';

/** What is to be brought back, before anybody has said into what */
export interface RecoveryRequest
  extends CommonInputs,
    Pick<RestoreInputs, 'backupId' | 'recoveryTargetTime' | 'include' | 'copies'> {}

/**
 * Reads which backup or point in time is asked for, and which of its tables, as `restore` does. A target is
 * not read, so that none need be set.
 *
 * @throws ConfigurationError listing everything that is wrong
 */
export function parseRecoveryRequest(read: ReadInput, env: NodeJS.ProcessEnv): RecoveryRequest {
  const taker = new Taker('restore', read);
  const common = takeCommon(taker, env);
  const request = {
    ...common,
    copies: takeCopies(taker, common, env),
    ...taker.takeRecoverable(),
    include: taker.take('include') ?? [],
  };
  if (taker.mistakes.length > 0) throw toConfigurationError('restore', taker.mistakes);
  return request;
}
