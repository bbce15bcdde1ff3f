import { ConfigurationError, IntegrityError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { Storage } from '../../storage/storage.ts';
import { configKey, parseRepository, type Repository, readConfig } from '../open.ts';
import { refuseSharedFolder } from './alone.ts';

/** What may lie in a place that is to become a copy: what a probe or a lock has left */
const harmless = /^(probe-[0-9a-f-]{36}|probe\/[0-9a-f-]+|locks\/[0-9a-f]{16}(-\d+)?\.json)$/;

/**
 * Opens a copy of a repository; undefined when the place is empty.
 *
 * @param name the copy, for messages
 * @throws ConfigurationError when it holds another repository, or something else, or is the folder of the source
 * @throws IntegrityError when its `repository.json` is damaged
 */
export async function openCopy(
  source: Repository,
  storage: Storage,
  name: string,
): Promise<Repository | undefined> {
  await refuseSharedFolder(storage, source.storage);
  const config = await readConfig(storage, {});
  if (config === undefined) {
    await refuseOccupied(storage, name);
    return undefined;
  }
  if (config.equals(source.config)) return { ...source, storage };
  refuseOther(source, storage, name, config);
}

/** Makes a place a copy: the same repository, with the same id and key. */
export async function makeCopy(source: Repository, storage: Storage, name: string): Promise<Repository> {
  await storage.create(configKey, source.config);
  const made = await openCopy(source, storage, name);
  if (made !== undefined) return made;
  throw new IntegrityError(
    `${configKey} is not in ${storage.location} right after it was stored`,
    'Use a storage whose reads are strongly consistent.',
  );
}

async function refuseOccupied(storage: Storage, name: string): Promise<void> {
  for await (const { key } of storage.list('')) {
    if (harmless.test(key)) continue;
    throw new ConfigurationError(
      say`${nameInput('copies')}: ${name} is not empty (it holds ${key}) and is not a copy of this repository`,
      'Give an empty or a new location. If it was a copy, put its repository.json back: it is the same file as in the storage.',
    );
  }
}

function refuseOther(source: Repository, storage: Storage, name: string, config: Buffer): never {
  const isSame = idIn(config) === source.id;
  if (isSame)
    throw new IntegrityError(
      `${configKey} of the copy ${name} is not that of ${source.storage.location}, although it has the same id`,
      'Compare the two files. They must be equal: replace the wrong one with the other.',
    );
  // Says what is wrong with it where it is none at all.
  parseKeyless(storage, config);
  throw new ConfigurationError(
    say`${nameInput('copies')}: ${name} holds another repository than ${source.storage.location}`,
    'Give an empty location, or a copy of this repository. Nothing was copied.',
  );
}

function idIn(config: Buffer): string | undefined {
  return /"id":\s*"([0-9a-f]{32})"/.exec(config.toString('utf8'))?.[1];
}

function parseKeyless(storage: Storage, config: Buffer): void {
  try {
    parseRepository(storage, config, undefined);
  } catch (error) {
    // A repository whose key is kept elsewhere is another one all the same.
    if (!(error instanceof ConfigurationError)) throw error;
  }
}
