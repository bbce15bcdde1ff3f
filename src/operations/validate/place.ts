import type { CopiesInputs } from '../../interface/inputs/copies-values.ts';
import type { ReadBackRequest } from '../../interface/inputs/types.ts';
import { formatDuration } from '../../report/quantity.ts';
import { fetchObject } from '../../repository/copies/objects.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { IntegrityError, isKnownError, StorageError } from '../../runtime/errors.ts';
import { openCopies } from '../../storage/copies.ts';
import { FallbackStorage, type NamedStorage } from '../../storage/fallback.ts';
import { raceAgainst } from '../../storage/first-answer.ts';
import { openStorage } from '../../storage/open.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Use } from './object-uses.ts';
import type { Curable, ReadPlace } from './result.ts';

/** The repository that is read back, and the copies that stand behind it. */
export interface ReadableRepository {
  readonly repository: Repository;
  /** Set when it is a copy, because those before it could not be opened */
  readonly instead: ReadPlace | undefined;
  /** The copies that were not needed */
  readonly behind: readonly NamedStorage[];
}

/** How long a place may take to be opened where another one is behind it; S3 gives up by itself a little later. */
const patienceMs = 180_000;

/**
 * Opens the storage, or, when it cannot be opened and listed, the first copy that can: as a whole, for what is
 * proven must be in one place. Damage in a place that can be opened is the answer of a validation, and not covered by a copy.
 *
 * @throws the error of the storage, when no copy can be opened either
 */
export async function openReadable(
  request: ReadBackRequest & Partial<CopiesInputs>,
  resources: AsyncDisposableStack,
  context: Context,
): Promise<ReadableRepository> {
  const storage = resources.use(await openStorage(request.storage, request, context));
  const copies = await openCopies(request.copies ?? [], context, resources);
  const places = [{ name: request.storage, storage }, ...copies];
  let failure: Error | undefined;
  for (const [index, { name, storage: place }] of places.entries()) {
    try {
      const isLast = index === places.length - 1;
      const opening = openListable(place, request.repositoryKey);
      const repository = await raceAgainst(isLast ? undefined : patienceMs, [opening]);
      if (repository === undefined) throw silent(place);
      const instead = failure && { name, location: place.location, why: failure.message };
      if (instead !== undefined)
        context.log.warn(`${instead.why}; the copy ${name} is validated instead of ${storage.location}`);
      return { repository, instead, behind: places.slice(index + 1) };
    } catch (error) {
      context.signal.throwIfAborted();
      if (!isKnownError(error)) throw error;
      failure ??= error;
    }
  }
  throw failure ?? new Error('a validation without a place');
}

/** Opens a repository whose backups can be listed, too: the right to read and that to list are two. */
async function openListable(place: Storage, repositoryKey: string | undefined): Promise<Repository> {
  const repository = await openRepository(place, repositoryKey);
  for await (const _ of place.list('backups/')) break;
  return repository;
}

function silent({ location }: Storage): StorageError {
  return new StorageError(
    `${location} did not answer within ${formatDuration(patienceMs)}`,
    'Check whether it can be reached, and whether its mount hangs.',
  );
}

/** Counts the damaged objects that a copy has whole; undefined without copies or damaged objects. */
export async function findCurable(
  copies: readonly NamedStorage[],
  damaged: ReadonlySet<string>,
  uses: ReadonlyMap<string, Use>,
  context: Context,
): Promise<Curable | undefined> {
  const [first, ...others] = copies;
  if (first === undefined || damaged.size === 0) return undefined;
  const all = new FallbackStorage([first, ...others], {
    warn: (message) => context.log.debug(String(message)),
  });
  const described = Map.groupBy(
    [...uses.values()].map(({ object }) => object),
    ({ name }) => name,
  );
  let whole = 0;
  for (const name of damaged) {
    context.signal.throwIfAborted();
    try {
      await fetchObject(all, name, described.get(name) ?? []);
      whole += 1;
    } catch (error) {
      // A copy that lacks it, or does not answer, does not heal it.
      if (!(error instanceof IntegrityError || error instanceof StorageError)) throw error;
    }
  }
  return { whole, damaged: damaged.size };
}
