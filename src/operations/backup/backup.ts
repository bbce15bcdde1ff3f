import type { BackupInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeBackup } from './report.ts';
import { takeBackup } from './take.ts';

/** Takes a backup, and reports it. */
export async function backup(inputs: BackupInputs, context: Context): Promise<Outcome> {
  const { backupType, label, pin } = inputs;
  const request = {
    source: inputs,
    place: inputs,
    packing: inputs,
    backupType,
    purpose: 'ordinary' as const,
    label,
    pin,
  };
  return describeBackup(await takeBackup(request, context));
}
