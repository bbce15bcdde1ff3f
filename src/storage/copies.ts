import type { CopyPlace } from '../interface/inputs/copies-values.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { FallbackStorage, type NamedStorage } from './fallback.ts';
import { openStorage, type StorageContext, type StorageOptions } from './open.ts';

/** A first storage and its copies. */
export interface CopiedPlace extends StorageOptions {
  readonly storage: string;
  readonly copies: readonly CopyPlace[];
}

/**
 * Opens the copies, without any request: what is wrong with their addresses shows before anything is touched.
 *
 * @throws ConfigurationError when the location of one is invalid; it names the entry
 */
export async function openCopies(
  copies: readonly CopyPlace[],
  context: StorageContext,
  resources: AsyncDisposableStack,
): Promise<NamedStorage[]> {
  const opened: NamedStorage[] = [];
  for (const [index, copy] of copies.entries()) {
    try {
      // A run is recorded in its first storage alone.
      const storage = await openStorage(copy.storage, toOptions(copy), {
        ...context,
        noteRepository: undefined,
      });
      opened.push({ name: copy.name, storage: resources.use(storage) });
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      throw new ConfigurationError(
        say`${nameInput('copies')}: entry ${index + 1}: ${error.told.message}`,
        error.told.next,
        error,
      );
    }
  }
  return opened;
}

/**
 * Opens a storage whose copies answer for what it does not give.
 *
 * @throws ConfigurationError when a location is invalid
 */
export async function openWithCopies(place: CopiedPlace, context: StorageContext): Promise<FallbackStorage> {
  await using resources = new AsyncDisposableStack();
  const storage = resources.use(await openStorage(place.storage, place, context));
  const copies = await openCopies(place.copies, context, resources);
  const all = new FallbackStorage([{ name: place.storage, storage }, ...copies], context.log);
  resources.move();
  return all;
}

/** Values of a copy are checked by the store itself where it can. */
function toOptions(copy: CopyPlace): StorageOptions {
  return { ...copy, s3Checksums: true };
}
