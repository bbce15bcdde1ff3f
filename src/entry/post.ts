import './process/node-version.ts';
import * as core from '@actions/core';
import { stepState } from '../github/step.ts';
import { trustAuthorities } from '../http/authorities.ts';
import type { CopyPlace } from '../interface/inputs/copies-values.ts';
import { acceptFormerNames } from '../interface/inputs/former-names.ts';
import { parseInputs } from '../interface/inputs/parse.ts';
import type { Inputs } from '../interface/inputs/types.ts';
import { createRedactor } from '../report/redact.ts';
import { isKnownError, messageOf } from '../runtime/errors.ts';
import { endProcess } from './process/end.ts';
import { abortOnSignals } from './process/interruption.ts';
import { machine } from './process/machine.ts';
import { createRunnerLog } from './process/runner-log.ts';
import { listSecrets } from './process/secrets.ts';
import { createTemporaryFolder } from './process/temporary-folder.ts';
import { releaseLocks } from './release-locks.ts';

/*
 * Runs at the end of the job, also of a cancelled one. Locks that a killed step has left are removed here.
 * Its snapshot needs no cleanup: the server ended it with the connection.
 */

const { env } = machine;
const read = acceptFormerNames((name) => core.getInput(name));

trustAuthorities(env);
main().then(() => endProcess());

async function main(): Promise<void> {
  const secrets = listSecrets(read, env);
  for (const secret of secrets) core.setSecret(secret);
  const step = core.getState(stepState.step);
  if (step === '' || core.getState(stepState.ended) === 'true') return;

  const redact = createRedactor(secrets);
  const log = createRunnerLog(redact);
  const signal = abortOnSignals(log.warn);
  try {
    const context = {
      ...machine,
      log,
      redact,
      signal,
      temporaryFolder: createTemporaryFolder(env.RUNNER_TEMP),
    };
    let released = 0;
    for (const place of listPlaces(parseInputs(read, env)))
      released += await releaseLocks(place, step, context);
    log.info(`The step was stopped before its end; ${released} locks that it had left are released.`);
  } catch (error) {
    // A second failure would not help the user of a job that was cancelled, so this one is a warning.
    log.warn(isKnownError(error) ? `${error.message}\n→ ${error.next}` : messageOf(error));
  }
}

/** Lists the storages in which the operation may have locked a repository. */
function listPlaces(inputs: Inputs) {
  const { operation } = inputs;
  if (operation === 'schedule' || operation === 'alarm' || operation === 'report') return [];
  if (operation === 'doctor' || operation === 'estimate') return [];
  if (operation === 'init' || operation === 'keygen') return [];
  const { storage } = inputs;
  if (storage === undefined) return [];
  const safetyStorage = 'safetyStorage' in inputs ? inputs.safetyStorage : undefined;
  const { repositoryKey } = inputs;
  return [
    { ...inputs, storage },
    ...(safetyStorage === undefined ? [] : [{ ...inputs, storage: safetyStorage }]),
    ...listWritten(inputs).map((copy) => ({ ...copy, repositoryKey })),
  ];
}

/** Lists the copies that the operation writes, each of which it locks meanwhile. */
function listWritten(inputs: Inputs): readonly CopyPlace[] {
  switch (inputs.operation) {
    case 'backup':
    case 'capture':
    case 'mirror':
      return inputs.copies;
    default:
      return [];
  }
}
