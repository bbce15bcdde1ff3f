import type { Inputs } from '../interface/inputs/types.ts';
import type { Outcome } from '../interface/outcome.ts';
import { fileCertificates } from '../postgres/session/root-certificates.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError, StorageError } from '../runtime/errors.ts';

/** Operations that change neither a database nor its backups. */
const looking: ReadonlySet<Inputs['operation']> = new Set(['validate', 'list', 'show', 'status', 'report']);

/**
 * Runs the operation that the inputs name. Throws the errors of `errors.ts`; anything else thrown is a defect
 * of ours.
 */
export async function run(given: Inputs, context: Context): Promise<Outcome> {
  const inputs = fileCertificates(given, context);
  try {
    return await perform(inputs, context);
  } catch (error) {
    // An operation that only looks has touched nothing, so wrong inputs are the user's mistake whenever they
    // show.
    if (error instanceof StorageError && error.configuration && looking.has(inputs.operation)) {
      throw new ConfigurationError(error.message, error.next, error);
    }
    throw error;
  }
}

async function perform(inputs: Inputs, context: Context): Promise<Outcome> {
  switch (inputs.operation) {
    case 'backup': {
      const { backup } = await import('./backup/backup.ts');
      return backup(inputs, context);
    }
    case 'capture': {
      const { capture } = await import('./capture/capture.ts');
      return capture(inputs, context);
    }
    case 'validate': {
      const { validate } = await import('./validate/validate.ts');
      return validate(inputs, context);
    }
    case 'restore': {
      const { restore } = await import('./restore/restore.ts');
      return restore(inputs, context);
    }
    case 'drill': {
      const { drill } = await import('./drill/drill.ts');
      return drill(inputs, context);
    }
    case 'cleanup': {
      const { cleanup } = await import('./cleanup/cleanup.ts');
      return cleanup(inputs, context);
    }
    case 'list': {
      const { list } = await import('./catalog/catalog.ts');
      return list(inputs, context);
    }
    case 'show': {
      const { show } = await import('./catalog/catalog.ts');
      return show(inputs, context);
    }
    case 'gate': {
      const { gate } = await import('./gate/gate.ts');
      return gate(inputs, context);
    }
    case 'status': {
      const { status } = await import('./status/status.ts');
      return status(inputs, context);
    }
    case 'report': {
      const { report } = await import('./report/report.ts');
      return report(inputs, context);
    }
    case 'schedule': {
      const { schedule } = await import('./schedule/schedule.ts');
      return schedule(inputs, context);
    }
    case 'alarm': {
      const { raiseAlarm } = await import('./alarm/alarm.ts');
      return raiseAlarm(inputs);
    }
    case 'records': {
      const { records } = await import('./records/records.ts');
      return records(inputs, context);
    }
    case 'mirror': {
      const { mirror } = await import('./mirror/mirror.ts');
      return mirror(inputs, context);
    }
    case 'repair': {
      const { repair } = await import('./repair/repair.ts');
      return repair(inputs, context);
    }
    case 'pin':
    case 'unpin': {
      const { pin } = await import('./catalog/catalog.ts');
      return pin(inputs, context);
    }
  }
}
