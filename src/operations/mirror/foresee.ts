import type { MirrorInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { openCopies } from '../../storage/copies.ts';
import { openStorage } from '../../storage/open.ts';

/** What a mirror would write, before anybody starts it. */
export interface ForeseenMirror {
  /** Of the storage */
  readonly location: string;
  readonly copies: readonly { readonly name: string; readonly location: string }[];
}

/**
 * Says to which places a mirror would write. Asks none of them.
 *
 * @throws ConfigurationError when the location of one is invalid
 */
export async function foreseeMirror(inputs: MirrorInputs, context: Context): Promise<ForeseenMirror> {
  await using resources = new AsyncDisposableStack();
  const storage = resources.use(await openStorage(inputs.storage, inputs, context));
  const copies = await openCopies(inputs.copies, context, resources);
  return {
    location: storage.location,
    copies: copies.map(({ name, storage: { location } }) => ({ name, location })),
  };
}
