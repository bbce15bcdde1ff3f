import './process/node-version.ts';
import * as core from '@actions/core';
import { stepState } from '../github/step.ts';
import { trustAuthorities } from '../http/authorities.ts';
import { parseInputs } from '../interface/inputs/parse.ts';
import type { InputName } from '../interface/inputs/schema.ts';
import type { Inputs } from '../interface/inputs/types.ts';
import { createMask } from '../report/redact.ts';
import { isKnownError, messageOf } from '../runtime/errors.ts';
import { endProcess } from './process/end.ts';
import { abortOnSignals } from './process/interruption.ts';
import { machine } from './process/machine.ts';
import { createRunnerLog } from './process/runner-log.ts';
import { listSecrets } from './process/secrets.ts';
import { createTemporaryFolder } from './process/temporary-folder.ts';
import { releaseLocks } from './release-locks.ts';

/*
 * Runs at the end of the job, also of one that was cancelled. A step that was killed has left its locks: they are removed here. Its snapshot
 * needs nothing: the server ended it with the connection.
 */

const { env } = machine;
const read = (name: InputName): string => core.getInput(name);

trustAuthorities(env);
main().then(() => endProcess());

async function main(): Promise<void> {
  const secrets = listSecrets(read, env);
  for (const secret of secrets) core.setSecret(secret);
  const step = core.getState(stepState.step);
  if (step === '' || core.getState(stepState.ended) === 'true') return;

  const mask = createMask(secrets);
  const log = createRunnerLog(mask);
  const signal = abortOnSignals(log.warn);
  try {
    const world = { ...machine, log, mask, signal, temporaryFolder: createTemporaryFolder(env.RUNNER_TEMP) };
    let released = 0;
    for (const place of listPlaces(parseInputs(read, env)))
      released += await releaseLocks(place, step, world);
    log.info(`The step was stopped before its end; ${released} locks that it had left are released.`);
  } catch (error) {
    // Nobody is helped by a second failure of a job that was cancelled.
    log.warn(isKnownError(error) ? `${error.message}\n→ ${error.next}` : messageOf(error));
  }
}

/** Where the operation may have locked a repository. */
function listPlaces(inputs: Inputs) {
  if (inputs.operation === 'schedule' || inputs.operation === 'alarm') return [];
  const { safetyStorage } = inputs.operation === 'restore' ? inputs : {};
  return [inputs, ...(safetyStorage === undefined ? [] : [{ ...inputs, storage: safetyStorage }])];
}
