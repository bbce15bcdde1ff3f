import type { Inputs } from '../interface/inputs/types.ts';
import type { World } from '../runtime/context.ts';
import { openStorage } from '../storage/open.ts';
import type { Storage } from '../storage/storage.ts';

/** The inputs of an operation that works on a storage. */
export type StoringInputs = Exclude<Inputs, { operation: 'schedule' }>;

/** Opens the storage of the inputs; it is closed with the resources. */
export async function openPlace(
  inputs: Omit<StoringInputs, 'operation'>,
  resources: AsyncDisposableStack,
  world: World,
): Promise<Storage> {
  const storage = await openStorage(inputs.storage, inputs, world);
  return resources.adopt(storage, (opened) => opened.close());
}
