import type { ListInputs, PinInputs, ShowInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { listBackups } from './list.ts';
import { describeList } from './list-report.ts';
import { setPin } from './pin.ts';
import { describePinning } from './pin-report.ts';
import { lookUpBackup } from './show.ts';
import { describeShown } from './show-report.ts';

/** Lists the backups. */
export async function list(inputs: ListInputs, context: Context): Promise<Outcome> {
  return describeList(await listBackups(inputs, context));
}

/** Reports everything that is known of one backup. */
export async function show(inputs: ShowInputs, context: Context): Promise<Outcome> {
  return describeShown(await lookUpBackup(inputs, context));
}

/** Pins a backup, or returns it to the retention policy. */
export async function pin(inputs: PinInputs, context: Context): Promise<Outcome> {
  return describePinning(await setPin(inputs, inputs.operation === 'pin', context));
}
