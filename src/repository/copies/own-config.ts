import { ConfigurationError, IntegrityError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { Storage } from '../../storage/storage.ts';
import { configKey, parseRepository, type Repository, readConfig } from '../open.ts';
import { listKind, readValue } from './sealed-value.ts';

/** How many manifests are read to see whose they are; of damaged ones there may be many. */
const mostRead = 20;

/**
 * Tells whether the `repository.json` of a storage is to be replaced by that of its copies. Neither is believed by
 * itself: a copy with a wrong key would make every backup of a sound storage unreadable. The manifests say which
 * is right, for each is sealed with the key.
 *
 * @throws ConfigurationError when the storage holds another repository
 * @throws IntegrityError when it is the copies that have the wrong one
 */
export async function isConfigWrong(
  source: Repository,
  storage: Storage,
  repositoryKey: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const own = await openOwn(source, storage, repositoryKey);
  if (own === 'same') return false;
  if (own !== undefined && own.id !== source.id && !own.key.equals(source.key))
    throw isOther(source, storage);
  const here = [...(await listKind(storage, 'backups', signal)).keys()];
  if (await fits({ ...source, storage }, here)) return true;
  if (own !== undefined && (await fits(own, here)))
    throw new IntegrityError(
      `${configKey} in ${source.storage.location} is not that of ${storage.location}, whose backups are sealed with its own key`,
      `Put the right one into the copy: it is the same file as in ${storage.location}. Nothing was changed.`,
    );
  // Nothing here is whole. That it is of this repository, names alone can say: each is of one backup.
  const there = await listKind(source.storage, 'backups', signal);
  const isKnown = here.length === 0 || here.some((key) => there.has(key));
  if (!isKnown) throw isOther(source, storage);
  if (there.size === 0 ? own === undefined : await fits(source, [...there.keys()])) return true;
  throw new IntegrityError(
    `no backup in ${source.storage.location} is sealed with the key in its ${configKey}`,
    'Give another copy, or put its repository.json back: it is the same file in the storage and all copies. Nothing was changed.',
  );
}

/** @returns `same` when it is that of the copies; undefined when there is none, or it is damaged */
async function openOwn(
  source: Repository,
  storage: Storage,
  repositoryKey: string | undefined,
): Promise<Repository | 'same' | undefined> {
  try {
    const config = await readConfig(storage, {});
    if (config === undefined) return undefined;
    return config.equals(source.config) ? 'same' : parseRepository(storage, config, repositoryKey);
  } catch (error) {
    if (error instanceof IntegrityError) return undefined;
    if (error instanceof ConfigurationError) throw isOther(source, storage);
    throw error;
  }
}

/** Tells whether a manifest, of the newest ones, is sealed with the key of a repository. */
async function fits(repository: Repository, keys: readonly string[]): Promise<boolean> {
  for (const key of keys.toSorted().slice(-mostRead)) {
    try {
      if ((await readValue(repository, 'backups', key)) !== undefined) return true;
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
    }
  }
  return false;
}

function isOther(source: Repository, storage: Storage): ConfigurationError {
  return new ConfigurationError(
    say`${nameInput('copies')}: ${source.storage.location} holds another repository than ${storage.location}`,
    'Give the copies of this repository, or the right storage. Nothing was changed.',
  );
}
