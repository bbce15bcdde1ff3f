import { nameInput, say } from '../../runtime/wording.ts';
import { databaseUrlForm } from './database-values.ts';
import { channelInputs } from './operations.ts';
import { takeAccess, takeCopies, takeManagement } from './shared-inputs.ts';
import type { Taker } from './taker.ts';
import type { DoctorInputs, EstimateInputs, MeasuredInputs } from './types.ts';

/* Inputs of the operations that look before the first backup is taken. */

/** Takes what is to be checked: whichever is given, and at least one of it. */
export function takeDoctor(taker: Taker, env: NodeJS.ProcessEnv): DoctorInputs {
  const storage: string | undefined = taker.take('storage');
  const measured = takeMeasured(taker);
  const channels = channelInputs.filter((name) => taker.take(name));
  const access = takeAccess(taker, storage, env);
  const inputs = {
    ...{ operation: 'doctor' as const, storage, channels, ...access },
    copies: takeCopies(taker, { ...access, storage }, env),
    ...measured,
    hasDatabase: hasDatabase(measured, env),
    encryptionRecipients: taker.take('encryption-recipients') ?? [],
    allowUnencrypted: taker.take('allow-unencrypted'),
    unlimitedWal: taker.take('unlimited-wal'),
    workflows: taker.take('workflows'),
    lacksMailServer: channels.includes('mail-to') && taker.take('smtp-url') === undefined,
    readOnly: taker.take('read-only'),
    testAlarm: taker.take('test-alarm'),
    ...takeManagement(taker, measured, env),
  };
  refuseNothing(taker, inputs);
  if (inputs.testAlarm && channels.length === 0)
    taker.note(
      'test-alarm',
      'has no channel to send to',
      say`Set ${nameInput('notify-url')}, ${nameInput('slack-webhook-url')} or ${nameInput('mail-to')}.`,
    );
  return inputs;
}

export function takeEstimate(taker: Taker, env: NodeJS.ProcessEnv): EstimateInputs {
  const measured = takeMeasured(taker);
  if (!hasDatabase(measured, env) && taker.mistakes.length === 0)
    taker.note(
      'database-url',
      'is required for estimate, because PGHOST is not set either',
      `Set it, for example to ${databaseUrlForm}.`,
    );
  return { operation: 'estimate', ...measured };
}

function takeMeasured(taker: Taker): MeasuredInputs {
  return {
    databaseUrl: taker.take('database-url'),
    sslrootcert: taker.take('sslrootcert'),
    include: taker.take('include') ?? [],
    exclude: taker.take('exclude') ?? [],
    jobs: taker.take('jobs'),
    compressionLevel: taker.take('compression-level'),
    retention: taker.take('retention'),
    pricePerGbMonth: taker.take('price-per-gb-month'),
    policy: taker.take('policy'),
    database: taker.take('database'),
  };
}

function hasDatabase({ databaseUrl }: MeasuredInputs, env: NodeJS.ProcessEnv): boolean {
  return databaseUrl !== undefined || (env.PGHOST ?? '') !== '';
}

/** Nothing to check is a mistake: an answer that all is well would say nothing. */
function refuseNothing(taker: Taker, inputs: DoctorInputs): void {
  const { hasDatabase, storage, policy, channels, copies, management } = inputs;
  const keys = [...inputs.encryptionRecipients, ...inputs.encryptionIdentity];
  const given = [hasDatabase, storage, policy, channels[0], copies[0], keys[0], management];
  if (given.some(Boolean) || taker.mistakes.length > 0) return;
  taker.note(
    'database-url',
    'is not given, and neither is anything else that doctor could check',
    say`Give what you want to check: ${nameInput('database-url')}, storage, ${nameInput('encryption-recipients')}, ${nameInput('encryption-identity')}, policy, ${nameInput('project-ref')} with its token, or an alarm channel such as ${nameInput('notify-url')}.`,
  );
}
