import type { KeygenInputs } from '../../interface/inputs/setup-types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { chooseKeyFiles, generateKey, refuseRunner, storeKey } from './make-key.ts';
import { describeMadeKey } from './report.ts';

/**
 * Makes a key and its recovery sheet.
 *
 * @throws ConfigurationError before anything is written, where a file is there already or may not be
 */
export async function keygen(inputs: KeygenInputs, context: Context): Promise<Outcome> {
  refuseRunner('keygen', context);
  const { database } = inputs;
  const files = await chooseKeyFiles(inputs, database ?? 'supabase-backup', context);
  const key = await generateKey();
  const about = { title: database, places: [], repository: undefined, projectRef: undefined };
  return describeMadeKey(await storeKey(key, files, about, context));
}
