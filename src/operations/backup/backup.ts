import type { BackupInputs } from '../../interface/inputs/types.ts';
import type { Outcome, Told } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { openCopies } from '../../storage/copies.ts';
import { copyAfterwards } from '../mirror/after.ts';
import { describeBackup } from './report.ts';
import type { BackupResult } from './result.ts';
import { takeBackup } from './take.ts';

/** Takes a backup, copies it where that is asked for, and reports it. */
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
  await using resources = new AsyncDisposableStack();
  const copies = await openCopies(inputs.copies, context, resources);
  const result = await takeBackup(request, context);
  return { result, outcome: describeBackup(result, await copyAfterwards(inputs, copies, context)) };
}
