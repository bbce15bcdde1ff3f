import { openCopy } from '../../../repository/copies/initialize.ts';
import type { Repository } from '../../../repository/open.ts';
import type { NamedStorage } from '../../../storage/fallback.ts';
import { type Examination, type Finding, ok } from '../examination.ts';

/**
 * Checks that each copy can be listed and written, and is of the same repository as the first storage.
 *
 * @param repository of the first storage; undefined where there is none, or it cannot be opened
 */
export async function checkCopies(
  examination: Examination,
  copies: readonly NamedStorage[],
  repository: Repository | undefined,
  readOnly: boolean,
): Promise<void> {
  for (const copy of copies)
    await examination.run('copy', () => judgeCopy(copy, repository, readOnly), { subject: copy.name });
}

async function judgeCopy(
  { name, storage }: NamedStorage,
  repository: Repository | undefined,
  readOnly: boolean,
): Promise<Finding> {
  const written = readOnly ? await list(storage) : await probe(storage);
  if (repository === undefined) return ok(`${written}; there is no repository yet that it could be of`);
  const copied = await openCopy(repository, storage, name);
  return ok(
    copied === undefined ? `${written}; nothing is copied yet` : `${written}; it is of the same repository`,
  );
}

async function list(storage: NamedStorage['storage']): Promise<string> {
  const listing = storage.list('')[Symbol.asyncIterator]();
  await listing.next();
  await listing.return?.();
  return 'it can be listed';
}

async function probe(storage: NamedStorage['storage']): Promise<string> {
  const { deletes } = await storage.probe();
  const stays = deletes ? '' : ', where nothing may be deleted';
  return `a probe was written, read back and listed${stays}`;
}
