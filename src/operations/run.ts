import type { Inputs } from '../interface/inputs/types.ts';
import type { Outcome } from '../interface/outcome.ts';
import { fileCertificates } from '../postgres/session/root-certificates.ts';
import type { World } from '../runtime/context.ts';
import { ConfigurationError, StorageError } from '../runtime/errors.ts';

/** Operations that change neither a database nor its backups. */
const looking: ReadonlySet<Inputs['operation']> = new Set(['validate', 'list', 'show', 'status']);

/**
 * Runs the operation that the inputs name. Throws the errors of `errors.ts`; anything else thrown is a defect
 * of ours.
 */
export async function run(given: Inputs, world: World): Promise<Outcome> {
  const inputs = fileCertificates(given, world);
  try {
    return await perform(inputs, world);
  } catch (error) {
    // An operation that only looks has touched nothing, so wrong inputs are the user's mistake whenever they
    // show.
    if (error instanceof StorageError && error.configuration && looking.has(inputs.operation)) {
      throw new ConfigurationError(error.message, error.next, error);
    }
    throw error;
  }
}

async function perform(inputs: Inputs, world: World): Promise<Outcome> {
  switch (inputs.operation) {
    case 'backup': {
      const { backup } = await import('./backup/backup.ts');
      return backup(inputs, world);
    }
    case 'capture': {
      const { capture } = await import('./capture/capture.ts');
      return capture(inputs, world);
    }
    case 'validate': {
      const { validate } = await import('./validate/validate.ts');
      return validate(inputs, world);
    }
    case 'restore': {
      const { restore } = await import('./restore/restore.ts');
      return restore(inputs, world);
    }
    case 'drill': {
      const { drill } = await import('./drill/drill.ts');
      return drill(inputs, world);
    }
    case 'cleanup': {
      const { cleanup } = await import('./cleanup/cleanup.ts');
      return cleanup(inputs, world);
    }
    case 'list': {
      const { list } = await import('./catalog/catalog.ts');
      return list(inputs, world);
    }
    case 'show': {
      const { show } = await import('./catalog/catalog.ts');
      return show(inputs, world);
    }
    case 'gate': {
      const { gate } = await import('./gate/gate.ts');
      return gate(inputs, world);
    }
    case 'status': {
      const { status } = await import('./status/status.ts');
      return status(inputs, world);
    }
    case 'schedule': {
      const { schedule } = await import('./schedule/schedule.ts');
      return schedule(inputs, world);
    }
    case 'alarm': {
      const { raiseAlarm } = await import('./alarm/alarm.ts');
      return raiseAlarm(inputs);
    }
    case 'pin':
    case 'unpin': {
      const { pin } = await import('./catalog/catalog.ts');
      return pin(inputs, world);
    }
  }
}
