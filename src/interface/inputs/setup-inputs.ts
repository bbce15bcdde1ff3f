import type { InitInputs, KeyFileInputs, KeygenInputs } from './setup-types.ts';
import { takeRecording } from './shared-inputs.ts';
import type { Taker } from './taker.ts';

/* Inputs of the operations that set a repository up, and make its workflows. */

/** What is not given here is asked for, or told to be missing, once it is known whether somebody can be asked. */
export function takeInit(taker: Taker): InitInputs {
  const notify: InitInputs['notify'] = taker.take('notify');
  if (notify !== undefined && notify.length > 1 && notify.includes('none'))
    taker.note('notify', 'cannot be none together with others', 'Remove none, or write only none.');
  return {
    operation: 'init',
    databases: taker.take('databases'),
    storage: taker.takeOptional('storage'),
    s3Endpoint: taker.take('s3-endpoint'),
    s3Region: taker.take('s3-region'),
    projectRef: taker.take('project-ref'),
    notify,
    ...takeMail(taker),
    encryptionRecipients: taker.take('encryption-recipients') ?? [],
    action: taker.take('action'),
    githubRepository: taker.take('github-repository'),
    ...takeKeyFiles(taker),
    policy: taker.take('policy') ?? '',
    workflows: taker.take('workflows'),
    dryRun: taker.take('dry-run'),
  };
}

export function takeKeygen(taker: Taker): KeygenInputs {
  return { operation: 'keygen', database: taker.take('database'), ...takeKeyFiles(taker) };
}

function takeKeyFiles(taker: Taker): KeyFileInputs {
  return { keyFile: taker.take('key-file'), recoverySheet: taker.take('recovery-sheet') };
}

/** Addresses as a policy has them: texts that are known to be well-formed. */
function takeMail(taker: Taker): Pick<InitInputs, 'mailFrom' | 'mailTo'> {
  const from = taker.take('mail-from');
  const to = taker.take('mail-to');
  return {
    mailFrom: from && (from.name === '' ? from.address : `${from.name} <${from.address}>`),
    mailTo: to?.map(({ address }) => address),
  };
}

export function takeSchedule(taker: Taker) {
  return {
    operation: 'schedule' as const,
    policy: taker.take('policy'),
    workflows: taker.take('workflows'),
    check: taker.take('check'),
    dryRun: taker.take('dry-run'),
    githubToken: taker.take('github-token'),
    ...takeRecording(taker),
  };
}
