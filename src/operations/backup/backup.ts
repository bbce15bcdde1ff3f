import type { BackupInputs } from '../../interface/inputs/types.ts';
import type { Outcome, Told } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { describeBackup } from './report.ts';
import type { BackupResult } from './result.ts';
import { takeBackup } from './take.ts';

/** Takes a backup, and reports it. */
export async function backup(inputs: BackupInputs, context: Context): Promise<Outcome> {
  return (await tellBackup(inputs, context)).outcome;
}

/** Takes a backup. */
export async function tellBackup(inputs: BackupInputs, context: Context): Promise<Told<BackupResult>> {
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
  const result = await takeBackup(request, context);
  return { result, outcome: describeBackup(result) };
}
