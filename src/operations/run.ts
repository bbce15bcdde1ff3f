import type { Inputs } from '../interface/inputs/types.ts';
import type { Outcome } from '../interface/outcome.ts';
import { fileCertificates } from '../postgres/session/root-certificates.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError, StorageError } from '../runtime/errors.ts';

/** Operations that change neither a database nor its backups. */
const looking: ReadonlySet<Inputs['operation']> = new Set([
  ...(['validate', 'list', 'show', 'status', 'report', 'doctor', 'estimate', 'managed'] as const),
]);

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
      throw new ConfigurationError(error.told.message, error.told.next, error);
    }
    throw error;
  }
}

async function perform(inputs: Inputs, context: Context): Promise<Outcome> {
  switch (inputs.operation) {
    case 'backup':
      return (await import('./backup/backup.ts')).backup(inputs, context);
    case 'capture':
      return (await import('./capture/capture.ts')).capture(inputs, context);
    case 'validate':
      return (await import('./validate/validate.ts')).validate(inputs, context);
    case 'restore': {
      if (inputs.managed) {
        const { restoreManaged } = await import('./managed-restore/managed-restore.ts');
        return restoreManaged(inputs, context);
      }
      const { restore } = await import('./restore/restore.ts');
      return restore(inputs, context);
    }
    case 'drill':
      return (await import('./drill/drill.ts')).drill(inputs, context);
    case 'cleanup':
      return (await import('./cleanup/cleanup.ts')).cleanup(inputs, context);
    case 'list':
      return (await import('./catalog/catalog.ts')).list(inputs, context);
    case 'show':
      return (await import('./catalog/catalog.ts')).show(inputs, context);
    case 'gate':
      return (await import('./gate/gate.ts')).gate(inputs, context);
    case 'status':
      return (await import('./status/status.ts')).status(inputs, context);
    case 'report':
      return (await import('./report/report.ts')).report(inputs, context);
    case 'schedule':
      return (await import('./schedule/schedule.ts')).schedule(inputs, context);
    case 'managed':
      return (await import('./managed/managed.ts')).managed(inputs, context);
    case 'alarm':
      return (await import('./alarm/alarm.ts')).raiseAlarm(inputs);
    case 'records':
      return (await import('./records/records.ts')).records(inputs, context);
    case 'doctor':
      return (await import('./doctor/doctor.ts')).doctor(inputs, context);
    case 'estimate':
      return (await import('./estimate/estimate.ts')).estimate(inputs, context);
    case 'mirror':
      return (await import('./mirror/mirror.ts')).mirror(inputs, context);
    case 'repair':
      return (await import('./repair/repair.ts')).repair(inputs, context);
    case 'init':
      return (await import('./init/init.ts')).init(inputs, context);
    case 'keygen':
      return (await import('./keygen/keygen.ts')).keygen(inputs, context);
    case 'pin':
    case 'unpin':
      return (await import('./catalog/catalog.ts')).pin(inputs, context);
  }
}
