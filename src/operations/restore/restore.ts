import type { RestoreInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { refuseInside } from '../../storage/folder-path.ts';
import { sideRestore } from '../side-restore/side-restore.ts';
import { describeRestore } from './report.ts';
import { restoreBackup } from './restore-backup.ts';

/**
 * Restores a backup or a part of one, in place of the target's objects or beside them, and reports the
 * result.
 */
export async function restore(inputs: RestoreInputs, context: Context): Promise<Outcome> {
  const { storage, safetyStorage = storage, reportFolder } = inputs;
  await refuseInside(reportFolder, 'report-folder', [
    ...[storage, safetyStorage],
    ...inputs.copies.map((copy) => copy.storage),
  ]);
  if (inputs.sideSchema !== undefined) return sideRestore(inputs, context);
  return describeRestore(await restoreBackup(inputs, context));
}
